"""Rings the lines of a step: a seat on the line, money for its leg, then the telephone.

Used by flows.conversation, for one caller at a time; a line that does not take the call gives
back both.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callctl.calls import Call, Leg, LineToRing
from callctl.cdr import Direction, Record, Stage
from callctl.charging import Payer
from callctl.directory.answering import Group, Line
from callctl.directory.models import Did
from callctl.flows import phrases
from callctl.routing import Attempt, Ring, capacity_of
from callctl.values.hangup import Disposition
from callctl.values.ids import derived_id

if TYPE_CHECKING:
    from callctl.flows.conversation import Conversation

_FAILURES = frozenset({Disposition.FAILED, Disposition.CONGESTED, Disposition.LOST})


@dataclass(frozen=True, slots=True)
class Seat:
    """A line that this call occupies."""

    line: Line
    wrap_up_seconds: int


@dataclass(frozen=True, slots=True)
class _Ringing:
    """A line that may be rung: it has a seat, and its leg, if it has a price, money."""

    attempt: Attempt
    to_ring: LineToRing


async def ring(conversation: "Conversation", step: Ring) -> Leg | None:
    """The leg of the line that takes the call; None when none does, or none has money."""
    conversation.last_cause = None
    record = conversation.record
    record.attempts = {}
    if record.stage is not Stage.QUEUED:
        record.stage, record.group_name = Stage.RINGING, step.group.name
        await _ring_back(conversation, step)
    conversation.desk.lines.turn(conversation.did.number, step.group.name)
    if step.is_at_once:
        return await _ring_at_once(conversation, step)
    for attempt in step.attempts:
        leg = await _ring_one(conversation, step, attempt)
        if leg is not None:
            return leg
    return None


async def _ring_back(conversation: "Conversation", step: Ring) -> None:
    """What the caller hears meanwhile: the tenant's ringback (A14, A15), or that it rings."""
    call = conversation.call
    seconds = _ring_seconds(conversation, step)
    await call.wait_unanswered(seconds)
    if step.ringback is None:
        await call.stop_music()  # of lines that were rung before
    else:
        await call.ring_back(step.ringback, seconds, conversation.language)


def _ring_seconds(conversation: "Conversation", step: Ring) -> int:
    """How long the lines may ring, be told, and take to confirm, all in all."""
    call, record, did = conversation.call, conversation.record, conversation.did
    lines = [line_to_ring(call, record, did, step, attempt) for attempt in step.attempts]
    times = [line.seconds_max for line in lines]
    return max(times, default=0) if step.is_at_once else sum(times)


async def _ring_one(conversation: "Conversation", step: Ring, attempt: Attempt) -> Leg | None:
    one = await _occupy(conversation, step, attempt)
    if one is None:
        return None
    leg: Leg | None = None
    try:
        leg = await conversation.call.dial(one.to_ring)
    finally:
        await _settle(conversation, step.group, [one], [leg] if leg else [])
    return leg if leg.is_taken else None


async def _ring_at_once(conversation: "Conversation", step: Ring) -> Leg | None:
    occupied = [await _occupy(conversation, step, attempt) for attempt in step.attempts]
    ready = [one for one in occupied if one is not None]
    if not ready:
        return None
    try:
        return await conversation.call.dial_at_once([one.to_ring for one in ready])
    finally:
        ids = {one.to_ring.leg_id for one in ready}
        legs = [leg for leg in conversation.call.legs if leg.leg_id in ids]
        await _settle(conversation, step.group, ready, legs)


async def _occupy(conversation: "Conversation", step: Ring, attempt: Attempt) -> _Ringing | None:
    """A seat on the line and money for its leg; None, and noted why, when there is none."""
    line, record = attempt.line, conversation.record
    call_id = conversation.call.call_id
    to_ring = line_to_ring(conversation.call, record, conversation.did, step, attempt)
    record.attempt_count += 1
    expect(record, to_ring)
    lines = conversation.desk.lines
    if not await lines.take(line, call_id, capacity=capacity_of(step.group, line)):
        record.note(f"attempt {line.name}", matched=False, why="no free place on it")
        return None
    bill = await conversation.biller.forwarding_leg(to_ring.leg_id, line)
    if not bill.unpriced and await _hold(conversation, bill.payers):
        return _Ringing(attempt, to_ring)
    why = f"tariff {bill.unpriced} has no rate for it" if bill.unpriced else "no money"
    record.note(f"attempt {line.name}", matched=False, why=why)
    await lines.give_back(line, call_id, is_answered=False, is_failed=False, wrap_up_seconds=0)
    return None


async def _hold(conversation: "Conversation", payers: Sequence[Payer]) -> bool:
    """The leg's money, and a row that tells of it: both are durable before the line rings."""
    if not payers:
        conversation.note_ringing()
        return True
    is_held, _ = await asyncio.gather(conversation.charge.add(payers), conversation.keep())
    return is_held


def expect(record: Record, line: LineToRing) -> None:
    """Note that the line is rung next, and what its leg will be called."""
    record.ringing_line = line.name
    record.attempts[str(line.leg_id)] = line.name


def line_to_ring(call: Call, record: Record, did: Did, step: Ring, attempt: Attempt) -> LineToRing:
    """What the attempt rings; its leg's id is made before anything is asked for."""
    line, language = attempt.line, did.tenant.language
    is_callback, told = record.direction is Direction.CALLBACK, phrases.Prompts()
    if line.is_announced or is_callback:
        told = phrases.for_whom(did.number, record.area, language, is_callback=is_callback)
    if line.confirm_key is not None:
        told += phrases.press_to_take(line.confirm_key)
    is_answered = call.a_leg.answered_at is not None  # a line's own ringing does not reach him
    return LineToRing(
        leg_id=derived_id(call.call_id, f"b{record.attempt_count}"),
        name=line.name,
        number=line.number.text,
        endpoint=attempt.endpoint,
        ring_seconds=attempt.ring_seconds,
        has_ringback=step.ringback is not None or is_answered,
        confirm_key=line.confirm_key,
        told=told,
        language=language,
    )


async def _settle(
    conversation: "Conversation", group: Group, rung: Sequence[_Ringing], legs: Sequence[Leg]
) -> None:
    """Note what became of each line; those that did not take the call give all back."""
    by_id = {leg.leg_id: leg for leg in legs}
    for one in rung:
        leg, line = by_id.get(one.to_ring.leg_id), one.attempt.line
        if leg is not None and leg.is_taken:
            conversation.record.note(f"attempt {line.name}", matched=True, why="answered")
            seconds = line.wrap_up_seconds if group.queue else 0
            conversation.seats.append(Seat(line, seconds))
            continue
        await _lose(conversation, one, leg)


async def _lose(conversation: "Conversation", one: _Ringing, leg: Leg | None) -> None:
    line, is_failed, why = one.attempt.line, False, ""
    if leg is not None:
        why = f"{leg.disposition} (cause {leg.cause})"
        conversation.record.note(f"attempt {line.name}", matched=False, why=why)
        conversation.last_cause = leg.cause or conversation.last_cause
        is_failed = leg.disposition in _FAILURES and not leg.is_blameless
    call_id = conversation.call.call_id
    await conversation.desk.lines.give_back(
        line, call_id, is_answered=False, is_failed=is_failed, wrap_up_seconds=0, why=why
    )
    await conversation.charge.drop(one.to_ring.leg_id)


async def take_up_seat(conversation: "Conversation", leg: Leg) -> None:
    """The line of a call that an earlier run of the switch connected is taken as it was."""
    line = conversation.did.answering.lines.get(leg.line or "")
    if line is None:
        return
    group = conversation.did.answering.groups.get(conversation.record.group_name or "")
    capacity = line.capacity if group is None else capacity_of(group, line)
    call_id = conversation.call.call_id
    if await conversation.desk.lines.take(line, call_id, capacity=capacity):
        seconds = line.wrap_up_seconds if group is not None and group.queue else 0
        conversation.seats.append(Seat(line, seconds))


async def leave_seats(conversation: "Conversation") -> None:
    """The call is over: its lines are free for others, after their wrap-up.

    A call that goes on in another run of the switch keeps them.
    """
    while conversation.seats and not conversation.call.is_handed_over:
        seat = conversation.seats.pop()
        await conversation.desk.lines.give_back(
            seat.line,
            conversation.call.call_id,
            is_answered=True,
            is_failed=False,
            wrap_up_seconds=seat.wrap_up_seconds,
        )
    if not conversation.call.is_handed_over:  # what an error has cut off
        await conversation.desk.lines.let_go(conversation.call.call_id)
