"""What of a call a later run of the switch needs to go on with it.

Written by flows.desk with the live call's row, read by exchange.adoption. Times are on the call's
clock; the paid time is not here, since the ledger knows it.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from callctl.calls import Call, CallClock, Leg
from callctl.cdr import Record, Stage
from callctl.values.hangup import Disposition

_ATTEMPTS = 1000  # a later run counts from the next thousand: the last line may not be noted

_PLAIN = (
    *("channel_id", "side", "number", "line", "sip_call_id", "is_in_stasis", "has_left_stasis"),
    *("is_rung", "cause", "is_released", "is_taken"),
)
_MOMENTS = ("setup_at", "answered_at", "taken_at", "hung_up_at", "destroyed_at")


def lasts(call: Call, record: Record) -> bool:
    """Whether the call outlives its switch: who was answered goes on in the next run of it.

    Who still hears it ring does not, nor who is being called back.
    """
    if record.stage is Stage.TALKING:
        return True
    return not call.is_callback and (call.is_charged_from_answer or call.b_leg is not None)


def remember(call: Call, record: Record) -> dict[str, Any]:
    """The call as JSON."""
    return {
        "clock": call.clock.remembered(),
        "legs": [_leg_row(leg) for leg in call.legs if leg.is_rung or leg is call.a_leg],
        "is_menu": call.is_charged_from_answer,
        "parent_call_id": record.parent_call_id,
        "is_vip": record.is_vip,
        "queued_at": record.queued_at,
        "target": record.target,
        "attempt_count": record.attempt_count,
        "attempts": record.attempts,
        "trace": record.trace,
    }


def recall_legs(memory: Mapping[str, Any], clock: CallClock) -> list[Leg]:
    """The legs, the caller's first, whose call has this clock."""
    return [_leg(row, clock) for row in memory["legs"]]


def recall_record(memory: Mapping[str, Any], record: Record) -> None:
    """Fill in what `remember` wrote of the record."""
    record.parent_call_id = parent_of(memory)
    record.is_vip = memory["is_vip"]
    record.queued_at = _moment(memory["queued_at"])
    record.target = memory.get("target", "")
    record.attempts = dict(memory.get("attempts", {}))
    record.attempt_count = (memory["attempt_count"] // _ATTEMPTS + 1) * _ATTEMPTS
    record.trace = list(memory["trace"])


def parent_of(memory: Mapping[str, Any] | None) -> uuid.UUID | None:
    """The missed call that the call answers."""
    parent = (memory or {}).get("parent_call_id")
    return uuid.UUID(parent) if parent else None


def sip_call_id_of(memory: Mapping[str, Any] | None, channel: str) -> str:
    """The SIP Call-ID of the leg with this channel, if it is remembered; else ""."""
    legs = (memory or {}).get("legs", [])
    return next((one["sip_call_id"] for one in legs if one["channel_id"] == channel), "")


def _leg_row(leg: Leg) -> dict[str, Any]:
    fields = {name: getattr(leg, name) for name in (*_PLAIN, *_MOMENTS)}
    return {"leg_id": leg.leg_id, "gave_up_as": leg.gave_up_as, **fields}


def _leg(row: Mapping[str, Any], clock: CallClock) -> Leg:
    leg = Leg(
        leg_id=uuid.UUID(row["leg_id"]),
        channel_id=row["channel_id"],
        side=row["side"],
        number=row["number"],
        line=row["line"],
        setup_at=datetime.fromisoformat(row["setup_at"]),
    )
    for name in _PLAIN:
        setattr(leg, name, row[name])
    for name in _MOMENTS[1:]:
        setattr(leg, name, _moment(row[name]))
    leg.gave_up_as = Disposition(row["gave_up_as"]) if row["gave_up_as"] else None
    if leg.answered_at is not None:
        leg.answered_monotonic = clock.monotonic_of(leg.answered_at)
    return leg


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
