"""From a call that has ended to its CDR; called by the exchange, once for each call."""

from datetime import datetime

from callctl.calls import Call, Leg
from callctl.cdr import Cdr, CdrLeg, LegPrice, Record
from callctl.values.hangup import Disposition, HangupCause


def build_cdr(call: Call, record: Record) -> Cdr:
    """The CDR of `call`: times on the call's clock, money from the record's prices."""
    prices = {price.leg_id: price for price in record.prices if not price.is_wholesale}
    started_at, did = call.talk_started_at, record.did
    rung = [leg for leg in call.legs[1:] if leg.is_rung]
    ended_at = max((leg.ended_at for leg in call.legs if leg.ended_at), default=call.clock.now())
    if started_at is not None:
        ends = [leg.ended_at for leg in (call.a_leg, call.b_leg) if leg and leg.ended_at]
        ended_at = min(ends, default=ended_at)
    first_ring = next((leg.setup_at for leg in rung), None)
    return Cdr(
        call_id=call.call_id,
        did=call.dialled.national,
        tenant=did.tenant.name if did else None,
        caller=call.caller.text,
        area_code=record.area.adcode or "",
        area=str(record.area),
        line=call.b_leg.line if call.b_leg else None,
        disposition=_disposition(call, record),
        hangup_cause=int(call.rejected_cause or _a_cause(call)),
        ended_by=_ended_by(call, record),
        setup_at=call.a_leg.setup_at,
        answered_at=started_at,
        ended_at=ended_at,
        ring_seconds=_seconds(first_ring, started_at or ended_at),
        talk_seconds=_seconds(started_at, ended_at),
        cost_micros=sum(price.cost_micros for price in prices.values()),
        currency=did.tenant.currency if did else None,
        sip_call_id=call.a_leg.sip_call_id,
        revision_id=record.revision_id or None,
        trace=record.trace,
        legs=[_leg(call, leg, prices.get(leg.leg_id)) for leg in (call.a_leg, *rung)],
        charges=[price for price in record.prices if price.is_wholesale],
        stage=record.stage,
        group_name=record.group_name,
        direction=record.direction,
        parent_call_id=record.parent_call_id,
    )


def _leg(call: Call, leg: Leg, price: LegPrice | None) -> CdrLeg:
    ended_at = leg.ended_at or call.clock.now()
    return CdrLeg(
        leg_id=leg.leg_id,
        call_id=call.call_id,
        side=leg.side,
        line=leg.line,
        number=leg.number,
        channel_id=leg.channel_id,
        sip_call_id=leg.sip_call_id,
        disposition=str(leg.disposition) if leg.side == "b" else str(_a_disposition(call)),
        hangup_cause=int(leg.cause if leg.side == "b" else _a_cause(call)),
        setup_at=leg.setup_at,
        answered_at=leg.answered_at,
        ended_at=ended_at,
        ring_seconds=_seconds(leg.setup_at, leg.answered_at or ended_at),
        talk_seconds=_seconds(leg.answered_at, ended_at),
        **(price.leg_columns() if price else {}),
    )


def _disposition(call: Call, record: Record) -> Disposition:
    if call.talk_started_at is not None:
        return Disposition.ANSWERED
    if call.is_callback and call.a_leg.is_rung:
        return call.a_leg.disposition
    if record.reason == "no_line" and len(call.legs) > 1:
        tried = [leg.disposition for leg in call.legs[1:]]
        told = [one for one in tried if one is not Disposition.CANCELLED]
        return told[-1] if told else tried[-1]
    if record.reason in {"internal_error", "database-unavailable", "ari-unavailable"}:
        return Disposition.FAILED
    if not record.reason:
        return Disposition.CANCELLED
    is_answered = call.a_leg.answered_at is not None  # by a menu, a queue, voicemail
    return Disposition.NO_ANSWER if is_answered else Disposition.REJECTED


def _a_disposition(call: Call) -> Disposition:
    if call.is_callback and call.a_leg.is_rung:
        return call.a_leg.disposition
    if call.a_leg.answered_at is not None:
        return Disposition.ANSWERED
    return Disposition.REJECTED if call.rejected_cause is not None else Disposition.CANCELLED


def _a_cause(call: Call) -> int:
    """The caller's leg's cause: a CANCEL has none (Asterisk says 127) and is a normal end."""
    is_cancelled = _a_disposition(call) is Disposition.CANCELLED
    return HangupCause.NORMAL if is_cancelled else call.a_leg.cause


def _ended_by(call: Call, record: Record) -> str:
    """Who ended it: caller, line, money or a limit, shutdown, or callctl with its reason."""
    if record.reason:
        return record.reason
    if call.is_drained:
        return "shutdown"
    if record.paid_time_over:
        return record.paid_time_over
    a_leg, b_leg = call.a_leg, call.b_leg
    if b_leg is None or b_leg.is_released:
        return "caller"
    if a_leg.is_released:  # because the line had gone; Asterisk may date the two the same
        return "line"
    a_end, b_end = a_leg.ended_at, b_leg.ended_at  # both went by themselves
    return "line" if b_end and (a_end is None or b_end < a_end) else "caller"


def _seconds(start: datetime | None, end: datetime | None) -> float:
    """Seconds with three decimals between two moments; 0.0 when one is missing."""
    if start is None or end is None:
        return 0.0
    return max(0.0, round((end - start).total_seconds(), 3))
