"""Calls somebody back: a line of the tenant's first, then the caller; run by exchange.outbound.

Read it downwards: number, money for the caller's leg, a line as for any caller, the caller,
talking. Each leg is charged from its own answer on, as its carrier charges it.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from callctl import clock
from callctl.callbacks import CallbackRequest, line_or_group, refusal
from callctl.calls import Call, CallerToRing, Leg, ring_caller, tell_line
from callctl.cdr import Record
from callctl.charging import Biller, Charge
from callctl.directory.answering import Group, Member, Strategy
from callctl.directory.models import Did
from callctl.errors import InvalidInput
from callctl.flows import phrases, ringing
from callctl.flows.conversation import Conversation
from callctl.flows.desk import Desk
from callctl.flows.paid_time import PaidTime
from callctl.queues import Place
from callctl.routing import Attempt, Journey, Ring, attempts, capacity_of


class Telling(Protocol):
    """How the script tells what happens."""

    async def __call__(self, what: str, *, is_caller_rung: bool = False) -> bool:
        """False: the callback is not ours any more, and the caller must not be rung."""


async def call_back(
    call: Call, desk: Desk, record: Record, request: CallbackRequest, tell: Telling
) -> None:
    """Keep a promise, or do what was asked for; what came of it is in `record` and the legs."""
    did = desk.directory().dids.get(request.did)
    if did is None:
        record.reason = "unknown_number"
        return
    record.did, record.area = did, desk.area_of(call.caller)
    group = _group(did, call, record, request)
    if group is None:
        return
    biller = Biller(desk.limits, did, clock.now())
    bill = await biller.callback_leg(call.call_id, call.a_leg.leg_id, call.caller, record.area)
    if bill.unpriced:
        record.reason = "no_rate"
        record.note("tariff", matched=False, why=f"{bill.unpriced} has no rate for the caller")
        return
    callback = None
    try:
        async with desk.charged(call, record, bill) as charge:
            if charge.denial:
                record.reason = charge.denial
                account = charge.denied_by
                why = f"{account.name if account else charge.denial} has not enough left"
                record.note("money", matched=True, why=why)
                return
            conversation = _conversation(call, desk, record, biller, charge)
            callback = _Callback(conversation, request, tell)
            await callback.run(group)
    finally:
        if callback is not None:
            await asyncio.shield(ringing.leave_seats(callback.conversation))


def _group(did: Did, call: Call, record: Record, request: CallbackRequest) -> Group | None:
    """The lines that call back; None, and noted why, when there are none or he can't be called."""
    try:
        why = refusal(did, call.caller, record.area, clock.now())
        group_name, line = line_or_group(did, request.group_name, request.line)
    except InvalidInput as error:
        why = str(error)
    if why:
        record.reason = "no_callback"
        record.note("callback", matched=False, why=why)
        return None
    if group_name is not None:
        return did.answering.groups[group_name]
    chosen = did.answering.lines[line or ""]
    return Group(f"line:{chosen.name}", Strategy.SEQUENTIAL, (Member(chosen),))


def _conversation(
    call: Call, desk: Desk, record: Record, biller: Biller, charge: Charge
) -> Conversation:
    did = biller.did
    call.paid_seconds = charge.seconds_left
    paid_time = PaidTime(call, desk, record, charge, did.tenant.language)
    journey = Journey(is_vip=record.is_vip)
    return Conversation(call, desk, record, did, biller, charge, paid_time, journey)


@dataclass(frozen=True, slots=True)
class _Callback:
    """A callback with money."""

    conversation: Conversation
    request: CallbackRequest
    tell: Telling

    async def run(self, group: Group) -> None:
        """Ring lines until one takes the call, then the caller; then they talk."""
        conversation, record = self.conversation, self.conversation.record
        leg = await self._ring_lines(group)
        if leg is None:
            record.reason = "no_line"
            record.note("end", matched=True, why="no line takes the call")
            return
        conversation.begin(leg)
        is_reached = await conversation.paid_time.during(self._reach(leg))
        if is_reached:
            await self.tell("they talk")
            await conversation.talk(leg)

    async def _ring_lines(self, group: Group) -> Leg | None:
        """The leg of the line that takes the call; one who kept his place: if it is his turn."""
        conversation, queues = self.conversation, self.conversation.desk.queues
        found = attempts(conversation.facts(), group)
        place, leg = None, None
        if self.request.keeps_place and found:
            place, found = await self._claim(group, found)
        try:
            if found and (place or not self.request.keeps_place):
                is_at_once = group.strategy is Strategy.SIMULTANEOUS
                leg = await conversation.ring(Ring(group, found, is_at_once=is_at_once))
        finally:
            if place is not None:
                await (queues.leave(place) if leg else queues.release_claim(place))
        return leg

    async def _claim(
        self, group: Group, found: tuple[Attempt, ...]
    ) -> tuple[Place | None, tuple[Attempt, ...]]:
        """His place, with a line taken: he who is next is waiting for the same one."""
        seats = [(one.line, capacity_of(group, one.line) or 1) for one in found]
        claimed = await self.conversation.desk.queues.claim_callback(
            self.request.call_id, group, seats, self.conversation.call.call_id
        )
        if claimed is None:
            return None, ()
        place, line = claimed
        return place, tuple(sorted(found, key=lambda one: one.line.id != line.id))

    async def _reach(self, leg: Leg) -> bool:
        """Ring the caller while the line listens; whether both are there."""
        conversation, call = self.conversation, self.conversation.call
        await self.tell(f"line {leg.line} answered")
        callback = conversation.did.callback
        if callback is None or not await self.tell("the caller rings", is_caller_rung=True):
            conversation.record.reason = "interrupted"
            return False
        await ring_caller(
            call,
            leg,
            CallerToRing(
                endpoint=f"PJSIP/{call.caller.dial_digits}@{callback.trunk}",
                ring_seconds=callback.ring_seconds,
            ),
        )
        if call.a_leg.answered_at is not None:
            conversation.record.note("caller", matched=True, why="answered")
            return not leg.is_gone
        await self._not_reached(leg)
        return False

    async def _not_reached(self, leg: Leg) -> None:
        """Say why the caller is not there, to the line too if it still is."""
        record, call = self.conversation.record, self.conversation.call
        if record.paid_time_over or call.is_drained:
            return
        if leg.is_gone:
            record.reason = "line_hung_up"
            record.note("caller", matched=False, why="the line hung up before he answered")
            return
        record.reason = "caller_unreached"
        why = f"{call.a_leg.disposition} (cause {call.a_leg.cause})"
        record.note("caller", matched=False, why=why)
        await tell_line(call, leg, phrases.CALLER_UNREACHED, self.conversation.language)
