"""panoramisk's FastAGI application, made safe to listen with; used by agi.server.

What is different: the head of a request is bounded and has a deadline (panoramisk would spin for
ever on a peer that connects and closes), and lines that are no reply are passed over (HANGUP,
and what a caller id with line breaks in it leaves behind), so replies stay in step.
"""

import asyncio
import logging
import re

from panoramisk import fast_agi
from panoramisk.utils import parse_agi_result

HEAD_BYTES_MAX = 16_384
_HEAD_SECONDS_MAX = 2.0
_REPLY_SECONDS_MAX = 2.0
_STRAY_LINES_MAX = 50
_REPLY = re.compile(r"^\d{3}[ -]")


class AgiRequest(fast_agi.Request):  # type: ignore[misc]  # panoramisk has no types
    """One request: `headers` as Asterisk sent them, and commands back."""

    async def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable; raises OSError (TimeoutError is one) when Asterisk does not."""
        quoted = re.sub(r"[\x00-\x1f\x7f]", "", value).replace("\\", "\\\\").replace('"', '\\"')
        async with asyncio.timeout(_REPLY_SECONDS_MAX):
            reply = await self.send_command(f'SET VARIABLE {name} "{quoted}"')
        if reply.get("status_code") != 200:
            raise ConnectionAbortedError(f"Asterisk did not set {name}: {reply}")

    async def _read_result(self) -> dict[str, object]:
        for _ in range(_STRAY_LINES_MAX):
            line = await self.reader.readline()
            if not line:
                break
            text = line.decode(self.encoding, "replace").rstrip("\n")
            if _REPLY.match(text):
                return parse_agi_result(text)  # type: ignore[no-any-return]
        raise ConnectionResetError("Asterisk closed the FastAGI connection")


class AgiApplication(fast_agi.Application):  # type: ignore[misc]  # panoramisk has no types
    """Routes by the path of agi://HOST/path; add_route takes coroutine functions only."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)

    async def handler(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, then close it; whatever the peer does stays in here."""
        try:
            async with asyncio.timeout(_HEAD_SECONDS_MAX):
                head = await reader.readuntil(b"\n\n")
            headers = _headers(head)
            route = self._route.get(headers.get("agi_network_script", "").strip("/"))
            if route is not None:
                await route(AgiRequest(self, headers, reader, writer, self.default_encoding))
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            logging.getLogger(__name__).debug("FastAGI peer went away")
        finally:
            writer.close()


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("utf-8", "replace").split("\n")
    return dict(line.split(": ", 1) for line in lines if ": " in line)
