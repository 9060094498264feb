"""The pool of command connections against a peer that misbehaves in every way HTTP allows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from callctl import clock
from callctl.ari import keep_alive
from callctl.ari.keep_alive import KeepAliveTransport
from callctl.ari.transport import AriSettings
from callctl.errors import AriUnavailable

OK = b"HTTP/1.1 200 OK\r\nContent-type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """An HTTP server that answers each request with the bytes it was given; None hangs up."""

    def __init__(self, answers: list[bytes | None]) -> None:
        self.answers = answers
        self.connections = 0
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(request)
                self.asked.set()
                answer = self.answers.pop(0)
                if answer is None:
                    break
                for byte in (answer[:20], answer[20:]):
                    writer.write(byte)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def _peer(answers: list[bytes | None]) -> AsyncIterator[tuple[Peer, KeepAliveTransport]]:
    peer = Peer(answers)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = KeepAliveTransport(
        AriSettings(f"http://127.0.0.1:{port}", "callctl", "secret", command_seconds=0.5)
    )
    try:
        yield peer, transport
    finally:
        await transport.close()
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def _server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[KeepAliveTransport]:
    """Whatever a test has it do; commands have 5 s."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = KeepAliveTransport(AriSettings(f"http://127.0.0.1:{port}", "callctl", "secret"))
    try:
        yield transport
    finally:
        await transport.close()
        server.close()


async def test_one_connection_serves_one_command_after_the_other() -> None:
    """Commands in sequence share a connection and carry the credentials."""
    no_content = b"HTTP/1.1 204 No Content\r\nServer: Asterisk\r\n\r\n"
    async with _peer([OK, no_content, OK]) as (peer, transport):
        statuses = [(await transport.request("GET", "/ari/x")).status for _ in range(3)]

    assert statuses == [200, 204, 200]
    assert peer.connections == 1
    assert all(b"Authorization: Basic Y2FsbGN0bDpzZWNyZXQ=\r\n" in one for one in peer.requests)


async def test_commands_at_once_never_share_a_connection() -> None:
    """Each command under way has a connection of its own."""
    async with _peer([OK] * 20) as (peer, transport):
        await asyncio.gather(*(transport.request("POST", "/ari/x", b"") for _ in range(20)))
    assert 1 < peer.connections <= 20


async def test_so_many_commands_are_under_way_and_no_more() -> None:
    """Asterisk cuts off what is more than it allows: the others wait for their turn."""
    open_now, most, is_full = 0, 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        if open_now == keep_alive.CONNECTIONS_MAX:
            asyncio.get_running_loop().call_later(0.1, is_full.set)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                await is_full.wait()
                writer.write(OK)
        writer.close()

    async with _server(serve) as transport:
        wanted = keep_alive.CONNECTIONS_MAX + 10
        await asyncio.gather(*(transport.request("GET", "/ari/x") for _ in range(wanted)))
    assert most == keep_alive.CONNECTIONS_MAX


async def test_a_connection_that_idled_too_long_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asterisk may be closing it at this moment: the command could get lost."""
    async with _peer([OK] * 3) as (peer, transport):
        await transport.request("GET", "/ari/x")
        await transport.request("GET", "/ari/x")
        assert peer.connections == 1
        later = clock.monotonic() + keep_alive._KEEP_ALIVE_SECONDS
        monkeypatch.setattr(clock, "monotonic", lambda: later)
        await transport.request("GET", "/ari/x")
        assert peer.connections == 2


async def test_connections_of_a_rush_are_closed_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next command closes all that idled too long, those that it does not need, too."""
    async with _peer([OK] * 6) as (_, transport):
        await asyncio.gather(*(transport.request("GET", "/ari/x") for _ in range(4)))
        assert len(transport._idle) == 4
        half, whole = (keep_alive._KEEP_ALIVE_SECONDS * share for share in (0.5, 1.0))
        began = clock.monotonic()
        monkeypatch.setattr(clock, "monotonic", lambda: began + half)
        await transport.request("GET", "/ari/x")
        monkeypatch.setattr(clock, "monotonic", lambda: began + whole)
        await transport.request("GET", "/ari/x")
        assert len(transport._idle) == 1


async def test_connections_of_a_rush_are_closed_though_no_command_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those for what is urgent may not be needed for hours."""
    monkeypatch.setattr(keep_alive, "_KEEP_ALIVE_SECONDS", 0.05)
    async with _peer([OK] * 5) as (_, transport):
        await asyncio.gather(*(transport.request("GET", "/ari/x") for _ in range(4)))
        await transport.request("GET", "/ari/x")
        opened = [*transport._idle]
        assert len(opened) == 4
        async with asyncio.timeout(5):
            while transport._idle:
                await clock.sleep(0.005)
        assert not any(one.is_open for one in opened)


async def test_an_answer_that_nobody_asked_for_ends_its_connection() -> None:
    """What came later on it would be taken for another command's answer."""
    go_on, is_closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await go_on.wait()
        writer.write(OK)
        with suppress(ConnectionError):
            await reader.read()
        is_closed.set()
        writer.close()

    async with _server(serve) as transport:
        await transport.request("GET", "/ari/x")
        go_on.set()
        async with asyncio.timeout(2):
            await is_closed.wait()


async def test_a_connection_that_asterisk_closed_is_not_used() -> None:
    """The next command has a new one, and does not fail."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()

    async with _server(serve) as transport:
        await transport.request("GET", "/ari/x")
        async with asyncio.timeout(2):
            while any(one.is_open for one in transport._idle):
                await clock.sleep(0.005)
        assert (await transport.request("GET", "/ari/y")).status == 200


async def test_a_head_without_an_end_is_not_read_for_ever() -> None:
    """It is refused long before the deadline, and takes no more memory."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"x" * 20_000)
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with _server(serve) as transport, asyncio.timeout(2):
        with pytest.raises(AriUnavailable, match="no end"):
            await transport.request("GET", "/ari/x")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"x" * 20_000,
        b"HTTP/1.1 200 OK\r\nContent-Len",
    ],
    ids=["hang up", "half a body", "no length", "not HTTP", "endless head", "half a head"],
)
async def test_what_is_no_whole_answer_is_unavailable(answer: bytes | None) -> None:
    """The command's fate is then unknown, and its connection serves no other."""
    async with _peer([answer, OK]) as (peer, transport):
        with pytest.raises(AriUnavailable):
            await transport.request("GET", "/ari/x")
        assert (await transport.request("GET", "/ari/y")).status == 200
    assert peer.connections == 2


async def test_a_cancelled_command_takes_its_connection_along() -> None:
    """An answer that comes late must not be taken for the next command's."""
    async with _peer([b"", OK]) as (peer, transport):
        task = asyncio.create_task(transport.request("GET", "/ari/x"))
        async with asyncio.timeout(5):
            await peer.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await transport.request("GET", "/ari/y")).body == b"{}"
    assert peer.connections == 2


async def test_nobody_listens() -> None:
    """A refused connection is AriUnavailable and names the command."""
    transport = KeepAliveTransport(AriSettings("http://127.0.0.1:9", "u", "p"))
    with pytest.raises(AriUnavailable, match="GET /ari/x"):
        await transport.request("GET", "/ari/x")
