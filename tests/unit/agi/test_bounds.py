"""The bounds of FastAGI: whatever a peer does, its connection ends, and so does the server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from callctl.agi import LookUps
from callctl.agi import request as request_module
from callctl.agi import server as server_module
from callctl.agi.request import HEAD_BYTES_MAX, clean
from callctl.agi.server import AgiServer, LookUp, Question
from callctl.directory.models import Directory
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.views import Account, Views
from tests.plugins.database import free_port
from tests.unit.directory_samples import make_did, make_line, make_tenant

_SOON, _NEVER = 0.05, 60.0
_SECONDS_MAX = 5.0  # a test that waits longer has failed
_DID = "4001234567"


@dataclass
class _Peer:
    """Asterisk's side of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def ask(self, more: str = "") -> None:
        head = f"agi_network: yes\nagi_network_script: look?did={_DID}{more}\n\n"
        self.writer.write(head.encode())

    async def line(self) -> str:
        async with asyncio.timeout(_SECONDS_MAX):
            return (await self.reader.readline()).decode().rstrip("\n")

    async def rest(self) -> bytes:
        """What comes until the server closes the connection."""
        async with asyncio.timeout(_SECONDS_MAX):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""


@dataclass
class _Site:
    """A server with one look-up, which answers the number that it was asked about."""

    server: AgiServer
    port: int
    peers: list[_Peer] = field(default_factory=list)

    async def connect(self) -> _Peer:
        peer = _Peer(*await asyncio.open_connection("127.0.0.1", self.port))
        self.peers.append(peer)
        return peer


async def _answer(question: Question) -> Mapping[str, str]:
    return {"STATUS": question.did.text}


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Site]:
    """A server whose deadlines are far; a test makes its own one short."""
    for name in ("_HEAD_SECONDS_MAX", "_REPLY_SECONDS_MAX"):
        monkeypatch.setattr(request_module, name, _NEVER)
    port = free_port()
    made = _Site(AgiServer("127.0.0.1", port, {"look": LookUp((), _answer)}), port)
    await made.server.start()
    yield made
    for peer in made.peers:
        peer.writer.close()
    await made.server.stop()


async def test_a_peer_that_does_not_ask_is_let_go(
    site: _Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a head, and then nothing: the connection is closed at its deadline."""
    monkeypatch.setattr(request_module, "_HEAD_SECONDS_MAX", _SOON)
    peer = await site.connect()
    peer.writer.write(b"agi_network: yes\n")

    assert await peer.rest() == b""


async def test_a_head_without_end_is_not_kept(site: _Site) -> None:
    """One that grows beyond every real one is closed at once, not at the deadline."""
    peer = await site.connect()
    peer.writer.write(b"agi_x: y\n" * (3 * HEAD_BYTES_MAX // 9))

    assert await peer.rest() == b""


async def test_a_peer_that_does_not_reply_is_let_go(
    site: _Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is not acknowledged ends the connection at its deadline."""
    monkeypatch.setattr(request_module, "_REPLY_SECONDS_MAX", _SOON)
    peer = await site.connect()
    peer.ask()

    assert await peer.rest() == b'SET VARIABLE CALLCTL_STATUS "+864001234567"\n'


async def test_a_peer_that_talks_of_other_things_is_let_go(
    site: _Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many lines that are no reply are passed over, and not one more."""
    monkeypatch.setattr(request_module, "_STRAY_LINES_MAX", 3)
    patient, rude = await site.connect(), await site.connect()
    for peer, strays in ((patient, 2), (rude, 3)):
        peer.ask()
        assert (await peer.line()).startswith("SET VARIABLE")
        peer.writer.write(b"HANGUP\n" * strays)
    patient.writer.write(b"200 result=1\n")

    assert await rude.rest() == await patient.rest() == b""


async def test_a_reply_without_end_is_not_kept(site: _Site) -> None:
    """A line that grows beyond every real one closes the connection, and nothing else comes."""
    met: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: met.append(context))
    try:
        peer = await site.connect()
        peer.ask()
        assert (await peer.line()).startswith("SET VARIABLE")
        peer.writer.write(b"2" * 3 * HEAD_BYTES_MAX)
        assert await peer.rest() == b""
    finally:
        loop.set_exception_handler(None)
    assert met == []


async def test_connections_are_bounded(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one too many is closed unanswered; when another has ended there is room again."""
    monkeypatch.setattr(server_module, "_CONNECTIONS_MAX", 2)
    served = [await site.connect() for _ in range(2)]
    for peer in served:
        peer.ask()
        assert (await peer.line()).startswith("SET VARIABLE")

    refused = await site.connect()
    refused.ask()
    assert await refused.rest() == b""

    served[0].writer.write(b"200 result=1\n")
    assert await served[0].rest() == b""
    later = await site.connect()
    later.ask()
    assert (await later.line()).startswith("SET VARIABLE")


async def test_the_stop_waits_for_requests_under_way(site: _Site) -> None:
    """What was asked before is answered to its end."""
    peer = await site.connect()
    peer.ask()
    assert (await peer.line()).startswith("SET VARIABLE")
    stopping = asyncio.create_task(site.server.stop())
    for _ in range(10):  # turns of the loop, no time
        await asyncio.sleep(0)
    assert not stopping.done()

    peer.writer.write(b"200 result=1\n")
    with capture_logs() as logged:
        async with asyncio.timeout(_SECONDS_MAX / 5):
            await stopping
    assert logged == []
    assert await peer.rest() == b""


async def test_the_stop_does_not_wait_for_ever(
    site: _Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that does not end keeps nobody; that it was open is told."""
    monkeypatch.setattr(server_module, "_STOP_SECONDS_MAX", _SOON)
    peer = await site.connect()
    peer.ask()
    assert (await peer.line()).startswith("SET VARIABLE")

    with capture_logs() as logged:
        async with asyncio.timeout(_SECONDS_MAX):
            await site.server.stop()
    assert [(one["event"], one["count"]) for one in logged] == [
        ("agi_stopped_with_requests_open", 1)
    ]


async def test_a_query_has_few_fields(site: _Site) -> None:
    """One with more than any dialplan writes is as none: it names no number."""
    for more, found in (("&a=1" * 19, "+864001234567"), ("&a=1" * 20, "")):
        peer = await site.connect()
        peer.ask(more)
        assert await peer.line() == f'SET VARIABLE CALLCTL_STATUS "{found}"'


async def test_a_call_is_not_let_go_on_for_longer_than_asterisk_counts() -> None:
    """However much money there is, the time that it lasts is told as four hours at most."""
    did = make_did(_DID, make_tenant(), make_line("01062000001"))
    look_ups = LookUps(
        lambda: Directory(1, {_DID: did}), lambda _: Area.UNKNOWN, cast(Views, _Rich())
    )
    question = Question(PhoneNumber.parse("01062000009"), PhoneNumber.parse(_DID))
    found = await look_ups.paths()["rate"].answer(question)
    assert found["QUOTA_SECONDS"] == "14400"


class _Rich:
    """One account with a billion of the currency on it."""

    async def account(self, name: str) -> Account:
        at = datetime(2026, 11, 25, tzinfo=UTC)
        return Account(name, "prepaid", "CNY", 10**15, 0, 0, 0, at, "acme")


def test_a_variable_is_not_longer_than_asterisk_takes() -> None:
    """A value is cut where a line of Asterisk's would be."""
    assert clean("x" * 5000) == "x" * 1000
