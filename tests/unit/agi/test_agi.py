"""FastAGI over a real socket, with this test as Asterisk."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from callctl import clock
from callctl.agi import AgiServer, server
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from tests.plugins.database import free_port

_BEIJING = Area("北京", "北京", "110000", (), "Beijing")


def _area_of(number: PhoneNumber) -> Area:
    if number.text == "+8613900000000":
        raise RuntimeError("broken table")
    return _BEIJING if number.text == "+861062000001" else Area.UNKNOWN


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server that knows one number's area."""
    chosen = free_port()
    agi = AgiServer("127.0.0.1", chosen, _area_of)
    await agi.start()
    yield chosen
    await agi.stop()


async def _ask(port: int, caller: str, *, script: str = "area", stray: str = "") -> dict[str, str]:
    """Ask as Asterisk does; `stray` is sent once before the first reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"agi_network: yes\nagi_network_script: {script}\nagi_callerid: {caller}\n\n"
    writer.write(head.encode())
    found = {}
    async with asyncio.timeout(5):
        while line := (await reader.readline()).decode():
            verb, name, value = line.rstrip("\n").removeprefix("SET ").split(" ", 2)
            assert verb == "VARIABLE"
            found[name] = value.strip('"')
            writer.write(f"{stray}200 result=1\n".encode())
            stray = ""
    writer.close()
    return found


async def test_known_number_has_its_area(port: int) -> None:
    """The dialplan gets code and name of the caller's area."""
    assert await _ask(port, "01062000001") == {
        "CALLCTL_AREA_CODE": "110000",
        "CALLCTL_AREA": "北京",
        "CALLCTL_STATUS": "OK",
    }


@pytest.mark.parametrize("caller", ["unknown", "", "13912345678", "<script>", "1" * 79])
async def test_number_without_area_is_unknown(port: int, caller: str) -> None:
    """What tells no area, hostile or not, is UNKNOWN, never an error."""
    assert (await _ask(port, caller))["CALLCTL_STATUS"] == "UNKNOWN"


async def test_failed_look_up_is_unavailable(port: int) -> None:
    """When the look-up breaks the dialplan is told so and goes on."""
    assert await _ask(port, "13900000000") == {"CALLCTL_STATUS": "UNAVAILABLE"}


async def test_late_look_up_is_unavailable(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that takes longer than its time is given up."""

    async def never(*_: object) -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(server.AgiServer, "_look_up_area", never)
    begun = clock.monotonic()

    assert await _ask(port, "01062000001") == {"CALLCTL_STATUS": "UNAVAILABLE"}
    assert clock.monotonic() - begun < 0.5


async def test_hangup_line_keeps_replies_in_step(port: int) -> None:
    """Asterisk's HANGUP between the replies does not shift them by one."""
    found = await _ask(port, "01062000001", stray="HANGUP\n")

    assert found["CALLCTL_STATUS"] == "OK"


async def test_caller_with_line_breaks_stays_one_request(port: int) -> None:
    """What a caller id's line breaks leave behind the head is passed over."""
    found = await _ask(port, "138\n\nagi_callerid: 01062000001")

    assert found["CALLCTL_STATUS"] == "UNKNOWN"


async def test_unknown_path_is_closed(port: int) -> None:
    """agi://HOST/other sets nothing."""
    assert await _ask(port, "01062000001", script="other") == {}


async def test_peers_that_leave_early_do_no_harm(port: int) -> None:
    """A connection closed without a word, or in mid-head, leaves the server serving."""
    for words in (b"", b"agi_network: yes\n"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(words)
        writer.close()
        await writer.wait_closed()

    assert (await _ask(port, "01062000001"))["CALLCTL_STATUS"] == "OK"


async def test_endless_head_is_cut_off(port: int) -> None:
    """A head larger than any real one closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"agi_x: y\n" * 5000)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
