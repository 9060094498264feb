"""The pool of command connections against a peer that misbehaves in every way HTTP allows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

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
