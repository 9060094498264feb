"""Money that calls without any have asked for and not heard of; given back beside the calls.

Such a call costs nothing, whatever the ledger did: it does not wait for PostgreSQL to end. Made by
app; filled by charging.charge. What a crash leaves of it, the next run finds without a live call.
"""

import asyncio

import structlog

from callctl import clock
from callctl.charging.patience import ANSWER_SECONDS_MAX, void
from callctl.errors import CallctlError, DatabaseUnavailable
from callctl.ledger import Teller, TransferRequest

_LOOK_SECONDS = 1.0
_WAITING_MAX = 20_000
_log = structlog.get_logger()


class InDoubt:
    """Requests that may have been done, of calls that have ended."""

    def __init__(self) -> None:
        self._waiting: list[TransferRequest] = []

    async def give_back(self, teller: Teller, requests: list[TransferRequest]) -> None:
        """Give back what they hold: now, or, when the ledger is silent, later."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                while requests:
                    await void(teller, requests[0])
                    del requests[0]
        except (DatabaseUnavailable, TimeoutError):
            _log.warning("not_given_back_yet", reservations=len(requests))
            self._waiting += requests[: _WAITING_MAX - len(self._waiting)]  # the rest expires

    async def run(self, teller: Teller) -> None:
        """Give back what waits, until cancelled."""
        while True:
            await clock.sleep(_LOOK_SECONDS)
            try:
                while self._waiting:
                    await self._give_back_first(teller)
            except DatabaseUnavailable as error:
                _log.warning("not_given_back_yet", error=str(error))

    async def _give_back_first(self, teller: Teller) -> None:
        request = self._waiting.pop(0)
        try:
            await void(teller, request)
        except DatabaseUnavailable:
            self._waiting.append(request)  # its account may be locked, and others' not
            raise
        except CallctlError as error:
            _log.error("not_given_back", request=str(request.id), error=str(error))
