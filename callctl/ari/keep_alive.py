"""The transport of commands: HTTP/1.1 over a small pool of keep-alive connections.

Used by the client. It speaks only what Asterisk's own server speaks (one request at a time on a
connection, answers with a Content-Length), and costs a quarter of the processor time that a
general client costs; docs/decisions/own-ari-client.md has the figures.
"""

import asyncio
import re
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

from callctl import clock
from callctl.ari.transport import Answer, AriSettings
from callctl.errors import AriUnavailable

_KEEP_ALIVE_SECONDS = 10.0  # Asterisk's default is 15, ours 60
CONNECTIONS_MAX = 64  # Asterisk's default sessionlimit is 100, ours 1000; the 101st is cut off
URGENT_CONNECTIONS_MAX, PULSE_CONNECTIONS_MAX = 16, 4  # beside these
_HEAD_BYTES_MAX = 16_384
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_PORTS = {"http": 80, "https": 443}


class KeepAliveTransport:
    """Transport over so many connections; opened when needed, closed when idle too long."""

    def __init__(self, settings: AriSettings, *, connections_max: int = CONNECTIONS_MAX) -> None:
        parts = urlsplit(settings.url)
        self._seconds = settings.command_seconds
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._is_secure = parts.scheme == "https"
        fields = {"Host": parts.netloc, **settings.headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._places = asyncio.Semaphore(connections_max)
        self._idle: list[_Connection] = []  # the one used last is taken first
        self._closing: asyncio.TimerHandle | None = None

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """See Transport."""
        try:
            async with asyncio.timeout(self._seconds), self._places:
                return await self._exchange(self._encoded(method, target, body))
        except TimeoutError as error:
            raise AriUnavailable(f"no answer to {method} {target} in {self._seconds} s") from error
        except OSError as error:
            raise AriUnavailable(f"no answer to {method} {target}: {error!r}") from error

    async def close(self) -> None:
        """See Transport."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    def _encoded(self, method: str, target: str, body: bytes | None) -> bytes:
        head = f"{method} {target} HTTP/1.1\r\n{self._head}"
        if body is None:
            return f"{head}\r\n".encode("ascii")
        described = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return f"{head}{described}".encode("ascii") + body

    async def _exchange(self, request: bytes) -> Answer:
        connection = self._fresh() or await self._connect()
        try:
            answer = await connection.exchange(request)
        except BaseException:
            connection.close()  # an answer may still be on its way: it must meet no other request
            raise
        if connection.is_open:
            connection.idle_since = clock.monotonic()
            self._idle.append(connection)
            self._close_later()
        return answer

    def _fresh(self) -> "_Connection | None":
        """An idle connection that Asterisk will not have closed; older ones are closed."""
        self._close_old()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    def _close_old(self) -> None:
        oldest = clock.monotonic() - _KEEP_ALIVE_SECONDS
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.pop(0).close()

    def _close_later(self) -> None:
        """Those of a rush are closed after it, though no command comes any more."""
        if self._closing is None and self._idle:
            seconds = self._idle[0].idle_since + _KEEP_ALIVE_SECONDS - clock.monotonic()
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(max(seconds, 0.0), self._close_in_time)

    def _close_in_time(self) -> None:
        self._closing = None
        self._close_old()
        self._close_later()

    async def _connect(self) -> "_Connection":
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection, self._host, self._port, ssl=True if self._is_secure else None
        )
        return connection


class _Connection(asyncio.Protocol):
    """One connection; one request is under way on it at a time."""

    def __init__(self) -> None:
        self.is_open = False
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol; an answer that was waited for will not come."""
        self.is_open = False
        self._fail(exc or ConnectionResetError("Asterisk closed the connection"))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._received += data
        try:
            answer = _parsed(self._received)
        except ConnectionError as error:
            self._fail(error)
            self.close()
            return
        if answer is not None:
            waiting, self._answer = self._answer, None
            self._received.clear()
            if waiting is None:  # nobody asked: what comes next could not be told apart
                self.close()
            elif not waiting.done():
                waiting.set_result(answer)

    async def exchange(self, request: bytes) -> Answer:
        """Send one request and wait for its answer."""
        if self._transport is None or not self.is_open:
            raise ConnectionResetError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close it at once; may be called again."""
        self.is_open = False
        if self._transport is not None:
            with suppress(OSError):
                self._transport.abort()

    def _fail(self, error: Exception) -> None:
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)


def _parsed(received: bytearray) -> Answer | None:
    """The answer, once all of it is there; ConnectionError when it is not one of Asterisk's."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        if len(received) > _HEAD_BYTES_MAX:
            raise ConnectionError("the head of an answer has no end")
        return None
    status, length = _STATUS.match(received), _LENGTH.search(received, 0, end)
    if status is None or (length is None and status[1] != b"204"):
        raise ConnectionError("an answer without a status or a Content-Length")
    whole = end + 4 + (int(length[1]) if length else 0)
    if len(received) < whole:
        return None
    return Answer(int(status[1]), bytes(received[end + 4 : whole]))
