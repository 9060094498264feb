"""The FastAGI server and its look-ups; started by app.web.

    same => n,Set(AGISIGHUP=no)
    same => n,AGI(agi://127.0.0.1/area)

sets CALLCTL_STATUS to OK, UNKNOWN (the number tells no area) or UNAVAILABLE (no answer in time),
CALLCTL_AREA_CODE (an adcode of GB/T 2260) and CALLCTL_AREA (its name) for the caller's number.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from callctl.agi.request import HEAD_BYTES_MAX, AgiApplication, AgiRequest
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber

LOOK_UP_SECONDS_MAX = 0.05
_CONNECTIONS_MAX = 500
_STOP_SECONDS_MAX = 2.0

LookUp = Callable[[PhoneNumber], Awaitable[Mapping[str, str]]]

_log = structlog.get_logger(__name__)


class AgiServer:
    """Serves agi://HOST:`port`/area; `area_of` is the directory's area table."""

    def __init__(self, host: str, port: int, area_of: Callable[[PhoneNumber], Area]) -> None:
        self._host = host
        self._port = port
        self._area_of = area_of
        self._open = 0
        self._application: AgiApplication | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        self._application = AgiApplication(loop=asyncio.get_running_loop())
        self._application.add_route("area", self._serve_area)
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
                await self._server.wait_closed()
        except TimeoutError:
            _log.warning("agi_stopped_with_requests_open", count=self._open)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= _CONNECTIONS_MAX or self._application is None:
            writer.close()  # the dialplan sees AGISTATUS=FAILURE
            return
        self._open += 1
        try:
            await self._application.handler(reader, writer)
        finally:
            self._open -= 1

    async def _serve_area(self, request: AgiRequest) -> None:
        await answer(request, self._look_up_area)

    async def _look_up_area(self, caller: PhoneNumber) -> Mapping[str, str]:
        area = self._area_of(caller)
        if not area:
            return {"STATUS": "UNKNOWN", "AREA_CODE": "", "AREA": ""}
        return {"AREA_CODE": area.adcode or "", "AREA": str(area), "STATUS": "OK"}


async def answer(request: AgiRequest, look_up: LookUp) -> None:
    """Set CALLCTL_<KEY> for what `look_up` finds; a late or failed look-up is UNAVAILABLE."""
    caller = PhoneNumber.parse(request.headers.get("agi_callerid"))
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS_MAX):
            found = await look_up(caller)
    except Exception as error:  # noqa: BLE001 - the dialplan goes on whatever a look-up meets
        _log.warning("agi_look_up_failed", error=repr(error))
        found = {"STATUS": "UNAVAILABLE"}
    for key, value in found.items():
        await request.set_variable(f"CALLCTL_{key}", value)
