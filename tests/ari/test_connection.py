"""The event socket cut, taken over and found again, with the real Asterisk behind a proxy."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from callctl import clock
from callctl.ari.client import AriClient, AriSettings
from callctl.ari.models import ApplicationReplaced, ChannelStateChange, ChannelUserevent
from callctl.errors import AriReplaced, AriUnavailable

from .conftest import Inbox, Pair, reading


class Proxy:
    """Passes TCP connections on to Asterisk until it is told to cut them."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._frozen: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def listen(self) -> None:
        """Accept connections, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Drop every connection as a broken cable would, without a goodbye."""
        for writer in self._writers:
            writer.transport.abort()

    def freeze(self) -> None:
        """Swallow whatever goes over the connections that there are, and leave them open."""
        self._frozen |= self._writers

    def refuse(self) -> None:
        """Cut, and accept nothing more."""
        if self._server is not None:
            self._server.close()
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ends = {writer, far_writer}
        self._writers |= ends
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._pass_on(reader, far_writer), self._pass_on(far_reader, writer)
            )
        for end in ends:
            end.transport.abort()
        self._writers -= ends

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if writer not in self._frozen:
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@pytest.fixture
async def proxy(settings: AriSettings) -> AsyncIterator[Proxy]:
    """A proxy in front of the session's Asterisk."""
    address = urlsplit(settings.url)
    assert address.hostname is not None
    assert address.port is not None
    proxy = Proxy(address.hostname, address.port)
    await proxy.listen()
    yield proxy
    proxy.refuse()


@pytest.fixture
async def ari(proxy: Proxy, settings: AriSettings, inbox: Inbox) -> AsyncIterator[AriClient]:
    """A connected client whose every connection goes through the proxy."""
    client = AriClient(
        AriSettings(f"http://127.0.0.1:{proxy.port}", settings.user, settings.password),
        on_event=inbox.on_event,
        on_connected=inbox.on_connected,
        on_lost=inbox.on_lost,
    )
    async with reading(client, inbox):
        yield client
    async with AriClient(settings) as direct:
        for channel in await direct.channels.list():
            await direct.channels.hangup(channel.id)


async def test_cut_socket_is_found_again_and_the_call_is_still_there(
    proxy: Proxy, ari: AriClient, inbox: Inbox, pair: Pair
) -> None:
    """After a cut the reader says so, reconnects, and events of the same call go on (R7)."""
    proxy.cut()
    await inbox.until(lambda: len(inbox.losses) == 1)
    await inbox.until(lambda: len(inbox.connections) == 2)
    assert not inbox.connections[1].is_restarted
    assert ari.is_connected
    await ari.channels.answer(pair.caller)
    await inbox.take(
        ChannelStateChange, lambda e: e.channel.id == pair.caller and e.channel.state == "Up"
    )


async def test_silent_socket_is_found_by_the_heartbeat(
    proxy: Proxy, settings: AriSettings, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is open and says nothing more is given up for a new one."""
    monkeypatch.setattr("callctl.ari.reader._HEARTBEAT_SECONDS", 0.2)
    client = AriClient(
        AriSettings(f"http://127.0.0.1:{proxy.port}", settings.user, settings.password, 0.5),
        on_event=inbox.on_event,
        on_connected=inbox.on_connected,
        on_lost=inbox.on_lost,
    )
    async with reading(client, inbox):
        proxy.freeze()
        await inbox.until(lambda: len(inbox.losses) == 1)
        await inbox.until(lambda: len(inbox.connections) == 2)
        async with AriClient(settings) as direct:
            await direct.events.user_event("canary")
        await inbox.take(ChannelUserevent)


async def test_reader_keeps_trying_while_nobody_listens(
    proxy: Proxy, ari: AriClient, inbox: Inbox
) -> None:
    """An Asterisk that is away for a while is found when it is back, and the canary with it."""
    before = clock.monotonic()
    assert ari.heard_until >= before
    proxy.refuse()
    await inbox.until(lambda: len(inbox.losses) == 1)
    assert not ari.is_connected
    lost_at = clock.monotonic()
    with pytest.raises(AriUnavailable):
        await ari.asterisk.ping()
    assert before < ari.heard_until <= lost_at
    await proxy.listen()
    await inbox.until(lambda: len(inbox.connections) == 2)
    assert ari.heard_until > lost_at
    await ari.events.user_event("canary")
    assert (await inbox.take(ChannelUserevent)).eventname == "canary"


async def test_application_taken_over_ends_the_reader(
    ari: AriClient, settings: AriSettings, inbox: Inbox
) -> None:
    """A second controller of the same name gets the events; the first is told and stops (R9)."""
    first_inbox, second_inbox = Inbox(), Inbox()
    first = AriClient(
        settings,
        app="takeover",
        on_event=first_inbox.on_event,
        on_connected=first_inbox.on_connected,
    )
    run = asyncio.create_task(first.run())
    await first_inbox.until(lambda: bool(first_inbox.connections))
    second = AriClient(settings, app="takeover", on_connected=second_inbox.on_connected)
    async with first, reading(second, second_inbox):
        with pytest.raises(AriReplaced):
            async with asyncio.timeout(5):
                await run
        assert any(isinstance(event, ApplicationReplaced) for event in first_inbox.events)
        assert not first.is_connected
        assert second.is_connected
