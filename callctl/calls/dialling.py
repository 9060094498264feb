"""Rings lines for a call until one takes it; used by calls.call.

A line takes the call by its answer, or, if that is wanted, once who answered has been told for whom
it is and has pressed his key. Until then his leg is no party: he does not hear the caller, the
caller is not answered by him, and nobody is charged for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from callctl.calls import asking
from callctl.calls.leg import Leg
from callctl.calls.line_to_ring import CONFIRM_SECONDS_MAX, TOLD_SECONDS_MAX, LineToRing
from callctl.calls.timers import limited
from callctl.errors import AriError, AriRefused, AriUnavailable, CallctlError, HungUp
from callctl.values.hangup import Disposition, HangupCause
from callctl.values.ids import channel_id, new_id

if TYPE_CHECKING:
    from callctl.calls.call import Call

BIRTH_MARGIN_SECONDS = 2  # a B-leg may outlive its ring time by this before we take over
FORMATS = "alaw,ulaw"  # of a line's leg where there is no caller's yet: the trunk's
_STASIS_SECONDS_MAX = 5.0  # from create to StasisStart
_END_SECONDS_MAX = 5.0  # from the first sign of a leg's end to ChannelDestroyed
_COMMANDS_SECONDS_MAX = 35.0  # all commands of one attempt, each to its deadline
_log = structlog.get_logger()


class Dialling:
    """The lines of one call that are made, rung, or asked to confirm."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._prepared: dict[UUID, Leg] = {}
        self._attempts: set[asyncio.Task[None]] = set()

    async def prepare(self, line: LineToRing, *, is_alone: bool = True) -> None:
        """Make a line's leg; whatever goes wrong shows in `dial`.

        One that rings alone, for a caller who hears nothing of ours, and is taken by its answer is
        put into his bridge: so its own ringing reaches him, and its answer answers him.
        """
        call = self._call
        now = call.clock.now()
        leg = Leg(line.leg_id, channel_id(line.leg_id), "b", line.number, line.name, now)
        leg.lifetime_seconds = line.seconds_max + BIRTH_MARGIN_SECONDS
        call.legs.append(leg)
        self._prepared[line.leg_id] = leg
        call.register(leg.channel_id, call, leg)
        is_quiet = call.has_caller and not line.has_ringback and not call.prompts.is_on
        try:
            await call.present()  # before the bridge tells the line who calls
            await self._create(leg, line)
            if is_alone and is_quiet and line.is_taken_by_answer:
                await call.bridge.enter(leg)
        except HungUp:
            leg.cause = leg.cause or HangupCause.NORMAL
        except AriRefused:  # no such trunk: there is no channel whose end could be waited for
            leg.gave_up_as = Disposition.FAILED
            leg.lose(call.clock.now())
        except AriUnavailable:
            _give_up(leg)

    async def dial(self, line: LineToRing) -> Leg:
        """Ring one line, to its end or until it has taken the call; raises HungUp."""
        call = self._call
        if call.a_leg.is_gone:
            raise HungUp
        await call.present()
        if line.leg_id not in self._prepared:
            await self.prepare(line)
        leg = self._prepared.pop(line.leg_id)
        if not (call.bridge.has(leg) or leg.gave_up_as or leg.is_gone):
            await call.prompts.let_ring()
        await self._attempt(leg, line)
        if call.a_leg.is_gone:
            raise HungUp
        if not leg.is_taken:
            with suppress(AriError):  # the exchange sees to it later
                await call.hang_up(leg)
        return leg

    async def dial_at_once(self, lines: Sequence[LineToRing]) -> Leg | None:
        """Ring all; the first that takes the call, and the others are cancelled. Raises HungUp."""
        call = self._call
        if call.a_leg.is_gone:
            raise HungUp
        await call.present()
        await call.prompts.let_ring()
        tasks = [asyncio.create_task(self._one_of_many(line)) for line in lines]
        for task in tasks:
            self._attempts.add(task)
            task.add_done_callback(self._attempt_ended)
        seconds = max((line.seconds_max for line in lines), default=0) + _COMMANDS_SECONDS_MAX
        await call.until(lambda: self._is_decided() or all(task.done() for task in tasks), seconds)
        if self._is_decided():  # said now, for who asks; the attempts hang up a moment later
            ids = {line.leg_id for line in lines}
            for leg in call.legs:
                if leg.leg_id in ids and leg.destroyed_at is None:
                    _cancel(leg)
        if call.a_leg.is_gone:
            raise HungUp
        return call.b_leg

    async def ended(self, seconds: float) -> None:
        """Wait until no attempt goes on; they end by themselves once the caller is gone."""
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=seconds)

    # -- one line

    def _is_decided(self) -> bool:
        """Whether no more line is wanted: one has taken the call, or the caller is gone."""
        return self._call.b_leg is not None or self._call.a_leg.is_gone

    async def _one_of_many(self, line: LineToRing) -> None:
        """One of the lines that ring at once; ends as soon as another one takes the call."""
        call = self._call
        leg: Leg | None = None
        try:
            if line.leg_id not in self._prepared:
                await self.prepare(line, is_alone=False)
            leg = self._prepared.pop(line.leg_id)
            await self._attempt(leg, line)
        finally:
            if leg is not None and not leg.is_taken:
                is_elsewhere = call.b_leg is not None
                cause = HangupCause.ANSWERED_ELSEWHERE if is_elsewhere else HangupCause.NORMAL
                await call.hang_up(leg, cause)

    def _attempt_ended(self, task: asyncio.Task[None]) -> None:
        self._attempts.discard(task)
        self._call.wake()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, CallctlError):
            _log.info("attempt_ended", why=str(error))
        elif error is not None:
            _log.error("attempt_failed", exc_info=error)

    async def _create(self, leg: Leg, line: LineToRing) -> None:
        call = self._call
        variables = {
            "TIMEOUT(absolute)": str(leg.lifetime_seconds),
            "CHANNEL(userfield)": str(call.call_id),  # for Asterisk's own record
        }
        if not call.has_caller:  # what it shows as caller, and as what it is shown to him later
            variables["CONNECTEDLINE(num)"] = call.caller.dial_digits
            variables["CALLERID(num)"] = call.dialled.dial_digits
        await call.ari.channels.create(
            line.endpoint,
            channel_id=leg.channel_id,
            app_args=f"line,{call.call_id}",
            originator=call.a_leg.channel_id if call.has_caller else None,
            formats=None if call.has_caller else FORMATS,
            variables=variables,
        )
        entered = await asking.learned(
            *(call, lambda: leg.is_in_stasis or leg.is_gone or call.a_leg.is_gone),
            *(leg, _STASIS_SECONDS_MAX),
        )
        if not entered:
            _give_up(leg)

    async def _attempt(self, leg: Leg, line: LineToRing) -> None:
        """Ring the leg and, once it is answered, let it take the call if it may."""
        call = self._call
        if not self._is_decided():
            leg.is_rung = True
            if leg.gave_up_as is None:
                async with limited(call, self._due_at_answer(leg, line)):
                    await self._ring(leg, line.ring_seconds)
        if leg.answered_at is not None and call.b_leg is None:
            if line.is_taken_by_answer:
                leg.is_taken = True
            else:
                await self._convince(leg, line)
        if self._is_decided():
            _cancel(leg)

    def _due_at_answer(self, leg: Leg, line: LineToRing) -> list[Leg]:
        """The legs whose paid time may begin with the line's answer, whoever sees it."""
        if not line.is_taken_by_answer:
            return []
        is_joined = self._call.bridge.has(leg) and self._call.a_leg.answered_at is None
        return [self._call.a_leg, leg] if is_joined else [leg]

    async def _ring(self, leg: Leg, ring_seconds: int) -> None:
        call = self._call

        def is_settled() -> bool:
            return leg.answered_at is not None or leg.is_gone or self._is_decided()

        caller = call.a_leg.channel_id if call.has_caller else None
        dial = call.ari.channels.dial(leg.channel_id, caller=caller, timeout=ring_seconds + 1)
        try:
            await call.meanwhile(dial, is_settled)
        except HungUp:
            leg.cause = leg.cause or HangupCause.NORMAL
        except AriError as error:
            if isinstance(error, AriRefused):
                leg.gave_up_as = Disposition.FAILED
                return
            if not await asking.rings(call, leg):
                _give_up(leg)
                return
        call.note_under_way()
        is_told = await asking.rung(call, is_settled, leg, ring_seconds)
        if is_told and leg.answered_at is None and self._may_have_talked(leg):
            await asking.ask(call, call.a_leg)
            await asking.ask(call, leg)
        if not is_settled():
            leg.gave_up_as, leg.cause = Disposition.NO_ANSWER, HangupCause.NO_ANSWER
        elif leg.answered_at is None and leg.is_gone and not call.a_leg.is_gone:
            # its cause comes with its very end
            await asking.learned(call, lambda: leg.destroyed_at is not None, leg, _END_SECONDS_MAX)

    def _may_have_talked(self, leg: Leg) -> bool:
        """Whether the line may have been answered, and its event got lost."""
        a_leg = self._call.a_leg
        is_left = a_leg.is_gone and a_leg.answered_at is not None
        return is_left or leg.is_answer_untold or a_leg.is_answer_untold

    async def _convince(self, leg: Leg, line: LineToRing) -> None:
        """Tell who answered what the call is and wait for his key; a voicemail presses none."""
        call = self._call

        def is_over() -> bool:
            return leg.is_gone or self._is_decided()

        def has_pressed() -> bool:
            return line.confirm_key is not None and line.confirm_key in leg.digits

        try:
            await self._tell(leg, line, lambda: is_over() or has_pressed())
        except (HungUp, AriError) as error:
            _log.info("line_not_told", line=line.name, why=str(error))
            leg.gave_up_as = Disposition.FAILED
            leg.is_blameless = not isinstance(error, HungUp)
            return
        if line.confirm_key is not None:
            await call.until(lambda: is_over() or has_pressed(), CONFIRM_SECONDS_MAX)
        if not is_over() and (line.confirm_key is None or has_pressed()):
            leg.is_taken, leg.taken_at = True, call.clock.now()
        elif not self._is_decided():
            leg.gave_up_as, leg.cause = Disposition.NO_ANSWER, HangupCause.NO_ANSWER

    async def _tell(self, leg: Leg, line: LineToRing, is_enough: Callable[[], bool]) -> None:
        """Play to the line alone, on its own channel, which is in no bridge yet."""
        call = self._call
        if not line.told:
            return
        playback_id = f"p{new_id().hex}"
        await call.ari.channels.play(
            leg.channel_id,
            media=[f"sound:{prompt}" for prompt in line.told],
            playback_id=playback_id,
            lang=line.language,
        )
        is_played = await asking.played(call, playback_id, is_enough, TOLD_SECONDS_MAX)
        if not is_played and not leg.is_gone:
            with suppress(AriError):  # commands to the leg wait for its end
                await call.ari.playbacks.stop(playback_id)


def _give_up(leg: Leg) -> None:
    """Asterisk did not do it: no fault of the line's."""
    leg.gave_up_as, leg.is_blameless = Disposition.FAILED, True


def _cancel(leg: Leg) -> None:
    """The leg is wanted no more, unless it is the one that took the call, or gave up before."""
    if not leg.is_taken and leg.gave_up_as is None:
        leg.gave_up_as = Disposition.CANCELLED
