"""An inbound call to a 400 number, from the INVITE to its end; run by the exchange.

Read it downwards: number, screening, routing, money, and then flows.conversation: ringing line
after line, or greeting, menu, queue; talking.
"""

import asyncio

from callctl import clock
from callctl.calls import Call
from callctl.cdr import Record, Stage
from callctl.charging import ANSWER_SECONDS_MAX, DATABASE_AWAY, Bill, Biller, Charge, Resumed
from callctl.directory.models import Did
from callctl.errors import DatabaseUnavailable
from callctl.flows import ending, ringing
from callctl.flows.conversation import Conversation, needs_answer
from callctl.flows.desk import Desk
from callctl.flows.paid_time import PaidTime
from callctl.routing import Decision, End, Facts, Journey, Ring, Said, Say, screen
from callctl.values.hangup import HangupCause


async def inbound(call: Call, desk: Desk, record: Record) -> None:
    """Answer for a 400 number (A1-A18); raises HungUp when the caller goes."""
    did = desk.directory().dids.get(call.dialled.national)
    if did is None:
        await ending.refuse(call, record, HangupCause.UNALLOCATED, "unknown_number")
        return
    record.did, record.area = did, desk.area_of(call.caller)
    facts = desk.facts(call, record, did, recent_calls=_recent_calls(call, desk))

    verdict = screen(facts)
    record.note_all(verdict.trace)
    if not verdict.is_allowed:
        refusal = End(verdict.reason, verdict.cause, verdict.announcement)
        await ending.end(call, record, refusal, did.tenant.language)
        return
    record.is_vip = verdict.is_vip

    journey = Journey(is_vip=verdict.is_vip)
    decision = await _free_steps(call, record, journey, facts)
    if decision is None:
        return

    if not desk.is_database_up():
        await ending.away(call, record, did.tenant.language)
        return
    biller = Biller(desk.limits, did, clock.now())
    bill = await _bill(biller, call, record)
    if bill is None:
        await ending.away(call, record, did.tenant.language)
        return
    if bill.unpriced:
        await ending.refuse(call, record, HangupCause.REJECTED, "no_rate")
        return
    await _charged(call, desk, record, biller=biller, bill=bill, journey=journey, decision=decision)


async def _free_steps(
    call: Call, record: Record, journey: Journey, facts: Facts
) -> Decision | None:
    """Messages before the answer and refusals cost nothing; None when the call ended so."""
    decision = journey.begin(facts)
    record.note_all(decision.trace)
    language = facts.did.tenant.language
    while isinstance(decision.step, Say) and not needs_answer(decision.step):
        record.stage = Stage.MESSAGE
        await call.play_early(decision.step.message.prompt, language)
        decision = journey.after(Said(), facts)
        record.note_all(decision.trace)
    if isinstance(decision.step, End):
        await ending.end(call, record, decision.step, language)
        return None
    return decision


async def _charged(
    call: Call,
    desk: Desk,
    record: Record,
    *,
    biller: Biller,
    bill: Bill,
    journey: Journey,
    decision: Decision,
) -> None:
    """The part of the call that money is held for."""
    did, step = biller.did, decision.step
    record.target = str(journey.target or "")
    first = None  # made now, not rung before there is money
    if isinstance(step, Ring):
        record.group_name = step.group.name
        if step.attempts:
            line = ringing.line_to_ring(call, record, did, step, step.attempts[0])
            ringing.expect(record, line)
            if _is_plain(did, step):
                first = call.prepare(line)
    conversation = None
    try:
        async with desk.charged(call, record, bill, beside=first) as charge:
            if charge.denial == DATABASE_AWAY:
                await ending.away(call, record, did.tenant.language)
                return
            if charge.denial:
                _note_denial(record, charge)
                await ending.refuse(call, record, HangupCause.REJECTED, charge.denial)
                return
            conversation = _conversation(
                call, desk, record, biller=biller, charge=charge, journey=journey
            )
            await _run(conversation, decision)
    finally:
        if conversation is not None:
            await asyncio.shield(ringing.leave_seats(conversation))


async def _bill(biller: Biller, call: Call, record: Record) -> Bill | None:
    """Who pays; None when PostgreSQL does not tell where a limit stands."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await biller.service_leg(
                call.call_id, call.a_leg.leg_id, call.caller, record.area
            )
    except (DatabaseUnavailable, TimeoutError):
        return None


async def _run(conversation: Conversation, decision: Decision) -> None:
    """The conversation; whom no line has taken yet is told when PostgreSQL is needed and away."""
    try:
        await conversation.run(decision)
    except DatabaseUnavailable:
        if conversation.call.b_leg is not None:
            raise
        await ending.away(conversation.call, conversation.record, conversation.language)


async def go_on(call: Call, desk: Desk, record: Record, resumed: Resumed) -> None:
    """Take up a call whose caller was answered when an earlier run of the switch ended."""
    did = record.did
    if did is None:
        return
    biller = Biller(desk.limits, did, clock.now())
    conversation = None
    try:
        async with desk.charged(call, record, None, resumed=resumed) as charge:
            journey = Journey(is_vip=record.is_vip)
            conversation = _conversation(
                call, desk, record, biller=biller, charge=charge, journey=journey
            )
            await conversation.take_up()
    finally:
        if conversation is not None:
            await asyncio.shield(ringing.leave_seats(conversation))


def _conversation(
    call: Call, desk: Desk, record: Record, *, biller: Biller, charge: Charge, journey: Journey
) -> Conversation:
    did = biller.did
    call.paid_seconds = charge.seconds_left
    paid_time = PaidTime(call, desk, record, charge, did.tenant.language)
    return Conversation(call, desk, record, did, biller, charge, paid_time, journey)


def _recent_calls(call: Call, desk: Desk) -> int:
    """Those who show no number are not one caller."""
    if not call.caller:
        return 1
    return desk.caller_rates.count(call.dialled.national, call.caller.text, clock.monotonic())


def _is_plain(did: Did, step: Ring) -> bool:
    """Whether the first line's leg can be made before anything else is known of it."""
    if did.greeting is not None or step.is_at_once or not step.attempts:
        return False
    line = step.attempts[0].line
    is_free = line.capacity is None and step.group.queue is None
    return is_free and line.is_taken_by_answer


def _note_denial(record: Record, charge: Charge) -> None:
    """Say in the trace which account or limit refused the call."""
    account = charge.denied_by
    if account is not None:
        why = f"{account.name} has not enough left"
        record.note(account.limit or "money", matched=True, why=why)
