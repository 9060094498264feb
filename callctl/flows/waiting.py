"""A caller waits in a group's queue until it is his turn and a line takes him (A5, A19).

Called by flows.conversation, for a caller who was answered. Whose turn it is says
callctl.queues; which lines are free, routing.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING

import structlog

from callctl import clock
from callctl.calls import Leg
from callctl.cdr import Stage
from callctl.directory.answering import Group, Line, Queue, Strategy, TargetKind
from callctl.errors import DatabaseUnavailable, HandedOver, HungUp
from callctl.flows import phrases
from callctl.queues import Place
from callctl.routing import (
    Attempt,
    Facts,
    LeftQueue,
    Overflowed,
    Ring,
    Wait,
    attempts,
    capacity_of,
)
from callctl.routing.schedules import opening
from callctl.values.area import Area

if TYPE_CHECKING:
    from callctl.flows.conversation import Conversation

_RETRY_SECONDS = 5.0  # after which lines are looked at again, whatever was heard of them
_DENIED_SECONDS = 0.5  # likewise, when a line seemed free and could not be had
_KEY_SECONDS = 0.1  # a key that was pressed is there already
_log = structlog.get_logger()


async def wait(conversation: "Conversation", step: Wait) -> Leg | Overflowed | LeftQueue:
    """Wait until a line takes the call, he gives up by key, or the queue gives him up.

    One who waited when an earlier run of the switch ended goes on where he was. Raises HungUp;
    HandedOver, when his place is kept for the next run.
    """
    record, queue = conversation.record, step.group.queue
    if queue is None:
        raise ValueError(f"group {step.group.name} has no queue")
    is_back = record.queued_at is not None
    place = await _enter(conversation, step, queue)
    if place is None:
        return Overflowed(f"{queue.length_max} wait already")
    is_kept = False
    try:
        outcome = await _Waiting(conversation, step.group, queue, place, is_back).outcome()
    except HandedOver:
        is_kept = True
        raise
    finally:
        if not is_kept:
            await asyncio.shield(conversation.desk.queues.leave(place))
    if not (isinstance(outcome, LeftQueue) and _is_callback(queue, outcome.key)):
        record.queued_at = None  # who is called back keeps his place by it
    return outcome


def _is_callback(queue: Queue, key: str) -> bool:
    return queue.keys[key].kind is TargetKind.CALLBACK


def serving_lines(group: Group, area: Area) -> frozenset[int]:
    """The ids of the group's lines that serve callers from the area, whatever they do now."""
    return frozenset(
        member.line.id
        for member in group.members
        if not member.line.areas or any(map(area.matches, member.line.areas))
    )


def is_open(line: Line, at: datetime) -> bool:
    """Whether calls are sent to the line then: what queues need to know for their estimates."""
    return line.is_on and (line.schedule is None or opening(line.schedule, at).is_open)


async def _enter(conversation: "Conversation", step: Wait, queue: Queue) -> Place | None:
    call, record = conversation.call, conversation.record
    place = await conversation.desk.queues.enter(
        conversation.did,
        step.group,
        call.call_id,
        caller=call.caller.text,
        is_vip=step.is_vip and queue.is_vip_first,
        line_ids=serving_lines(step.group, record.area),
        length_max=queue.length_max,
        on_change=call.wake,
        entered_at=record.queued_at,
    )
    if place is not None:
        record.queued_at = place.row.entered_at
        conversation.enter(Stage.QUEUED, step.group.name)
    return place


@dataclass(slots=True)
class _Waiting:
    """One caller's wait."""

    conversation: "Conversation"
    group: Group
    queue: Queue
    place: Place
    is_back: bool  # he waited before
    announce_at: float = inf  # on clock.monotonic()
    is_denied: bool = False  # a line seemed free, and he did not get it
    line_at: float = inf  # when the first line that rests or wraps up may be rung, likewise

    async def outcome(self) -> Leg | Overflowed | LeftQueue:
        """Music, announcements, keys, and lines when it is his turn."""
        call, queue = self.conversation.call, self.queue
        estimate_seconds = self.place.estimate_seconds
        if not self.is_back and estimate_seconds > (queue.overflow_estimate_seconds or inf):
            return Overflowed(f"he would wait {estimate_seconds} s")
        call.clear_digits()
        await call.start_music(queue.music, self.conversation.language)
        self._announce_after(queue.announce_seconds if self.is_back else 0)
        waited_seconds = (clock.now() - self.place.row.entered_at).total_seconds()
        give_up_at = clock.monotonic() + queue.wait_seconds_max - max(0.0, waited_seconds)
        while True:
            found = await self._ring_in_turn() or await self._key() or self._overflow(give_up_at)
            if found is not None:
                await call.stop_music()
                return found
            if clock.monotonic() >= self.announce_at:
                await self._announce()
            else:
                await self._nap(min(give_up_at, self.announce_at) - clock.monotonic())

    def _overflow(self, give_up_at: float) -> Overflowed | None:
        if clock.monotonic() < give_up_at:
            return None
        return Overflowed(f"he has waited {self.queue.wait_seconds_max} s")

    async def _ring_in_turn(self) -> Leg | None:
        """Ring the lines that are free if nobody before him wants them."""
        self.place.is_changed = self.is_denied = False
        self.line_at = inf
        if self.place.is_blocked:
            return None
        facts = self.conversation.facts()
        self.line_at = clock.monotonic() + self._line_seconds(facts)
        found = attempts(facts, self.group)
        first = await self._claim(found) if found else None
        self.is_denied = bool(found) and first is None
        if first is None:
            return None
        leg = await self._ring(sorted(found, key=lambda attempt: attempt.line.id != first.id))
        if leg is None:
            await self.conversation.desk.lines.let_go(self.conversation.call.call_id)
            await self.conversation.desk.queues.release_claim(self.place)
            self.place.is_changed = False  # it was changed by himself
        return leg

    async def _claim(self, found: tuple[Attempt, ...]) -> Line | None:
        """The line that is his, if it is his turn."""
        seats = [(one.line, capacity_of(self.group, one.line) or 1) for one in found]
        try:
            return await self.conversation.desk.queues.claim(self.place, seats)
        except DatabaseUnavailable as error:
            _log.warning("place_not_claimed", error=str(error))
            return None

    async def _ring(self, found: list[Attempt]) -> Leg | None:
        call, is_at_once = self.conversation.call, self.group.strategy is Strategy.SIMULTANEOUS
        try:
            return await self.conversation.ring(Ring(self.group, tuple(found), is_at_once))
        except DatabaseUnavailable as error:
            if call.b_leg is not None:
                raise
            _log.warning("not_rung", error=str(error))  # he waits on until it is back
            return None

    async def _key(self) -> LeftQueue | None:
        """One of the queue's keys, if he pressed it; others are dropped."""
        call = self.conversation.call
        while call.a_leg.digits:
            key = await call.read_digits(
                digits_max=1, first_seconds=_KEY_SECONDS, between_seconds=_KEY_SECONDS
            )
            if key in self.queue.keys:
                return LeftQueue(key)
        return None

    async def _announce(self) -> None:
        """Tell him his place and how long he will wait; a key of the queue ends it."""
        call, language = self.conversation.call, self.conversation.language
        prompts = phrases.place_and_wait(self.place.position, self.place.estimate_seconds)
        await call.play(prompts, language, stop_keys="".join(self.queue.keys))
        self._announce_after(self.queue.announce_seconds)

    def _announce_after(self, seconds: int | None) -> None:
        if self.queue.announce_seconds is not None and seconds is not None:
            self.announce_at = clock.monotonic() + seconds

    async def _nap(self, seconds: float) -> None:
        """Until something happens; a line that rests or wraps up is free after it."""
        call, place = self.conversation.call, self.place
        retry_seconds = _DENIED_SECONDS if self.is_denied else _RETRY_SECONDS
        line_seconds = self.line_at - clock.monotonic()
        await call.until(
            lambda: place.is_changed or bool(call.a_leg.digits) or call.a_leg.is_gone,
            max(0.0, min(seconds, line_seconds, retry_seconds)),
        )
        if call.a_leg.is_gone:
            raise HungUp

    def _line_seconds(self, facts: Facts) -> float:
        """Until the first of the lines that rest or wrap up at the time of `facts` may be rung.

        By the same facts as the lines are chosen: whoever looks a moment too early looks again.
        """
        ends: list[datetime] = []
        for member in self.group.members:
            state = facts.lines.get(member.line.name)
            if state is not None:
                ends += [one for one in (state.rested_until, state.wraps_up_until) if one]
        return min(
            ((end - facts.at).total_seconds() for end in ends if end > facts.at), default=inf
        )
