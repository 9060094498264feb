"""One short AMI session over panoramisk: connect, log in, ask, close; used by callctl doctor.

panoramisk reconnects for ever and sends again what was pending, which a question asked twice a
day does not want: here a lost connection is an error, and every wait has a deadline.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol

from callctl.errors import AmiRefused, AmiUnavailable

_log = logging.getLogger(__name__)
_log.setLevel(logging.CRITICAL)  # its errors are ours to report


@dataclass(frozen=True, slots=True)
class AmiReply:
    """What Asterisk answered: the response's fields, and the events of a list, in order.

    Field names are lower case; `output` is the text of a CLI command.
    """

    fields: dict[str, str]
    events: tuple[dict[str, str], ...]
    output: str


class _OneConnection(Manager):  # type: ignore[misc]  # panoramisk has no types
    """panoramisk's manager without its reconnecting."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()


class AmiSession:
    """An open, logged-in session; `timeout_seconds` bounds each action."""

    def __init__(self, manager: Manager, timeout_seconds: float) -> None:
        self._manager = manager
        self._timeout_seconds = timeout_seconds

    async def action(self, name: str, **fields: str) -> AmiReply:
        """Ask for action `name`; raises AmiRefused on an error, AmiUnavailable on no answer."""
        wanted = {"Action": name, **{key: _one_line(value) for key, value in fields.items()}}
        return await self._ask(self._manager.send_action(wanted), name)

    async def command(self, text: str) -> str:
        """Output of the Asterisk CLI command `text`; errors as for action()."""
        reply = await self._ask(self._manager.send_command(_one_line(text)), text)
        return reply.output

    async def _ask(self, future: "asyncio.Future[Any]", what: str) -> AmiReply:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await future
        except TimeoutError:
            raise AmiUnavailable(f"Asterisk did not answer {what!r} over AMI") from None
        messages = answer if isinstance(answer, list) else [answer]
        first = messages[0]
        if not first.success:
            raise AmiRefused(
                f"Asterisk refused {what!r}: {first.get('message', 'no reason given')}"
            )
        return AmiReply(
            fields=_fields(first),
            events=tuple(_fields(message) for message in messages[1:]),
            output=_output(first),
        )


@contextlib.asynccontextmanager
async def open_session(
    host: str, port: int, user: str, password: str, *, timeout_seconds: float = 3.0
) -> AsyncIterator[AmiSession]:
    """Connect and log in; raises AmiUnavailable or, for a wrong user or password, AmiRefused."""
    loop = asyncio.get_running_loop()
    manager = _OneConnection(
        loop=loop, log=_log, username=user, secret=password, events="off", ping_delay=3600
    )
    connected: asyncio.Future[Any] = loop.create_future()
    try:
        async with asyncio.timeout(timeout_seconds):
            connected.set_result(await loop.create_connection(AMIProtocol, host, port))
            manager.connection_made(connected)
            login = await manager.authenticated_future
    except (OSError, TimeoutError):
        manager.close()
        raise AmiUnavailable(f"no answer from AMI at {host}:{port}") from None
    try:
        if not login.success:
            raise AmiRefused(f"AMI at {host}:{port} refused user {user!r}")
        yield AmiSession(manager, timeout_seconds)
    finally:
        manager.close()


def _one_line(text: str) -> str:
    """Refuse what would add lines of its own to the request."""
    if any(character in text for character in "\r\n\0"):
        raise AmiRefused("an AMI field holds a line break")
    return text


def _fields(message: object) -> dict[str, str]:
    fields: dict[object, object] = dict(message)  # type: ignore[call-overload]
    return {str(key).lower(): str(value) for key, value in fields.items()}


def _output(message: object) -> str:
    """Return the lines of a CLI command's answer: panoramisk has one as text, several as a list."""
    output = dict(message).get("Output", "")  # type: ignore[call-overload]
    return "\n".join(output) if isinstance(output, list) else str(output)
