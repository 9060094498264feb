"""From when to when a leg is charged (ambiguity 22). Pure; used by calls.call.

Ringback mode: the caller's leg and the line's leg are one talk, from the moment both are there: the
line at its answer, or when who answered has confirmed that he takes the call.
Menu mode: the caller's leg is charged from its own answer, whether a line answers or not; in a
callback that of the line, which is there before the caller.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from callctl.calls.leg import Leg


class ChargeBegin(NamedTuple):
    """A moment twice: Asterisk's, and on clock.monotonic(), which paid time is counted from."""

    at: datetime
    monotonic: float


def charge_begin(
    a_leg: Leg, b_leg: Leg | None, leg: Leg, *, is_menu: bool, is_callback: bool = False
) -> ChargeBegin | None:
    """When the charged time of `leg` begins; None while it has not begun."""
    if (leg is a_leg and is_menu) or (leg is b_leg and is_callback):
        parties = [leg]
    elif b_leg is not None:
        parties = [a_leg, b_leg]
    else:
        return None
    ats = [one.joined_at for one in parties if one.joined_at is not None]
    clocks = [one.joined_monotonic for one in parties if one.joined_monotonic is not None]
    if min(len(ats), len(clocks)) < len(parties):
        return None
    return ChargeBegin(max(ats), max(clocks))


def charged_milliseconds(
    begins: Mapping[uuid.UUID, ChargeBegin], parties: Sequence[Leg], now: datetime
) -> dict[uuid.UUID, int]:
    """Milliseconds by leg id, from each begin to the first end of any party; at least 1."""
    ends = [leg.ended_at for leg in parties if leg.ended_at is not None]
    end = min(ends, default=now)
    return {
        leg_id: max(1, round((end - begin.at).total_seconds() * 1000))
        for leg_id, begin in begins.items()
    }
