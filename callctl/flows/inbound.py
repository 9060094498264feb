"""An inbound call to a 400 number, from the INVITE to its end; run by the exchange.

Read it downwards: number, screening, routing, money, ringing line after line, talking.
"""

import asyncio
from dataclasses import dataclass

import structlog

from callctl.calls import Call, Leg, LineToRing
from callctl.cdr import Record
from callctl.charging import Charge, Payer
from callctl.directory.models import Did, Line
from callctl.errors import DatabaseUnavailable
from callctl.flows.desk import Desk, live_call
from callctl.routing import Decision, Facts, TraceStep, decide, screen
from callctl.values.hangup import HangupCause
from callctl.values.ids import derived_id

WARNING_PROMPT = "callctl/warning"
_OVERTIME_SECONDS = 0.5  # Asterisk's timer ends the paid time; this long after it, we do
_SURE_SECONDS = 1.0  # after so long the timers are read back, or set again
_TIMER_SLACK_SECONDS = 0.1  # an end this near the paid time's is the timer's
_log = structlog.get_logger()


async def inbound(call: Call, desk: Desk, record: Record) -> None:
    """Answer for a 400 number (A1-A9, A14); raises HungUp when the caller goes."""
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
    payer = Payer.of(call.a_leg.leg_id, did.tenant, did.tariff, call.caller.text.removeprefix("+"))
    if payer is None:
        await _refuse(call, record, HangupCause.REJECTED, "no_rate")
        return
    first = call.prepare(_line_to_ring(call, did, decision, 0))  # not rung before there is money
    async with desk.charged(call, record, payer, beside=first) as charge:
        if charge.is_denied:
            await _refuse(call, record, HangupCause.REJECTED, "no_credit")
            return
        conversation = _Conversation(call, desk, record, did, charge)
        line = await conversation.hunt(decision)
        if line is None:
            await _refuse(call, record, _cause(call), "no_line")
            return
        await conversation.talk(line)


@dataclass(frozen=True, slots=True)
class _Conversation:
    """The part of the call that money is held for."""

    call: Call
    desk: Desk
    record: Record
    did: Did
    charge: Charge

    async def hunt(self, decision: Decision) -> Leg | None:
        """Ring the lines one after the other; the first that answers, or None."""
        ring_seconds = sum(attempt.ring_seconds for attempt in decision.attempts)
        await self.call.wait_unanswered(ring_seconds)
        if self.did.ringback is not None:
            await self.call.ring_back(self.did.ringback, ring_seconds)
        for position, attempt in enumerate(decision.attempts):
            if attempt.line.name != self.record.ringing_line:
                self.record.ringing_line = attempt.line.name
                await self.desk.note(live_call(self.call, self.record, self.charge))
            leg = await self._try(
                attempt.line, _line_to_ring(self.call, self.did, decision, position)
            )
            if leg is not None:
                return leg
        return None

    async def _try(self, line: Line, ringing: LineToRing) -> Leg | None:
        """Ring one line; its forwarding leg, if it has a tariff, is paid for before it rings."""
        record = self.record
        if line.tariff is not None:
            digits = line.number.text.removeprefix("+")
            payer = Payer.of(ringing.leg_id, self.did.tenant, line.tariff, digits)
            if payer is None or not await self.charge.add(payer):
                why = "its tariff has no rate for it" if payer is None else "no money to forward"
                record.note(f"attempt {line.name}", matched=False, why=why)
                return None
        leg = await self.call.dial(ringing)
        is_answered = leg.answered_at is not None
        why = "answered" if is_answered else f"{leg.disposition} (cause {leg.cause})"
        record.note(f"attempt {line.name}", matched=is_answered, why=why)
        if is_answered:
            return leg
        if line.tariff is not None:
            await self.charge.drop(ringing.leg_id)
        return None

    async def talk(self, leg: Leg) -> None:
        """Connect the two and keep the talk paid until one of them, or the money, is gone."""
        call, charge = self.call, self.charge
        await call.connect(leg)
        if call.talk_started_monotonic is None:
            return  # one of them was gone before both were there
        charge.start(call.talk_started_monotonic)
        is_timed, is_read_back = await self._let_talk(leg), False
        while not await call.is_over(leg, self._nap_seconds(is_timed and is_read_back)):
            if charge.seconds_left() < -_OVERTIME_SECONDS:
                break
            if is_timed and not is_read_back:
                is_timed = is_read_back = await call.is_timed(leg)
            try:
                advance = await call.meanwhile(leg, charge.advance())
            except DatabaseUnavailable:
                _log.warning("renewal_unanswered")  # what is paid goes on; ask again in a moment
                continue
            if advance is None:
                break
            if advance.is_extended or not is_timed:
                is_timed, is_read_back = await self._let_talk(leg), False
            if advance.warning_seconds is not None:
                why = f"{advance.warning_seconds} s of money left"
                self.record.note("warning", matched=True, why=why)
                await call.whisper(leg, WARNING_PROMPT)
        self.record.is_paid_time_over = charge.seconds_left() <= _TIMER_SLACK_SECONDS

    def _nap_seconds(self, is_sure: bool) -> float:
        """Until the charge wants something; not long while a timer is still to be seen running."""
        seconds = self.charge.seconds_to_act()
        return seconds if is_sure else min(seconds, _SURE_SECONDS)

    async def _let_talk(self, leg: Leg) -> bool:
        """Have Asterisk's timers follow what is paid, and note it; False when to be repeated."""
        row = live_call(self.call, self.record, self.charge)
        is_timed, _ = await asyncio.gather(
            self.call.allow(leg, self.charge.seconds_left()),
            self.call.meanwhile(leg, self.desk.note(row)),
        )
        return is_timed


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


def _note(record: Record, trace: tuple[TraceStep, ...]) -> None:
    for step in trace:
        record.note(step.rule, matched=step.matched, why=step.why)
