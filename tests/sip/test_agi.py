"""FastAGI look-ups from a dialplan of the real Asterisk, as docs/cli.md shows it."""

import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest

from callctl import clock
from callctl.agi import AgiServer
from callctl.ami import AmiSession, open_session
from callctl.directory.areas import shipped_table
from callctl.stack.asterisk import Asterisk

_CONTEXT = "tests-agi"
_WAIT_SECONDS_MAX = 5.0


@pytest.fixture
async def ami(asterisk: Asterisk) -> AsyncIterator[AmiSession]:
    """A session that has the look-up in its dialplan: the dialled digits are the caller."""
    steps = (
        ("Set", "CALLERID(num)=${EXTEN}"),
        ("Set", "AGISIGHUP=no"),
        ("AGI", f"agi://127.0.0.1:{asterisk.ports.agi}/area"),
        ("Set", "CALLCTL_DONE=${AGISTATUS}"),
        ("Wait", "30"),
    )
    login = (asterisk.ami_host, asterisk.ami_port, asterisk.ami_user, asterisk.ami_password)
    async with open_session(*login) as session:
        for priority, (application, data) in enumerate(steps, start=1):
            await session.action(
                "DialplanExtensionAdd",
                Context=_CONTEXT,
                Extension="_X.",
                Priority=str(priority),
                Application=application,
                ApplicationData=data,
            )
        yield session
        await session.action("DialplanExtensionRemove", Context=_CONTEXT, Extension="_X.")


@pytest.fixture
async def http(asterisk: Asterisk) -> AsyncIterator[aiohttp.ClientSession]:
    """ARI, for placing a call into the dialplan and reading its variables."""
    login = {"Authorization": aiohttp.encode_basic_auth(asterisk.ari_user, asterisk.ari_password)}
    async with aiohttp.ClientSession(f"{asterisk.ari_url}/ari/", headers=login) as session:
        yield session


async def _look_up(http: aiohttp.ClientSession, caller: str) -> dict[str, str]:
    """Run the dialplan for `caller`; the variables that it has afterwards."""
    near, far = f"agi-{uuid.uuid4().hex}", f"agi-{uuid.uuid4().hex}"
    wanted = {
        "endpoint": f"Local/{caller}@{_CONTEXT}/n",
        "extension": "s",
        "context": "callctl-away",
        "channelId": near,
        "otherChannelId": far,
    }
    async with http.post("channels", params=wanted) as answer:
        assert answer.status == 200, await answer.text()
    try:
        until = clock.monotonic() + _WAIT_SECONDS_MAX
        while not await _variable(http, far, "CALLCTL_DONE"):
            assert clock.monotonic() < until, "the dialplan did not come past AGI()"
            await clock.sleep(0.02)
        names = ("STATUS", "AREA_CODE", "AREA", "DONE")
        return {name: await _variable(http, far, f"CALLCTL_{name}") for name in names}
    finally:
        async with http.delete(f"channels/{near}"):
            pass


async def _variable(http: aiohttp.ClientSession, channel: str, name: str) -> str:
    async with http.get(f"channels/{channel}/variable", params={"variable": name}) as answer:
        return (await answer.json())["value"] if answer.status == 200 else ""


@pytest.mark.usefixtures("ami")
async def test_dialplan_learns_the_callers_area(
    asterisk: Asterisk, http: aiohttp.ClientSession
) -> None:
    """A Beijing number, a number of no area, and no server at all: each has its status."""
    server = AgiServer("127.0.0.1", asterisk.ports.agi, shipped_table().area_of)
    await server.start()
    try:
        known = await _look_up(http, "01062000001")
        unknown = await _look_up(http, "10086")
    finally:
        await server.stop()
    away = await _look_up(http, "01062000001")

    assert known == {"STATUS": "OK", "AREA_CODE": "110000", "AREA": "北京", "DONE": "SUCCESS"}
    assert unknown == {"STATUS": "UNKNOWN", "AREA_CODE": "", "AREA": "", "DONE": "SUCCESS"}
    assert (away["STATUS"], away["DONE"]) == ("", "FAILURE")
