"""panoramisk's FastAGI application, made safe to listen with; used by agi.server.

What is different: the head of a request is bounded and has a deadline (panoramisk would spin for
ever on a peer that connects and closes), and lines that are no reply are passed over (HANGUP,
and what a caller id with line breaks in it leaves behind), so replies stay in step.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from panoramisk import fast_agi
from panoramisk.utils import parse_agi_result

HEAD_BYTES_MAX = 16_384
_HEAD_SECONDS_MAX = 2.0
_REPLY_SECONDS_MAX = 2.0
_STRAY_LINES_MAX = 50
_VALUE_LENGTH_MAX = 1000
_FIELDS_MAX = 20
_REPLY = re.compile(r"^\d{3}[ -]")
# What ends a value, an argument or an expression of the dialplan, or begins another one.
_DANGEROUS = re.compile(r"""[\x00-\x1f\x7f"'`\\,;|${}\[\]]""")


class AgiRequest(fast_agi.Request):  # type: ignore[misc]  # panoramisk has no types
    """One request: `headers` as Asterisk sent them, and commands back."""

    @property
    def query(self) -> Mapping[str, str]:
        """What follows the question mark of agi://HOST/path?did=4001234567, hostile text."""
        script = self.headers.get("agi_network_script", "")
        try:
            pairs = parse_qsl(script.partition("?")[2], max_num_fields=_FIELDS_MAX)
        except ValueError:
            return {}
        return dict(reversed(pairs))  # the first of several alike is the dialplan's own

    async def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable to what is left of `value` after cleaning.

        Raises OSError (TimeoutError is one) when Asterisk does not.
        """
        async with asyncio.timeout(_REPLY_SECONDS_MAX):
            reply = await self.send_command(f'SET VARIABLE {name} "{clean(value)}"')
        if reply.get("status_code") != 200:
            raise ConnectionAbortedError(f"Asterisk did not set {name}: {reply}")

    async def _read_result(self) -> dict[str, object]:
        for _ in range(_STRAY_LINES_MAX):
            try:
                line = await self.reader.readline()
            except ValueError as error:  # it is longer than a whole head
                raise ConnectionAbortedError(f"no reply of Asterisk's: {error}") from error
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
            path = headers.get("agi_network_script", "").partition("?")[0]
            route = self._route.get(path.strip("/"))
            if route is not None:
                await route(AgiRequest(self, headers, reader, writer, self.default_encoding))
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            logging.getLogger(__name__).debug("FastAGI peer went away")
        finally:
            writer.close()


def clean(value: str) -> str:
    """What of `value` may be in a variable that a dialplan uses unquoted."""
    text = _DANGEROUS.sub("", value)
    return "".join(char for char in text if char.isprintable())[:_VALUE_LENGTH_MAX]


def _headers(head: bytes) -> dict[str, str]:
    """The headers; of several alike the first, since Asterisk passes on a caller id's line breaks.

    What comes after agi_callerid may be the caller's own words; the script line comes before it.
    """
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\n"):
        name, separator, value = line.partition(": ")
        if separator:
            headers.setdefault(name, value)
    return headers
