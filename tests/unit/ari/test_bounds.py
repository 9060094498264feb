"""How long commands and connections take at most, against an Asterisk that leaves them waiting."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from callctl import clock
from callctl.ari import bridges, client, reader
from callctl.ari.client import AriClient, AriSettings
from callctl.ari.transport import Answer
from callctl.errors import AriUnavailable, InvalidInput
from tests.unit.asterisk_double import AsteriskDouble

_SOON = 0.05


class Socket:
    """A server of events that lets each connection be, and never reads from one nor closes it."""

    def __init__(self) -> None:
        self.refusals = 0  # of the next handshakes
        self.frame = ""  # what the first connection is told
        self.over = asyncio.Event()
        app = web.Application()
        app.router.add_get("/ari/events", self._events)
        app.router.add_get("/ari/asterisk/info", self._info)
        app.router.add_put("/ari/applications/callctl/eventFilter", self._info)
        app.router.add_post("/ari/events/user/{name}", self._silent)
        self.server = TestServer(app)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        frame, self.frame = self.frame, ""
        if frame:
            await socket.send_str(frame)
        await self.over.wait()
        return socket

    async def _info(self, _: web.Request) -> web.Response:
        at = "2026-11-22T14:08:11.920+0000"
        return web.json_response({"status": {"startup_time": at, "last_reload_time": at}})

    async def _silent(self, _: web.Request) -> web.Response:
        await self.over.wait()
        return web.Response(status=204)

    def client(self) -> AriClient:
        """A client of this server."""
        return AriClient(AriSettings(str(self.server.make_url("")), "callctl", "secret"))


@pytest.fixture
async def socket() -> AsyncIterator[Socket]:
    """A server whose connections end with the test."""
    made = Socket()
    await made.server.start_server()
    yield made
    made.over.set()
    await made.server.close()


@asynccontextmanager
async def _reading(ari: AriClient) -> AsyncIterator[None]:
    async with ari:
        run = asyncio.create_task(ari.run())
        yield
        run.cancel()
        await asyncio.wait([run])


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await clock.sleep(0.001)


async def test_a_connection_that_answers_no_ping_is_given_up(
    socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks well, and nothing comes through: another one is made."""
    monkeypatch.setattr(reader, "_HEARTBEAT_SECONDS", 2 * _SOON)
    monkeypatch.setattr(reader, "_CLOSE_SECONDS", _SOON)
    ari = socket.client()
    async with _reading(ari):
        await _until(lambda: ari.connection_count == 2)


async def test_a_connection_that_does_not_close_is_left(
    socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wants another one has it, whether this one answers to the close or not."""
    monkeypatch.setattr(reader, "_CLOSE_SECONDS", _SOON)
    ari = socket.client()
    async with _reading(ari):
        await _until(lambda: ari.is_connected)
        async with asyncio.timeout(5):
            await ari.reconnect()
        await _until(lambda: ari.connection_count == 2)


async def test_the_time_between_two_tries_does_not_grow_for_ever(
    socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a long outage Asterisk is found as soon as after a short one."""
    monkeypatch.setattr(reader, "_RETRY_SECONDS_MIN", 0.001)
    monkeypatch.setattr(reader, "_RETRY_SECONDS_MAX", 0.002)
    socket.refusals = 20
    ari = socket.client()
    async with _reading(ari):
        await _until(lambda: ari.is_connected)
    assert not socket.refusals


async def test_an_event_of_any_length_is_not_read(
    socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that Asterisk sends takes more memory than so much: the connection is another."""
    monkeypatch.setattr(reader, "_FRAME_BYTES_MAX", 1000)
    monkeypatch.setattr(reader, "_CLOSE_SECONDS", _SOON)
    socket.frame = "x" * 2000
    ari = socket.client()
    async with _reading(ari):
        await _until(lambda: ari.connection_count == 2)


async def test_a_sign_of_life_is_not_waited_for_for_ever(
    socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long, but its connection may be dead while Asterisk lives."""
    monkeypatch.setattr(client, "_PULSE_SECONDS_MAX", _SOON)
    async with socket.client() as ari, asyncio.timeout(4):
        with pytest.raises(AriUnavailable):
            await ari.events.user_event("canary")


async def test_a_bridge_that_does_not_go_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was told to go is there still: it is used again, or left behind."""
    monkeypatch.setattr(bridges, "_REMOVED_SECONDS_MAX", _SOON)
    asterisk = AsteriskDouble()
    asterisk.bridges = {"b1"}
    told = Answer(409, b'{"message": "Bridge with id already exists"}')
    asterisk.fate = lambda command: told if command == "POST bridges/b1" else None
    commands = AriClient(AriSettings("http://127.0.0.1:1", "u", "p"), transport=asterisk).bridges
    monkeypatch.setattr(commands, "get", _told_of)
    async with asyncio.timeout(5):
        await commands.removed("b1")
        await commands.create("b1", is_removed=True)


async def _told_of(_bridge_id: str) -> Any:
    return None


async def test_no_cause_outside_q_850_is_sent() -> None:
    """Asterisk would take it, and the carrier's network would not."""
    asterisk = AsteriskDouble()
    ari = AriClient(AriSettings("http://127.0.0.1:1", "u", "p"), transport=asterisk)
    for cause in (0, -1, 128, 10_000):
        with pytest.raises(InvalidInput, match=r"Q\.850"):
            await ari.channels.hangup("c1", reason_code=cause)
    assert not asterisk.sent
