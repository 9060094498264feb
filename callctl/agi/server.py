"""The FastAGI server: the way of a request from Asterisk to a look-up and back; made by app.web.

    same => n,Set(AGISIGHUP=no)
    same => n,AGI(agi://127.0.0.1/route?did=${FILTER(0-9,${EXTEN})})

sets CALLCTL_STATUS and the other variables of agi.look_ups; the dialplan goes on whatever happens.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog

from callctl.agi.request import HEAD_BYTES_MAX, AgiApplication, AgiRequest
from callctl.values.phone_number import PhoneNumber

LOOK_UP_SECONDS_MAX = 0.04  # of 50 ms; the rest is for telling Asterisk
_CONNECTIONS_MAX = 500
_STOP_SECONDS_MAX = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What a dialplan asks about: the caller, the dialled number, and a tenant if it is named."""

    caller: PhoneNumber
    did: PhoneNumber
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class LookUp:
    """What one path answers.

    variables  those it sets, without CALLCTL_; STATUS is one more
    answer     finds their values, STATUS among them; what is missing is set to nothing
    """

    variables: tuple[str, ...]
    answer: Callable[[Question], Awaitable[Mapping[str, str]]]


class AgiServer:
    """Serves agi://HOST:`port`/PATH for the paths of `look_ups`."""

    def __init__(self, host: str, port: int, look_ups: Mapping[str, LookUp]) -> None:
        self._host = host
        self._port = port
        self._look_ups = look_ups
        self._open = 0
        self._is_idle = asyncio.Event()  # asyncio's wait_closed waits for nobody before 3.12
        self._is_idle.set()
        self._application: AgiApplication | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        self._application = AgiApplication(loop=asyncio.get_running_loop())
        for path, look_up in self._look_ups.items():
            self._application.add_route(path, partial(_serve, look_up))
        self._server = await asyncio.start_server(
            self._accept, self._host, self._port, limit=HEAD_BYTES_MAX
        )

    async def stop(self) -> None:
        """Stop listening; requests under way have 2 s."""
        if self._server is None:
            return
        self._server.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS_MAX):
                await self._is_idle.wait()
        except TimeoutError:
            _log.warning("agi_stopped_with_requests_open", count=self._open)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= _CONNECTIONS_MAX or self._application is None:
            writer.close()  # the dialplan sees AGISTATUS=FAILURE
            return
        self._open += 1
        self._is_idle.clear()
        try:
            await self._application.handler(reader, writer)
        finally:
            self._open -= 1
            if not self._open:
                self._is_idle.set()


async def _serve(look_up: LookUp, request: AgiRequest) -> None:
    """Set every CALLCTL_ variable of the look-up; a late or failed one is UNAVAILABLE."""
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS_MAX):
            found = await look_up.answer(_question(request))
    except Exception as error:  # noqa: BLE001 - the dialplan goes on whatever a look-up meets
        _log.warning("agi_look_up_failed", error=repr(error))
        found = {"STATUS": "UNAVAILABLE"}
    for name in ("STATUS", *look_up.variables):
        await request.set_variable(f"CALLCTL_{name}", found.get(name, ""))


def _question(request: AgiRequest) -> Question:
    """The question; the number is taken from the query alone, which no caller id can forge."""
    query = request.query
    caller = query.get("caller") or request.headers.get("agi_callerid")
    return Question(
        caller=PhoneNumber.parse(caller),
        did=PhoneNumber.parse(query.get("did")),
        tenant=query.get("tenant"),
    )
