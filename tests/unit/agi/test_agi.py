"""FastAGI over a real socket, with this test as Asterisk."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl import clock
from callctl.agi import AgiServer, LookUps
from callctl.agi.request import clean
from callctl.directory.answering import CallerList, ListMode, Target, TargetKind, Voicemail
from callctl.directory.models import Directory
from callctl.errors import DatabaseUnavailable
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.values.schedule import ManualSwitch
from callctl.views import Account, Views
from tests.plugins.database import free_port
from tests.unit.directory_samples import make_did, make_line, make_tenant

_BEIJING = Area("北京", "北京", "110000", (), "Beijing")
_DID = "4001234567"
_NOW = datetime(2026, 11, 25, tzinfo=UTC)


class _Accounts(Views):
    """One account; `delay` is what a look at it waits for."""

    def __init__(self) -> None:
        self.balance_micros = 12_345_600
        self.delay: asyncio.Event | None = None
        self.error: Exception | None = None

    async def account(self, name: str, at: datetime | None = None) -> Account:
        if self.error is not None:
            raise self.error
        if self.delay is not None:
            await self.delay.wait()
        return Account(name, "prepaid", "CNY", self.balance_micros, 345_600, 0, 1, _NOW, "acme")


class _Site:
    """A running server and what it answers from."""

    def __init__(self) -> None:
        self.port = free_port()
        self.accounts = _Accounts()
        lines = (make_line("01062000001", ring_seconds=20), make_line("057162000003"))
        self.did = make_did(_DID, make_tenant(), *lines)
        look_ups = LookUps(self._directory, self._area_of, self.accounts)
        self.server = AgiServer("127.0.0.1", self.port, look_ups.paths())

    def _directory(self) -> Directory:
        return Directory(1, {_DID: self.did})

    def change(self, **fields: Any) -> None:
        """Provision the number differently."""
        self.did = replace(self.did, **fields)

    @staticmethod
    def _area_of(number: PhoneNumber) -> Area:
        if number.text == "+8613900000000":
            raise RuntimeError("broken table")
        return _BEIJING if number.text == "+861062000001" else Area.UNKNOWN

    async def ask(
        self, path: str, caller: str = "01062000009", *, did: str = _DID, stray: str = ""
    ) -> dict[str, str]:
        """Ask as Asterisk does; `stray` is sent once before the first reply."""
        script = path if "?" in path or not did else f"{path}?did={did}"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"agi_network: yes\nagi_network_script: {script}\nagi_callerid: {caller}\n\n"
        writer.write(head.encode("utf-8", "surrogateescape"))
        found = {}
        async with asyncio.timeout(5):
            while line := (await reader.readline()).decode():
                verb, name, value = line.rstrip("\n").removeprefix("SET ").split(" ", 2)
                assert verb == "VARIABLE"
                found[name.removeprefix("CALLCTL_")] = value[1:-1]
                writer.write(f"{stray}200 result=1\n".encode())
                stray = ""
        writer.close()
        return found


@pytest.fixture
async def site() -> AsyncIterator[_Site]:
    """A server with one number of two lines."""
    made = _Site()
    await made.server.start()
    yield made
    await made.server.stop()


async def test_known_number_has_its_area(site: _Site) -> None:
    """The dialplan gets code and name of the caller's area."""
    assert await site.ask("area", "01062000001") == {
        "STATUS": "OK",
        "AREA_CODE": "110000",
        "AREA": "北京",
    }


@pytest.mark.parametrize("caller", ["unknown", "", "13912345678", "<script>", "1" * 79])
async def test_number_without_area_is_unknown(site: _Site, caller: str) -> None:
    """What tells no area, hostile or not, is UNKNOWN, never an error."""
    assert await site.ask("area", caller) == {"STATUS": "UNKNOWN", "AREA_CODE": "", "AREA": ""}


async def test_screening_allows_refuses_and_knows_vips(site: _Site) -> None:
    """The verdict comes with its reason, its cause and what the caller is told."""
    listed = frozenset({PhoneNumber.parse("13800000001").text})
    vips = frozenset({PhoneNumber.parse("13800000002").text})
    site.change(
        lists=(
            CallerList("pests", ListMode.BLOCK, numbers=listed, announcement="callctl/refused"),
            CallerList("friends", ListMode.VIP, numbers=vips),
        )
    )

    allowed = await site.ask("screen")
    refused = await site.ask("screen", "13800000001")
    vip = await site.ask("screen", "13800000002")

    assert (allowed["STATUS"], allowed["VERDICT"], allowed["VIP"]) == ("OK", "allow", "0")
    assert (allowed["CAUSE"], allowed["ANNOUNCEMENT"]) == ("", "")
    assert refused == {
        "STATUS": "REFUSED",
        "VERDICT": "refuse",
        "REASON": "blacklisted",
        "CAUSE": "21",
        "VIP": "0",
        "ANNOUNCEMENT": "callctl/refused",
    }
    assert (vip["VERDICT"], vip["VIP"]) == ("allow", "1")


async def test_screening_counts_the_calls_of_a_minute(site: _Site) -> None:
    """Each screening is a call of its caller; the one too many is refused, others are not."""
    site.change(calls_per_caller_minute=2)

    reasons = [(await site.ask("screen"))["REASON"] for _ in range(3)]

    assert reasons == ["", "", "caller_rate"]
    assert (await site.ask("screen", "13800138000"))["VERDICT"] == "allow"


async def test_route_names_the_lines_to_dial(site: _Site) -> None:
    """The lines come as endpoints in their order, ready for Dial()."""
    found = await site.ask("route")

    assert (found["STATUS"], found["OUTCOME"], found["GROUP"]) == ("OK", "ring", "lines")
    assert found["LINES"] == "PJSIP/01062000001@carrier&PJSIP/057162000003@carrier"
    assert found["RING_SECONDS"] == "20"


async def test_route_of_a_closed_number(site: _Site) -> None:
    """A number that is switched off says where its calls go instead."""
    box = Voicemail("box", "callctl/leave-a-message")
    answering = replace(site.did.answering, voicemails={"box": box})
    target = Target(TargetKind.VOICEMAIL, "box")
    site.change(switch=ManualSwitch.CLOSED, closed=target, answering=answering)
    sent = await site.ask("route")
    site.change(closed=None)
    ended = await site.ask("route")

    assert (sent["OUTCOME"], sent["TARGET"], sent["LINES"]) == ("voicemail", "box", "")
    assert (ended["OUTCOME"], ended["REASON"]) == ("end", "closed")


async def test_route_of_a_refused_caller(site: _Site) -> None:
    """Who may not call has no route."""
    listed = frozenset({PhoneNumber.parse("13800000001").text})
    site.change(lists=(CallerList("pests", ListMode.BLOCK, numbers=listed),))

    found = await site.ask("route", "13800000001")

    assert (found["STATUS"], found["OUTCOME"], found["REASON"]) == ("REFUSED", "end", "blacklisted")
    assert found["LINES"] == ""


@pytest.mark.parametrize("path", ["balance", "balance?tenant=acme"])
async def test_balance_is_exact(site: _Site, path: str) -> None:
    """Amounts are plain decimals; the account is found by number or by tenant."""
    assert await site.ask(path) == {
        "STATUS": "OK",
        "BALANCE": "12.3456",
        "AVAILABLE": "12.00",
        "CURRENCY": "CNY",
        "STATE": "open",
    }


async def test_rate_says_how_long_the_money_lasts(site: _Site) -> None:
    """12.00 available at 0.10 and 0.30 a started minute are 39 minutes; nothing is none."""
    found = await site.ask("rate")
    site.accounts.balance_micros = 0
    empty = await site.ask("rate")

    assert found == {
        "STATUS": "OK",
        "PRICE_PER_MINUTE": "0.30",
        "CONNECT_FEE": "0.10",
        "CURRENCY": "CNY",
        "TARIFF": "retail",
        "QUOTA_SECONDS": str(39 * 60),
    }
    assert empty["QUOTA_SECONDS"] == "0"
    assert (await site.ask("balance"))["STATE"] == "exhausted"


@pytest.mark.parametrize("path", ["screen", "route", "balance", "rate"])
@pytest.mark.parametrize("did", ["4000000000", "", "x' OR 1=1", "%0d%0a4001234567", "40012345%"])
async def test_number_that_is_not_ours_is_unknown(site: _Site, path: str, did: str) -> None:
    """Another number, none, and hostile text are UNKNOWN, and every variable is emptied."""
    found = await site.ask(path, did=did)
    assert (found.pop("STATUS"), set(found.values())) == ("UNKNOWN", {""})


async def test_a_caller_id_cannot_ask_for_another_number(site: _Site) -> None:
    """Line breaks in a caller id add no header that is believed."""
    listed = frozenset({PhoneNumber.parse("13800000001").text})
    site.change(lists=(CallerList("pests", ListMode.BLOCK, numbers=listed),))

    forged = "13800000001\nagi_network_script: screen?did=4000000000\nagi_callerid: 1380"
    assert (await site.ask("screen", forged))["VERDICT"] == "refuse"


async def test_failed_look_up_is_unavailable(site: _Site) -> None:
    """When the look-up breaks the dialplan is told so and goes on."""
    site.accounts.error = DatabaseUnavailable()

    assert (await site.ask("area", "13900000000"))["STATUS"] == "UNAVAILABLE"
    assert await site.ask("balance") == {
        **dict.fromkeys(("BALANCE", "AVAILABLE", "CURRENCY", "STATE"), ""),
        "STATUS": "UNAVAILABLE",
    }


async def test_late_look_up_is_unavailable_within_50_ms(site: _Site) -> None:
    """A look-up that does not come back is given up in time."""
    site.accounts.delay = asyncio.Event()
    took = []
    for _ in range(5):
        begun = clock.monotonic()
        assert (await site.ask("balance"))["STATUS"] == "UNAVAILABLE"
        took.append(clock.monotonic() - begun)

    assert median(took) < 0.05


async def test_hangup_line_keeps_replies_in_step(site: _Site) -> None:
    """Asterisk's HANGUP between the replies does not shift them by one."""
    found = await site.ask("area", "01062000001", stray="HANGUP\n")

    assert found["STATUS"] == "OK"


async def test_caller_with_line_breaks_stays_one_request(site: _Site) -> None:
    """What a caller id's line breaks leave behind the head is passed over."""
    found = await site.ask("area", "138\n\nagi_callerid: 01062000001")

    assert found["STATUS"] == "UNKNOWN"


async def test_unknown_path_is_closed(site: _Site) -> None:
    """agi://HOST/other sets nothing."""
    assert await site.ask("other") == {}


async def test_peers_that_leave_early_do_no_harm(site: _Site) -> None:
    """A connection closed without a word, or in mid-head, leaves the server serving."""
    for words in (b"", b"agi_network: yes\n"):
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(words)
        writer.close()
        await writer.wait_closed()

    assert (await site.ask("area", "01062000001"))["STATUS"] == "OK"


async def test_endless_head_is_cut_off(site: _Site) -> None:
    """A head larger than any real one closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"agi_x: y\n" * 5000)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


@given(st.text(max_size=200))
def test_what_reaches_a_variable_is_harmless(text: str) -> None:
    """Nothing that a dialplan would obey is left, and clean text is left as it is."""
    cleaned = clean(text)
    assert not set(cleaned) & set("\"'`\\,;|${}[]")
    assert cleaned.isprintable()
    assert clean(cleaned) == cleaned
    for own in ("PJSIP/01062000001@carrier&PJSIP/1@x", "tenants/acme/welcome", "广东 深圳", "0.30"):
        assert clean(own) == own
