"""FastAGI look-ups from a dialplan of the real Asterisk, as docs/dialplan.md shows them."""

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from callctl import clock
from callctl.ami import AmiSession, open_session
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.pool import Database
from callctl.directory.manual_switch import ManualSwitches
from callctl.stack.asterisk import Asterisk
from callctl.stack.processes import Child
from callctl.values.schedule import ManualSwitch
from tests.plugins.database import free_port

_WAIT_SECONDS_MAX = 5.0
_VARIABLES = {
    "area": ("AREA_CODE", "AREA"),
    "screen": ("VERDICT", "REASON", "CAUSE", "VIP", "ANNOUNCEMENT"),
    "route": ("OUTCOME", "GROUP", "TARGET", "LINES", "RING_SECONDS", "REASON"),
    "balance": ("BALANCE", "AVAILABLE", "CURRENCY", "STATE"),
    "rate": ("PRICE_PER_MINUTE", "CONNECT_FEE", "CURRENCY", "TARIFF", "QUOTA_SECONDS"),
}
_DID, _CALLER = "4001234567", "01062009999"


class Dialplan:
    """An engineer's own dialplan: [tests-agi-PATH] asks PATH about the number dialled into it."""

    def __init__(self, asterisk: Asterisk, ami: AmiSession, http: aiohttp.ClientSession) -> None:
        self._asterisk = asterisk
        self._ami = ami
        self._http = http

    async def write(self) -> None:
        """Add a context for each look-up."""
        did = "${FILTER(0-9,${EXTEN})}"
        for path in _VARIABLES:
            url = f"agi://127.0.0.1:{self._asterisk.ports.agi}/{path}?did={did}"
            steps = (
                ("Set", "CALLERID(num)=${CALLER}"),
                ("Set", "AGISIGHUP=no"),
                ("AGI", url),
                ("Set", "CALLCTL_DONE=${AGISTATUS}"),
                ("Wait", "30"),
            )
            for priority, (application, data) in enumerate(steps, start=1):
                await self._ami.action(
                    "DialplanExtensionAdd",
                    Context=f"tests-agi-{path}",
                    Extension="_X.",
                    Priority=str(priority),
                    Application=application,
                    ApplicationData=data,
                )

    async def ask(self, path: str, did: str = _DID, caller: str = _CALLER) -> dict[str, str]:
        """Run it for a caller; the variables that the channel has afterwards."""
        near, far = f"agi-{uuid.uuid4().hex}", f"agi-{uuid.uuid4().hex}"
        wanted = {
            "endpoint": f"Local/{did}@tests-agi-{path}/n",
            "extension": "s",
            "context": "callctl-away",
            "channelId": near,
            "otherChannelId": far,
        }
        body = {"variables": {"__CALLER": caller}}
        async with self._http.post("channels", params=wanted, json=body) as answer:
            assert answer.status == 200, await answer.text()
        try:
            until = clock.monotonic() + _WAIT_SECONDS_MAX
            while not await self._variable(far, "DONE"):
                assert clock.monotonic() < until, "the dialplan did not come past AGI()"
                await clock.sleep(0.005)
            names = ("STATUS", *_VARIABLES[path], "DONE")
            return {name: await self._variable(far, name) for name in names}
        finally:
            async with self._http.delete(f"channels/{near}"):
                pass

    async def _variable(self, channel: str, name: str) -> str:
        wanted = {"variable": f"CALLCTL_{name}"}
        async with self._http.get(f"channels/{channel}/variable", params=wanted) as answer:
            return (await answer.json())["value"] if answer.status == 200 else ""


@pytest.fixture
async def dialplan(asterisk: Asterisk) -> AsyncIterator[Dialplan]:
    """The dialplan, and ARI for placing calls into it and reading its variables."""
    login = (asterisk.ami_host, asterisk.ami_port, asterisk.ami_user, asterisk.ami_password)
    auth = {"Authorization": aiohttp.encode_basic_auth(asterisk.ari_user, asterisk.ari_password)}
    base = f"{asterisk.ari_url}/ari/"
    async with open_session(*login) as ami, aiohttp.ClientSession(base, headers=auth) as http:
        dialplan = Dialplan(asterisk, ami, http)
        await dialplan.write()
        yield dialplan
        await asterisk.cli("dialplan reload")


@pytest.fixture
async def web(
    asterisk: Asterisk, provisioned: Database, database_url: str, tmp_path: Path
) -> AsyncIterator[Child]:
    """`callctl web` over the example tenant."""
    assert provisioned
    command = (sys.executable, "-m", "callctl", "web")
    child = Child("web", command, tmp_path / "web.log")
    await child.start(
        {
            "CALLCTL_DATABASE_URL": database_url,
            "CALLCTL_VAR_DIR": str(tmp_path),
            "CALLCTL_API_PORT": str(free_port()),
            "CALLCTL_AGI_PORT": str(asterisk.ports.agi),
        }
    )
    yield child
    assert await child.stop() == 0, child.obituary()


@contextmanager
def _frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    """All processes of PostgreSQL stand still meanwhile."""
    server = psutil.Process(postgres.process_id)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


async def test_dialplan_learns_what_callctl_knows(dialplan: Dialplan, web: Child) -> None:
    """Each look-up sets its variables on a real channel, ready to be used."""
    assert web.is_running
    found = {path: await dialplan.ask(path) for path in _VARIABLES}

    assert {answer["DONE"] for answer in found.values()} == {"SUCCESS"}
    assert {answer["STATUS"] for answer in found.values()} == {"OK"}
    assert found["area"] | {"AREA_CODE": "110000", "AREA": "北京"} == found["area"]
    assert (found["screen"]["VERDICT"], found["screen"]["VIP"]) == ("allow", "0")
    route = found["route"]
    assert (route["OUTCOME"], route["GROUP"], route["RING_SECONDS"]) == ("ring", "lines", "15")
    assert route["LINES"] == "PJSIP/01062000001@carrier&PJSIP/057162000003@carrier"
    balance, rate = found["balance"], found["rate"]
    assert (balance["BALANCE"], balance["AVAILABLE"]) == ("600.00", "600.00")
    assert (rate["PRICE_PER_MINUTE"], rate["TARIFF"]) == ("0.30", "400-standard")
    assert rate["QUOTA_SECONDS"] == "14400"


async def test_dialplan_is_told_of_refused_and_unknown(dialplan: Dialplan, web: Child) -> None:
    """A blacklisted caller is REFUSED, a number that is not ours UNKNOWN; nothing old is left."""
    assert web.is_running
    refused = await dialplan.ask("screen", caller="13900000000")
    route = await dialplan.ask("route", caller="13900000000")
    unknown = await dialplan.ask("route", did="4000000000")

    assert (refused["STATUS"], refused["VERDICT"]) == ("REFUSED", "refuse")
    assert (refused["REASON"], refused["CAUSE"]) == ("blacklisted", "21")
    assert (route["STATUS"], route["OUTCOME"], route["LINES"]) == ("REFUSED", "end", "")
    assert unknown == dict.fromkeys(unknown, "") | {"STATUS": "UNKNOWN", "DONE": "SUCCESS"}
    assert (await dialplan.ask("area", caller="10086"))["STATUS"] == "UNKNOWN"


async def test_dialplan_follows_a_change_within_a_second(
    dialplan: Dialplan, web: Child, provisioned: Database
) -> None:
    """A number that is closed by hand is closed for look-ups, too."""
    assert web.is_running
    await ManualSwitches(provisioned).turn(_DID, ManualSwitch.CLOSED, by="test")
    until = clock.monotonic() + 1.0
    while (await dialplan.ask("route"))["OUTCOME"] != "end":
        assert clock.monotonic() < until


async def test_hostile_caller_is_an_unknown_one(dialplan: Dialplan, web: Child) -> None:
    """A caller id that is no number is answered as one that shows none."""
    assert web.is_running
    hostile = ("1380\r\nagi_x: y", "x' OR 1=1", '"${SHELL(id)}', "1" * 79)
    for found in await asyncio.gather(*(dialplan.ask("screen", caller=one) for one in hostile)):
        assert (found["STATUS"], found["VERDICT"], found["DONE"]) == ("OK", "allow", "SUCCESS")


async def test_frozen_database_does_not_hold_a_call(
    dialplan: Dialplan, web: Child, postgres: EmbeddedPostgres
) -> None:
    """What is in memory is answered; what must be asked is UNAVAILABLE; both at once."""
    assert web.is_running
    await dialplan.ask("balance")
    with _frozen(postgres):
        begun = clock.monotonic()
        asked = await asyncio.gather(*(dialplan.ask(path) for path in _VARIABLES))
        took = clock.monotonic() - begun
    found = {path: answer["STATUS"] for path, answer in zip(_VARIABLES, asked, strict=True)}

    assert found == {
        **dict.fromkeys(("area", "screen", "route"), "OK"),
        **dict.fromkeys(("balance", "rate"), "UNAVAILABLE"),
    }
    assert took < 1.0
    assert (await dialplan.ask("balance"))["STATUS"] == "OK"


async def test_dialplan_goes_on_without_a_server(dialplan: Dialplan) -> None:
    """When callctl web is away AGI() fails at once and sets nothing."""
    away = await dialplan.ask("route")

    assert away == dict.fromkeys(away, "") | {"DONE": "FAILURE"}
