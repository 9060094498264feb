"""Asterisk's own timers on the legs of a call, which enforce the paid time; used by calls.call."""

import asyncio
from collections.abc import Sequence

import structlog

from callctl.ari.client import AriClient
from callctl.calls.leg import Leg
from callctl.errors import AriError, HungUp

SECONDS_MIN, SECONDS_MAX = 1.0, 14_400.0
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
