"""The reader against a scripted event socket: whatever comes, it reads on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from callctl.ari.client import AriClient, AriSettings, Connected
from callctl.ari.models import ChannelUserevent, Event
from callctl.errors import AriReplaced

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


class Stage:
    """A server that plays one script for each connection, then stays silent, and its client."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.startup_times: list[str] = []
        self.statuses: list[int] = []
        self.connections: list[Connected] = []
        self.losses: list[str] = []
        self.names: asyncio.Queue[str] = asyncio.Queue()
        app = web.Application()
        app.router.add_get("/ari/events", self._events)
        app.router.add_get("/ari/asterisk/info", self._info)
        app.router.add_put("/ari/applications/callctl/eventFilter", self._filter)
        self.server = TestServer(app)

    async def _events(self, request: web.Request) -> web.StreamResponse:
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
        return web.json_response({})

    def on_event(self, event: Event) -> None:
        """Note the names of user events; fail on purpose for one of them."""
        assert isinstance(event, ChannelUserevent)
        if event.eventname == "poison":
            raise RuntimeError("on purpose")
        self.names.put_nowait(event.eventname)

    def client(self, **changes: object) -> AriClient:
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

    async def short(socket: web.WebSocketResponse) -> None:
        await socket.close()

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
