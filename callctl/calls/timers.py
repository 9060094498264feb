"""Asterisk's own timers on the legs of a call, which enforce the paid time; used by this package.

Each leg is born with one, and gets another when it talks. Nobody may be there to set that: so a leg
that may be answered at any moment has none that is longer than what an answer now is paid for.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from callctl.ari.client import AriClient
from callctl.calls.leg import Leg
from callctl.errors import AriError, HungUp

if TYPE_CHECKING:
    from callctl.calls.call import Call

SECONDS_MIN, SECONDS_MAX = 1.0, 14_400.0
FIRST_SECONDS = 120.0  # a caller's, from the dialplan; lower there is as well
_BEYOND_SECONDS = 0.5  # that what is not answered yet may be late: less than the second allowed
_NAP_SECONDS_MIN = 0.5
_log = structlog.get_logger()


async def set_timers(ari: AriClient, legs: Sequence[Leg], seconds: float) -> bool:
    """Let the legs live for `seconds` more (R1, R2, R5); False when Asterisk did not answer.

    Then the earlier timers may still stand, so ask again. That they were taken shows `are_timed`,
    which is asked a moment later, off the way of the call.
    """
    value = min(max(seconds, SECONDS_MIN), SECONDS_MAX)
    try:
        await asyncio.gather(
            *(
                ari.channels.set_timeout_absolute(leg.channel_id, value, is_read_back=False)
                for leg in legs
            )
        )
    except HungUp:
        return True  # the talk is ending: its end is on the way as an event
    except AriError as error:
        _log.warning("paid_time_not_set", error=str(error))
        return False
    return True


async def are_timed(ari: AriClient, legs: Sequence[Leg], at_most: float = SECONDS_MAX) -> bool:
    """Read back that a timer runs on every leg (R3: nonsense is taken for no limit).

    And that none of them has more than `at_most` seconds left.
    """
    try:
        lefts = await asyncio.gather(
            *(ari.channels.get_timeout_absolute(leg.channel_id) for leg in legs)
        )
    except HungUp:
        return True
    except AriError as error:
        _log.warning("paid_time_not_confirmed", error=str(error))
        return False
    return all(0 < left <= max(at_most, SECONDS_MIN) for left in lefts)


async def limit(call: "Call", legs: Sequence[Leg]) -> bool:
    """Before legs are answered or joined: have none live longer than that is paid for.

    Whether one of them would have. While enough is paid, as most often, this asks nothing.
    """
    seconds = call.paid_seconds()
    if all(leg.lifetime_seconds <= seconds for leg in legs):
        return False
    await set_timers(call.ari, legs, seconds + _BEYOND_SECONDS)
    return True


@asynccontextmanager
async def limited(call: "Call", legs: Sequence[Leg]) -> AsyncIterator[None]:
    """While legs ring, `limit` them again and again, until one of them is answered.

    A caller who was not has his time for what comes next: it costs nothing.
    """
    if not await limit(call, legs):
        yield
        return
    limiting = asyncio.create_task(_keep_limited(call, legs))
    try:
        yield
    finally:
        limiting.cancel()
        await asyncio.gather(limiting, return_exceptions=True)
    a_leg = call.a_leg
    if a_leg in legs and a_leg.answered_at is None and not a_leg.is_gone:
        await set_timers(call.ari, [a_leg], a_leg.lifetime_seconds)


async def _keep_limited(call: "Call", legs: Sequence[Leg]) -> None:
    def is_settled() -> bool:
        return any(leg.answered_at is not None or leg.is_gone for leg in legs)

    while not await call.until(is_settled, max(call.paid_seconds() / 2, _NAP_SECONDS_MIN)):
        await set_timers(call.ari, legs, call.paid_seconds() + _BEYOND_SECONDS)
