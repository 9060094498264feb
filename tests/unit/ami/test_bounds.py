"""The deadlines of an AMI session, with this test as an Asterisk that falls silent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from callctl.ami import open_session
from callctl.errors import AmiUnavailable

_SOON = 0.1
_SECONDS_MAX = 5.0


@asynccontextmanager
async def _asterisk(answers: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """The port of an AMI that greets, and answers each request as told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/9.0.0\r\n")
        while request := await _request(reader):
            writer.write(answers(request))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (OSError, asyncio.IncompleteReadError):
        return b""


def _accepting_logins(request: bytes) -> bytes:
    if b"Action: Login" not in request:
        return b""
    action_id = request.partition(b"ActionID: ")[2].partition(b"\r\n")[0]
    return b"Response: Success\r\nActionID: %s\r\nMessage: accepted\r\n\r\n" % action_id


async def test_a_login_that_is_not_answered_is_given_up() -> None:
    """An Asterisk that takes the connection and says no more is unavailable."""
    async with _asterisk(lambda _: b"") as port, asyncio.timeout(_SECONDS_MAX):
        with pytest.raises(AmiUnavailable, match="no answer"):
            await _open(port)


async def _open(port: int) -> None:
    async with open_session("127.0.0.1", port, "u", "p", timeout_seconds=_SOON):
        pass


async def test_an_action_that_is_not_answered_is_given_up() -> None:
    """An Asterisk that falls silent after the login is unavailable, by action and by command."""
    async with (
        _asterisk(_accepting_logins) as port,
        asyncio.timeout(_SECONDS_MAX),
        open_session("127.0.0.1", port, "u", "p", timeout_seconds=_SOON) as ami,
    ):
        with pytest.raises(AmiUnavailable, match="CoreStatus"):
            await ami.action("CoreStatus")
        with pytest.raises(AmiUnavailable, match="core show channels"):
            await ami.command("core show channels")
