"""An inbound call to a 400 number, from the INVITE to its end; run by the exchange.

Read it downwards: number, screening, routing, money, greeting, ringing line after line, talking.
"""

from dataclasses import dataclass

from callctl import clock
from callctl.calls import Call, Leg, LineToRing
from callctl.cdr import Record
from callctl.charging import Bill, Biller, Charge
from callctl.directory.models import Did, Line
from callctl.flows.desk import Desk, live_call
from callctl.flows.paid_time import PaidTime
from callctl.routing import Decision, Facts, TraceStep, decide, screen
from callctl.values.hangup import HangupCause
from callctl.values.ids import derived_id


async def inbound(call: Call, desk: Desk, record: Record) -> None:
    """Answer for a 400 number (A1-A9, A14, A16); raises HungUp when the caller goes."""
    did = desk.directory().dids.get(call.dialled.national)
    if did is None:
        await _refuse(call, record, HangupCause.UNALLOCATED, "unknown_number")
        return
    record.did, record.area = did, desk.areas.area_of(call.caller)
    facts = Facts(did=did, caller=call.caller, area=record.area)

    verdict = screen(facts)
    _note(record, verdict.trace)
    if not verdict.is_allowed:
        await _refuse(call, record, verdict.cause, verdict.reason)
        return
    decision = decide(facts)
    _note(record, decision.trace)

    if not decision.attempts:
        await _refuse(call, record, HangupCause.CONGESTION, "no_line")
        return
    record.ringing_line = decision.attempts[0].line.name
    biller = Biller(desk.limits, did, clock.now())
    bill = await biller.service_leg(call.call_id, call.a_leg.leg_id, call.caller, record.area)
    if bill.unpriced:
        await _refuse(call, record, HangupCause.REJECTED, "no_rate")
        return
    await _charged(call, desk, record, biller=biller, bill=bill, decision=decision)


async def _charged(
    call: Call, desk: Desk, record: Record, *, biller: Biller, bill: Bill, decision: Decision
) -> None:
    """The part of the call that money is held for."""
    did = biller.did
    first = None  # made now, not rung before there is money
    if did.greeting is None:
        first = call.prepare(_line_to_ring(call, did, decision, 0))
    async with desk.charged(call, record, bill, beside=first) as charge:
        if charge.denial:
            _note_denial(record, charge)
            await _refuse(call, record, HangupCause.REJECTED, charge.denial)
            return
        paid_time = PaidTime(call, desk, record, charge, did.tenant.language)
        conversation = _Conversation(call, desk, record, biller, charge, paid_time)
        if did.greeting is not None:
            line = await conversation.greet_and_hunt(did.greeting, decision)
        else:
            line = await conversation.hunt(decision)
        if line is None:
            await _refuse(call, record, _cause(call), "no_line")
            return
        await conversation.talk(line)


@dataclass(frozen=True, slots=True)
class _Conversation:
    """A call with money, from the greeting to the end of the talk."""

    call: Call
    desk: Desk
    record: Record
    biller: Biller
    charge: Charge
    paid_time: PaidTime

    async def greet_and_hunt(self, greeting: str, decision: Decision) -> Leg | None:
        """Answer with the tenant's greeting: from here on the caller is charged for (A16)."""
        call = self.call
        await call.answer()
        call.is_charged_from_answer = True
        self._begin(call.a_leg)
        tenant = self.biller.did.tenant

        async def stage() -> Leg | None:
            await call.play(greeting, tenant.language)
            return await self.hunt(decision)

        return await self.paid_time.during(stage())

    async def hunt(self, decision: Decision) -> Leg | None:
        """Ring the lines one after the other; the first that answers, or None."""
        did = self.biller.did
        ring_seconds = sum(attempt.ring_seconds for attempt in decision.attempts)
        await self.call.wait_unanswered(ring_seconds)
        if did.ringback is not None:
            await self.call.ring_back(did.ringback, ring_seconds, did.tenant.language)
        for position, attempt in enumerate(decision.attempts):
            if attempt.line.name != self.record.ringing_line:
                self.record.ringing_line = attempt.line.name
                self.desk.note(live_call(self.call, self.record, self.charge))
            ringing = _line_to_ring(self.call, did, decision, position)
            leg = await self._try(attempt.line, ringing)
            if leg is not None:
                return leg
        return None

    async def _try(self, line: Line, ringing: LineToRing) -> Leg | None:
        """Ring one line; its forwarding leg, if it has a price, is paid for before it rings."""
        record = self.record
        bill = await self.biller.forwarding_leg(ringing.leg_id, line)
        if bill.unpriced or (bill.payers and not await self.charge.add(bill.payers)):
            why = f"tariff {bill.unpriced} has no rate for it" if bill.unpriced else "no money"
            record.note(f"attempt {line.name}", matched=False, why=why)
            return None
        leg = await self.call.dial(ringing)
        is_answered = leg.answered_at is not None
        why = "answered" if is_answered else f"{leg.disposition} (cause {leg.cause})"
        record.note(f"attempt {line.name}", matched=is_answered, why=why)
        if is_answered:
            return leg
        if bill.payers:
            await self.charge.drop(ringing.leg_id)
        return None

    async def talk(self, leg: Leg) -> None:
        """Connect the two and keep the talk paid until one of them, or the money, is gone."""
        call = self.call
        await call.connect(leg)
        if call.talk_started_at is None:
            return  # one of them was gone before both were there
        if not call.is_charged_from_answer:
            self._begin(call.a_leg)
        self._begin(leg)
        await self.paid_time.keep(lambda: call.is_over(leg))

    def _begin(self, leg: Leg) -> None:
        """Charge a leg from where its time begins."""
        begin = self.call.charge_begin(leg)
        if begin is not None:
            self.charge.begin([leg.leg_id], begin.monotonic, begin.at)


def _line_to_ring(call: Call, did: Did, decision: Decision, position: int) -> LineToRing:
    """What the attempt at `position` rings; its leg's id is made before anything is asked for."""
    attempt = decision.attempts[position]
    return LineToRing(
        leg_id=derived_id(call.call_id, f"b{position}"),
        name=attempt.line.name,
        number=attempt.line.number.text,
        endpoint=attempt.endpoint,
        ring_seconds=attempt.ring_seconds,
        has_ringback=did.ringback is not None,
    )


async def _refuse(call: Call, record: Record, cause: HangupCause, reason: str) -> None:
    record.reason = reason
    record.note("end", matched=True, why=f"{reason} (cause {int(cause)})")
    await call.reject(cause)


def _cause(call: Call) -> HangupCause:
    """The cause that tells the caller best why no line answered: the last one tried."""
    last = call.legs[-1].cause if len(call.legs) > 1 else HangupCause.CONGESTION
    return HangupCause(last) if last in set(HangupCause) else HangupCause.NO_ANSWER


def _note_denial(record: Record, charge: Charge) -> None:
    """Say in the trace which account or limit refused the call."""
    account = charge.denied_by
    if account is not None:
        why = f"{account.name} has not enough left"
        record.note(account.limit or "money", matched=True, why=why)


def _note(record: Record, trace: tuple[TraceStep, ...]) -> None:
    for step in trace:
        record.note(step.rule, matched=step.matched, why=step.why)
