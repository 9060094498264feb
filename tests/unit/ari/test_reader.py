"""The reader against a scripted event socket: whatever comes, it reads on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from callctl import clock
from callctl.ari import reader
from callctl.ari.client import AriClient, AriSettings, Connected
from callctl.ari.models import ChannelUserevent, Event
from callctl.errors import AriRefused, AriReplaced

Script = Callable[[web.WebSocketResponse], Awaitable[None]]
STARTED_AT = "2026-11-22T14:08:11.920+0000"
STARTED_AGAIN_AT = "2026-11-22T15:00:00.000+0000"


def event(kind: str, **fields: object) -> str:
    """A frame of some type."""
    return orjson.dumps(
        {"type": kind, "timestamp": STARTED_AT, "application": "callctl", **fields}
    ).decode()


def user_event(name: str) -> str:
    """The frame of a user event."""
    return event("ChannelUserevent", eventname=name, userevent={})


async def stay(socket: web.WebSocketResponse) -> None:
    """Keep the socket open until the other side closes it."""
    async for _ in socket:
        pass


async def short(socket: web.WebSocketResponse) -> None:
    """Close it at once."""
    await socket.close()


@asynccontextmanager
async def reading(client: AriClient) -> AsyncIterator[None]:
    """Have it read while the block runs."""
    async with client:
        run = asyncio.create_task(client.run())
        yield
        run.cancel()
        await asyncio.wait([run])


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(5):
        while not holds():
            await clock.sleep(0.001)


class Stage:
    """A server that plays one script for each connection, then stays silent, and its client."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.startup_times: list[str] = []
        self.statuses: list[int] = []
        self.filter_statuses: list[int] = []
        self.is_silent = False  # takes connections and says nothing
        self.connections: list[Connected] = []
        self.losses: list[str] = []
        self.names: asyncio.Queue[str] = asyncio.Queue()
        app = web.Application()
        app.router.add_get("/ari/events", self._events)
        app.router.add_get("/ari/asterisk/info", self._info)
        app.router.add_put("/ari/applications/callctl/eventFilter", self._filter)
        self.server = TestServer(app)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self.is_silent:
            self.is_silent = False
            await asyncio.Event().wait()
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await (self.scripts.pop(0) if self.scripts else stay)(socket)
        return socket

    async def _info(self, request: web.Request) -> web.Response:
        at = self.startup_times.pop(0) if self.startup_times else STARTED_AT
        return web.json_response({"status": {"startup_time": at, "last_reload_time": at}})

    async def _filter(self, request: web.Request) -> web.Response:
        status = self.filter_statuses.pop(0) if self.filter_statuses else 200
        return web.json_response({}, status=status)

    def on_event(self, event: Event) -> None:
        """Note the names of user events; fail on purpose for one of them."""
        assert isinstance(event, ChannelUserevent)
        if event.eventname == "poison":
            raise RuntimeError("on purpose")
        self.names.put_nowait(event.eventname)

    def client(self) -> AriClient:
        """A client of this server."""
        return AriClient(
            AriSettings(str(self.server.make_url("")), "callctl", "secret"),
            on_event=self.on_event,
            on_connected=self.connections.append,
            on_lost=self.losses.append,
        )


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A server without scripts."""
    stage = Stage()
    await stage.server.start_server()
    yield stage
    await stage.server.close()


@pytest.fixture
async def play(stage: Stage) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Run a client until it has handed over user events of the names given."""
    async with stage.client() as client:
        run = asyncio.create_task(client.run())

        async def until_names(*names: str) -> None:
            async with asyncio.timeout(5):
                for name in names:
                    assert await stage.names.get() == name

        yield until_names
        run.cancel()
        await asyncio.wait([run])


async def test_bad_frames_and_failing_handlers_do_not_stop_the_reader(
    stage: Stage, play: Callable[..., Awaitable[None]]
) -> None:
    """Nonsense, unknown types, broken events and our own faults are passed over."""

    async def script(socket: web.WebSocketResponse) -> None:
        for frame in (
            "nonsense",
            event("ChannelEnlightened"),
            event("StasisEnd"),
            user_event("poison"),
            user_event("after"),
        ):
            await socket.send_str(frame)
        await stay(socket)

    stage.scripts = [script]
    await play("after")
    assert len(stage.connections) == 1
    assert stage.losses == []


async def test_clean_close_is_a_loss_too(
    stage: Stage, play: Callable[..., Awaitable[None]]
) -> None:
    """An Asterisk that says goodbye politely is as gone as one that does not."""

    async def polite(socket: web.WebSocketResponse) -> None:
        await socket.send_str(user_event("first"))
        await socket.close()

    async def second(socket: web.WebSocketResponse) -> None:
        await socket.send_str(user_event("second"))
        await stay(socket)

    stage.scripts = [polite, second]
    await play("first", "second")
    assert len(stage.connections) == 2
    assert stage.losses == ["closed: 1000"]


async def test_restart_of_asterisk_is_told(
    stage: Stage, play: Callable[..., Awaitable[None]]
) -> None:
    """A changed start time means that every call is gone."""

    async def last(socket: web.WebSocketResponse) -> None:
        await socket.send_str(user_event("last"))
        await stay(socket)

    stage.scripts = [short, short, last]
    stage.startup_times = [STARTED_AT, STARTED_AT, STARTED_AGAIN_AT]
    await play("last")
    assert [c.is_restarted for c in stage.connections] == [False, False, True]


async def test_asterisk_that_is_still_booting_is_tried_again(
    stage: Stage, play: Callable[..., Awaitable[None]]
) -> None:
    """While it boots Asterisk answers 404 and 503; only the password is a lasting no."""

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_str(user_event("up"))
        await stay(socket)

    stage.statuses = [404, 503]
    stage.scripts = [script]
    await play("up")


async def test_a_greeting_that_fails_is_tried_again(
    stage: Stage, play: Callable[..., Awaitable[None]]
) -> None:
    """Asterisk may refuse the filter, or break down over it: the next connection may do better."""

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_str(user_event("greeted"))
        await stay(socket)

    stage.filter_statuses = [500, 404]
    stage.scripts = [stay, stay, script]
    await play("greeted")
    assert len(stage.connections) == 1


async def test_a_handshake_without_an_answer_has_a_deadline(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Asterisk that stands still takes connections and says nothing: another one is made."""
    monkeypatch.setattr(reader, "_CONNECT_SECONDS", 0.2)
    stage.is_silent = True
    client = stage.client()
    async with reading(client):
        await until(lambda: client.is_connected)


@pytest.mark.parametrize("is_silent", [True, False])
async def test_a_sign_of_life_ends_the_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, is_silent: bool
) -> None:
    """For an answer to the handshake, or for the time to try again."""
    monkeypatch.setattr(reader, "_CONNECT_SECONDS", 60.0)
    monkeypatch.setattr(reader, "_RETRY_SECONDS_MIN", 0.001 if is_silent else 60.0)
    stage.is_silent = is_silent
    stage.statuses = [] if is_silent else [503]
    client = stage.client()
    async with reading(client):
        await until(lambda: not (stage.is_silent or stage.statuses))
        if not is_silent:
            await until(lambda: client.turned_away_at > 0)
        client.hurry()
        await until(lambda: client.is_connected)


async def test_who_is_turned_away_is_told_from_who_loses_a_connection(stage: Stage) -> None:
    """A handshake refused says that Asterisk is away; a connection that ends says nothing."""
    stage.scripts = [short]
    client = stage.client()
    async with reading(client):
        await until(lambda: client.connection_count >= 2)
        assert client.turned_away_at == float("-inf")
        stage.statuses = [503]
        began = clock.monotonic()
        await client.reconnect()
        await until(lambda: client.turned_away_at >= began)


async def test_a_password_changed_under_live_calls_ends_nothing(stage: Stage) -> None:
    """At the start a wrong password ends the reader; later it tries on, for the calls' sake."""
    stage.scripts = [short]
    client = stage.client()
    async with reading(client):
        await until(lambda: client.connection_count >= 1)
        stage.statuses = [401]
        await until(lambda: client.connection_count >= 2)
        assert not stage.statuses

    stage.statuses = [401]
    async with stage.client() as client, asyncio.timeout(5):
        with pytest.raises(AriRefused, match="CALLCTL_ARI_PASSWORD"):
            await client.run()


async def test_work_at_a_connect_that_fails_is_logged(stage: Stage) -> None:
    """Nobody waits for that work: its failure must not pass unseen, nor end the reader."""

    async def failing(_: Connected) -> None:
        raise RuntimeError("on purpose")

    settings = AriSettings(str(stage.server.make_url("")), "callctl", "secret")
    with capture_logs() as lines:
        client = AriClient(settings, on_connected=failing)
        async with reading(client):
            await until(lambda: any(one["event"] == "ari_on_connected_failed" for one in lines))
            assert client.is_connected


async def test_replaced_application_ends_run(stage: Stage) -> None:
    """The loser of a takeover must not come back by itself."""

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_str(event("ApplicationReplaced"))
        await stay(socket)

    stage.scripts = [script]
    async with stage.client() as client, asyncio.timeout(5):
        with pytest.raises(AriReplaced):
            await client.run()
    assert len(stage.losses) == 1
