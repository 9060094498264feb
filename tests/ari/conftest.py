"""A connected client on the session's Asterisk, and an inbox for what it says."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from callctl.ari.client import AriClient, AriSettings, Connected
from callctl.ari.models import ChannelDestroyed, Event, StasisStart
from callctl.stack.asterisk import Asterisk

_SECONDS_MAX = 10.0
_Kind = TypeVar("_Kind", bound=Event)


@dataclass
class Inbox:
    """Keeps every event until a test takes it; order among the kinds does not matter."""

    events: list[Event] = field(default_factory=list)
    connections: list[Connected] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def on_event(self, event: Event) -> None:
        """For AriClient."""
        self.events.append(event)
        self._news.set()

    def on_connected(self, connected: Connected) -> None:
        """For AriClient."""
        self.connections.append(connected)
        self._news.set()

    def on_lost(self, reason: str) -> None:
        """For AriClient."""
        self.losses.append(reason)
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that the inbox shows."""
        async with asyncio.timeout(_SECONDS_MAX):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def take(
        self, kind: type[_Kind], wanted: Callable[[_Kind], bool] = lambda _event: True
    ) -> _Kind:
        """Wait for an event of this kind that is wanted, and take it out."""
        found: list[_Kind] = []

        def is_there() -> bool:
            found.extend(e for e in self.events if isinstance(e, kind) and wanted(e))
            return bool(found)

        await self.until(is_there)
        self.events.remove(found[0])
        return found[0]


@pytest.fixture
def settings(asterisk: Asterisk) -> AriSettings:
    """How to reach the session's Asterisk."""
    return AriSettings(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password)


@pytest.fixture
def inbox() -> Inbox:
    """The events of the `ari` fixture's client."""
    return Inbox()


@contextlib.asynccontextmanager
async def reading(client: AriClient, inbox: Inbox) -> AsyncIterator[AriClient]:
    """Run the client's reader around a block that begins once it is connected."""
    run = asyncio.create_task(client.run())
    try:
        await inbox.until(lambda: bool(inbox.connections) or run.done())
        yield client
    finally:
        run.cancel()
        await asyncio.wait([run])
        await client.close()


@pytest.fixture
async def ari(settings: AriSettings, inbox: Inbox) -> AsyncIterator[AriClient]:
    """A connected client; whatever channel or bridge a test leaves is removed."""
    client = AriClient(
        settings,
        on_event=inbox.on_event,
        on_connected=inbox.on_connected,
        on_lost=inbox.on_lost,
    )
    async with reading(client, inbox):
        yield client
        for channel in await client.channels.list():
            await client.channels.hangup(channel.id)
        for bridge in await client.bridges.list():
            await client.bridges.destroy(bridge.id)


@dataclass(frozen=True)
class Pair:
    """A call inside Asterisk: `line` is a channel of ours, `caller` its other end, inbound."""

    line: str
    caller: str


def new_name(letter: str) -> str:
    """An id as callctl makes them."""
    return f"{letter}{uuid.uuid4().hex}"


async def new_line(ari: AriClient, inbox: Inbox) -> str:
    """Create a channel and wait until it is in our application."""
    channel_id = new_name("l")
    await ari.channels.create(
        "Local/4001@from-carrier", channel_id=channel_id, app_args="line,test", formats="alaw"
    )
    await inbox.take(StasisStart, lambda e: e.channel.id == channel_id)
    return channel_id


@pytest.fixture
async def line(ari: AriClient, inbox: Inbox) -> str:
    """A created channel, in our application, not yet dialled."""
    return await new_line(ari, inbox)


@pytest.fixture
async def pair(ari: AriClient, inbox: Inbox, line: str) -> Pair:
    """A line that has been dialled, and the caller's leg that came in by it and the dialplan."""
    await ari.channels.dial(line, timeout=30)
    start = await inbox.take(StasisStart, lambda e: e.channel.id == f"{line};2")
    assert start.args[0] == "inbound"
    return Pair(line, start.channel.id)


async def destroyed(inbox: Inbox, channel_id: str) -> ChannelDestroyed:
    """The end of a channel."""
    return await inbox.take(ChannelDestroyed, lambda e: e.channel.id == channel_id)
