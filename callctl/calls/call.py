"""A call: its legs, its bridge, and the verbs that flows are written with.

Made by the exchange, one for each caller. `play`, `dial` and `talk` raise HungUp when the caller
is gone; a line that does not answer is a value. Ids of channels and bridges are made here, and
the leg takes events before Asterisk is asked to create it, so that none is missed.
"""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import structlog

from callctl import clock
from callctl.ari.client import AriClient
from callctl.calls.caller_id import CallerIdPresented
from callctl.calls.leg import Leg
from callctl.errors import AriError, AriRefused, AriUnavailable, HungUp
from callctl.values.hangup import Disposition, HangupCause
from callctl.values.ids import bridge_id, channel_id, new_id
from callctl.values.phone_number import PhoneNumber

_STASIS_SECONDS_MAX = 5.0  # from create to StasisStart
_RELEASE_SECONDS_MAX = 5.0  # from our hang-up to ChannelDestroyed
_BIRTH_MARGIN_SECONDS = 2  # a B-leg may outlive its ring time by this before we take over
_FIRST_SECONDS_SURE = 100  # less than FIRST_SECONDS of the dialplan, by screening's time
_TIMER_SECONDS_MIN, _TIMER_SECONDS_MAX = 1.0, 14_400.0
_ACT_SECONDS_MAX = 15.0  # an act of the ledger ends earlier by its own deadline
_RINGBACK_SECONDS_MAX = 600
_RINGBACK_SECONDS_MIN = 1  # no shorter prompt is looped often enough to fill the ring time

Result = TypeVar("Result")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LineToRing:
    """A line as `prepare` and `dial` take it; `endpoint` is made of directory data only (R19).

    With a ringback of the tenant's the caller does not hear how the line rings.
    """

    leg_id: uuid.UUID
    name: str
    number: str
    endpoint: str
    ring_seconds: int
    has_ringback: bool


@dataclass(slots=True)
class Call:
    """One call. `register` tells the exchange that a channel id belongs to it."""

    call_id: uuid.UUID
    a_leg: Leg
    dialled: PhoneNumber
    caller: PhoneNumber
    ari: AriClient
    register: Callable[[str, "Call", Leg], None]
    legs: list[Leg] = field(default_factory=list)
    presented: CallerIdPresented | None = None  # what must replace a hostile caller id
    rejected_cause: HangupCause | None = None
    is_drained: bool = False  # ended because the switch ends
    _pulse: asyncio.Event = field(default_factory=asyncio.Event)
    _is_bridged: bool = False
    _prepared: dict[uuid.UUID, Leg] = field(default_factory=dict)
    _playback_id: str | None = None

    def __post_init__(self) -> None:
        """Begin with the caller's leg."""
        self.legs.append(self.a_leg)

    # -- events

    def wake(self) -> None:
        """Something about a leg has changed; called by the exchange after each event."""
        self._pulse.set()

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until `holds()`; False when `seconds` have passed first."""
        deadline = clock.monotonic() + seconds
        while not holds():
            left = deadline - clock.monotonic()
            if left <= 0:
                return False
            self._pulse.clear()
            try:
                async with asyncio.timeout(left):
                    await self._pulse.wait()
            except TimeoutError:
                return holds()
        return True

    # -- verbs

    async def reject(self, cause: HangupCause) -> None:
        """Refuse the call unanswered with a Q.850 cause (the carrier sees the SIP code for it)."""
        self.rejected_cause = cause
        await self.ari.channels.hangup(self.a_leg.channel_id, reason_code=cause)

    async def ring_back(self, prompt: str, seconds: float) -> None:
        """Let the caller hear `prompt` again and again as unanswered early media (A14)."""
        await self._present()  # now: while the prompt plays, commands to the channel wait
        self._playback_id = f"p{new_id().hex}"
        times = max(1, round(min(seconds, _RINGBACK_SECONDS_MAX) / _RINGBACK_SECONDS_MIN))
        await self.ari.channels.play(
            self.a_leg.channel_id,
            media=[f"sound:{prompt}"] * times,
            playback_id=self._playback_id,
        )

    async def wait_unanswered(self, seconds: float) -> None:
        """Let the caller's leg live through `seconds` of ringing, if the dialplan's timer won't.

        It is not answered, so nothing is owed for this time.
        """
        if seconds > _FIRST_SECONDS_SURE:
            await self.ari.channels.set_timeout_absolute(
                self.a_leg.channel_id, min(seconds + _BIRTH_MARGIN_SECONDS, _TIMER_SECONDS_MAX)
            )

    async def prepare(self, line: LineToRing) -> None:
        """Make a line's leg without ringing it: nobody is called before the money is held.

        `dial` then rings it. Whatever goes wrong shows there.
        """
        leg_id = line.leg_id
        leg = Leg(leg_id, channel_id(leg_id), "b", line.number, line.name, clock.now())
        self.legs.append(leg)
        self._prepared[leg_id] = leg
        self.register(leg.channel_id, self, leg)
        try:
            await self._create(leg, line)
            if not line.has_ringback:
                await self._enter_bridge(leg)  # the line's own ringing reaches the caller
        except HungUp:
            leg.cause = leg.cause or HangupCause.NORMAL
        except AriRefused:  # no such trunk: there is no channel whose end could be waited for
            leg.gave_up_as = Disposition.FAILED
            leg.lose(clock.now())
        except AriUnavailable:
            leg.gave_up_as = Disposition.FAILED

    async def dial(self, line: LineToRing) -> Leg:
        """Ring one line; returns its leg, answered or with the disposition that says why not.

        Until the answer the leg lives on a timer of its own in Asterisk, so a dead controller
        leaves no ringing telephone. Raises HungUp when the caller goes first.
        """
        if self.a_leg.is_gone:
            raise HungUp
        await self._present()
        if line.leg_id not in self._prepared:
            await self.prepare(line)
        leg = self._prepared.pop(line.leg_id)
        leg.is_rung = True
        if leg.gave_up_as is None:
            await self._ring(leg, line.ring_seconds)
        if leg.answered_at is None:
            await self.hang_up(leg)
        return leg

    async def connect(self, leg: Leg) -> None:
        """Join the caller and an answered line; the caller's leg is answered by this."""
        if self._playback_id is not None:
            await self._stop_ring_back()
            await self.ari.channels.answer(self.a_leg.channel_id)
            await self._enter_bridge(leg)
        if not await self.until(
            lambda: self.a_leg.answered_at is not None or self._is_over(leg), _STASIS_SECONDS_MAX
        ):
            await self.ari.channels.answer(self.a_leg.channel_id)

    async def allow(self, leg: Leg, seconds: float) -> bool:
        """Let both talking legs live for `seconds` more, enforced by Asterisk (R1, R2, R5).

        False when Asterisk did not answer: the earlier timers may still stand, so ask again. That
        they were taken shows `is_timed`, which is asked a moment later, off the way of the call.
        """
        value = min(max(seconds, _TIMER_SECONDS_MIN), _TIMER_SECONDS_MAX)
        try:
            await asyncio.gather(
                *(
                    self.ari.channels.set_timeout_absolute(
                        one.channel_id, value, is_read_back=False
                    )
                    for one in (self.a_leg, leg)
                )
            )
        except HungUp:
            return True  # the talk is ending: its end is on the way as an event
        except AriError as error:
            _log.warning("paid_time_not_set", error=str(error))
            return False
        return True

    async def is_timed(self, leg: Leg) -> bool:
        """Read back that a timer runs on both talking legs (R3: nonsense is taken for no limit)."""
        try:
            lefts = await asyncio.gather(
                *(
                    self.ari.channels.get_timeout_absolute(one.channel_id)
                    for one in (self.a_leg, leg)
                )
            )
        except HungUp:
            return True
        except AriError as error:
            _log.warning("paid_time_not_confirmed", error=str(error))
            return False
        return all(left > 0 for left in lefts)

    async def is_over(self, leg: Leg, seconds: float) -> bool:
        """Wait at most `seconds` for the end of the talk between the caller and `leg`."""
        return await self.until(lambda: self._is_over(leg), seconds)

    async def whisper(self, leg: Leg, prompt: str) -> None:
        """Play `prompt` to one party of the bridge only."""
        try:
            await self.ari.channels.play(
                leg.channel_id, media=[f"sound:{prompt}"], playback_id=f"p{new_id().hex}"
            )
        except HungUp:
            return

    async def hang_up(self, leg: Leg, cause: HangupCause = HangupCause.NORMAL) -> None:
        """End one leg; it is no error if it has ended."""
        if leg.is_gone:
            return
        leg.is_released = True
        try:
            await self.ari.channels.hangup(leg.channel_id, reason_code=cause)
        except HungUp:
            return

    async def meanwhile(self, leg: Leg, act: Coroutine[Any, Any, Result]) -> Result | None:
        """Do `act` while the talk goes on; None when the talk ended first (`act` still ends)."""
        task = asyncio.ensure_future(act)
        task.add_done_callback(lambda _: self.wake())
        await self.until(lambda: task.done() or self._is_over(leg), _ACT_SECONDS_MAX)
        if task.done():
            return task.result()
        task.add_done_callback(_log_failure)
        return None

    async def talk_times(self) -> Mapping[uuid.UUID, int]:
        """End the talk and return each talking leg's time in milliseconds; empty without a talk.

        The caller's leg and the answered line's leg are one talk: it lasts from the moment both
        are answered (ambiguity 22) to the first end of either, ChannelDestroyed at the latest.
        """
        await self.release()
        started_at = self.talk_started_at
        if started_at is None:
            return {}
        talking = [leg for leg in self.legs if leg.answered_at is not None]
        end = min(
            (leg.ended_at for leg in talking if leg.ended_at is not None), default=clock.now()
        )
        talk_ms = max(1, round((end - started_at).total_seconds() * 1000))
        return {leg.leg_id: talk_ms for leg in talking}

    @property
    def b_leg(self) -> Leg | None:
        """The line's leg that was answered, if any."""
        return next((leg for leg in self.legs[1:] if leg.answered_at is not None), None)

    @property
    def talk_started_at(self) -> datetime | None:
        """When both parties were answered; None if that never was."""
        b_leg = self.b_leg
        if b_leg is None or b_leg.answered_at is None or self.a_leg.answered_at is None:
            return None
        return max(self.a_leg.answered_at, b_leg.answered_at)

    @property
    def talk_started_monotonic(self) -> float | None:
        """The same moment on clock.monotonic(), which paid time is counted from."""
        b_leg, a_answered = self.b_leg, self.a_leg.answered_monotonic
        if b_leg is None or b_leg.answered_monotonic is None or a_answered is None:
            return None
        return max(a_answered, b_leg.answered_monotonic)

    async def release(self) -> None:
        """Hang up every leg, wait for their ends, and remove the bridge; may be called again."""
        for leg in self.legs:
            cause = HangupCause.NORMAL
            if leg is self.a_leg and leg.answered_at is None:  # SIP 503 unless it was refused
                cause = self.rejected_cause or HangupCause.SWITCH_CONGESTION
            try:
                await self.hang_up(leg, cause)
            except AriError:
                continue  # its own timer in Asterisk ends it
        if not await self._all_destroyed():
            for leg in self.legs:
                if leg.destroyed_at is None:  # it said that it went, and did not go
                    with suppress(AriError):
                        await self.ari.channels.hangup(leg.channel_id)
            await self._all_destroyed()
        if self._is_bridged:
            self._is_bridged = False
            try:
                await self.ari.bridges.destroy(bridge_id(self.call_id))
            except AriError:
                return  # it is empty and holds nothing

    # -- how it is done

    async def _all_destroyed(self) -> bool:
        return await self.until(
            lambda: all(leg.destroyed_at is not None for leg in self.legs), _RELEASE_SECONDS_MAX
        )

    def _is_over(self, leg: Leg) -> bool:
        return self.a_leg.is_gone or leg.is_gone

    async def _present(self) -> None:
        """Replace a hostile caller id before it goes out to a line; at most once."""
        shown, self.presented = self.presented, None
        if shown is not None:
            channel = self.a_leg.channel_id
            await self.ari.channels.set_channel_var(channel, "CALLERID(num)", shown.number)
            await self.ari.channels.set_channel_var(channel, "CALLERID(name)", shown.name)

    async def _create(self, leg: Leg, line: LineToRing) -> None:
        timer_seconds = line.ring_seconds + _BIRTH_MARGIN_SECONDS
        await self.ari.channels.create(
            line.endpoint,
            channel_id=leg.channel_id,
            app_args=f"line,{self.call_id}",
            originator=self.a_leg.channel_id,
            variables={"TIMEOUT(absolute)": str(timer_seconds)},
        )
        entered = await self.until(
            lambda: leg.is_in_stasis or leg.is_gone or self.a_leg.is_gone, _STASIS_SECONDS_MAX
        )
        if not entered:
            leg.gave_up_as = Disposition.FAILED

    async def _ring(self, leg: Leg, ring_seconds: int) -> None:
        try:
            await self.ari.channels.dial(
                leg.channel_id, caller=self.a_leg.channel_id, timeout=ring_seconds + 1
            )
        except HungUp:
            leg.cause = leg.cause or HangupCause.NORMAL
        except (AriRefused, AriUnavailable):
            leg.gave_up_as = Disposition.FAILED
            return
        await self._until_answered(leg, ring_seconds)

    async def _until_answered(self, leg: Leg, ring_seconds: int) -> None:
        settled = await self.until(
            lambda: leg.answered_at is not None or leg.is_gone or self.a_leg.is_gone, ring_seconds
        )
        if self.a_leg.is_gone:
            if leg.answered_at is None:
                leg.gave_up_as = Disposition.CANCELLED
            raise HungUp
        if leg.answered_at is None and leg.is_gone:  # its cause comes with its very end
            await self.until(lambda: leg.destroyed_at is not None, _RELEASE_SECONDS_MAX)
        if not settled:
            leg.gave_up_as = Disposition.NO_ANSWER
            leg.cause = HangupCause.NO_ANSWER

    async def _enter_bridge(self, leg: Leg) -> None:
        """Put a line's leg, and with the first one the caller's, into the call's bridge."""
        entering = [leg.channel_id]
        if not self._is_bridged:
            self._is_bridged = True
            await self.ari.bridges.create(bridge_id(self.call_id), bridge_type="mixing")
            entering.insert(0, self.a_leg.channel_id)
        await self.ari.bridges.add_channel(bridge_id(self.call_id), entering)

    async def _stop_ring_back(self) -> None:
        """A command to a channel waits for the end of what plays on it: the prompt goes first."""
        playback_id, self._playback_id = self._playback_id, None
        if playback_id is not None:
            try:
                await self.ari.playbacks.stop(playback_id)
            except AriError:
                return  # it had ended by itself


def _log_failure(task: asyncio.Task[Any]) -> None:
    if task.exception() is not None:
        _log.warning("act_failed_after_talk", error=repr(task.exception()))
