"""How a command is sent and what Asterisk's answer means; the base of the groups of commands.

A command to a channel that is gone, or has left our application, is HungUp; any other 4xx is
AriRefused with Asterisk's words; no answer, or a 5xx, is AriUnavailable. Ending what has ended
already (hangup, destroy, stop) is no error: it is as the caller wanted it.
"""

from collections.abc import Mapping, Sequence

import orjson

from callctl import crash
from callctl.ari import names
from callctl.ari.transport import Answer, Transport
from callctl.errors import AriRefused, AriUnavailable, CallctlError, HungUp

# Asterisk's words when a channel of the command has hung up, before or while it was carried out.
_GONE = frozenset(
    {
        "Callee not found",
        "Channel not found",
        "Channel not in Stasis application",
        "Failed to answer channel",
        "Provided channel was not found",
    }
)


def _words(answer: Answer) -> str:
    """Asterisk's own explanation, or the bare status when it gave none."""
    try:
        body = orjson.loads(answer.body)
        return str(body.get("message") or body["error"])
    except (orjson.JSONDecodeError, AttributeError, KeyError):
        return f"HTTP {answer.status}"


def _refusal(method: str, target: str, answer: Answer) -> CallctlError:
    """The error that an answer other than 2xx means."""
    words = _words(answer)
    message = f"{method} {target.partition('?')[0]}: {words}"
    if words in _GONE:
        return HungUp(message)
    if answer.status >= 500 and words != "Allocation failed":
        return AriUnavailable(message)
    # "Allocation failed" is Asterisk's 500 for an endpoint that it cannot call: a clear no.
    return AriRefused(message, status=answer.status)


class Commands:
    """One group of commands over a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, method: str, target: str, body: bytes | None = None) -> bytes:
        """Send one command and return the body of its answer."""
        answer = await self._request(method, target, body)
        if answer.status < 300:
            return answer.body
        raise _refusal(method, target, answer)

    async def _request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        if not crash.is_armed():
            return await self._transport.request(method, target, body)
        name = crash.command_name(method, target)
        crash.point(f"{name} before")
        answer = await self._transport.request(method, target, body)
        crash.point(f"{name} after")
        return answer

    async def end(self, target: str) -> None:
        """Delete something; that it is gone already is as good.

        Asterisk says 404 then, or for a moment 409: it is in a cache that is behind.
        """
        answer = await self._request("DELETE", target)
        if answer.status >= 300 and answer.status not in {404, 409}:
            raise _refusal("DELETE", target, answer)


def variables_body(variables: Mapping[str, str] | None) -> bytes | None:
    """The JSON body that carries channel variables, checked."""
    return orjson.dumps({"variables": names.variables(variables)}) if variables else None


def play_body(media: str | Sequence[str], lang: str | None) -> bytes:
    """A JSON body of what to play, and in which language; many would make a long address."""
    items = [media] if isinstance(media, str) else media
    request: dict[str, str | list[str]] = {"media": [names.media(item) for item in items]}
    if lang is not None:
        request["lang"] = names.language(lang)
    return orjson.dumps(request)
