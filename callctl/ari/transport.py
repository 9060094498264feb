"""How a command reaches Asterisk: one request, one answer; used by callctl.ari.sending.

`Transport` is the seam: the client takes any object with its two methods; keep_alive has ours.
"""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import aiohttp


@dataclass(frozen=True, slots=True)
class AriSettings:
    """Where Asterisk is and who we are; `command_seconds` is the deadline of each command."""

    url: str
    user: str
    password: str = field(repr=False)
    command_seconds: float = 5.0

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every request carries."""
        return {"Authorization": aiohttp.encode_basic_auth(self.user, self.password)}


class Answer(NamedTuple):
    """Asterisk's answer to one command."""

    status: int
    body: bytes


class Transport(Protocol):
    """Sends commands; may be used by many tasks at once."""

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """Send one command; `target` is an encoded path and query, `body` is JSON.

        Raises AriUnavailable when there is no answer within the deadline: whether the command
        was carried out is then unknown.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
