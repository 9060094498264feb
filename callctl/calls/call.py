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
from callctl.calls.charged_time import ChargeBegin, charge_begin, charged_milliseconds
from callctl.calls.leg import Leg
from callctl.calls.line_to_ring import LineToRing
from callctl.calls.timers import SECONDS_MAX, are_timed, set_timers
from callctl.calls.whisper import whispering
from callctl.errors import AriError, AriRefused, AriUnavailable, HungUp
from callctl.values.hangup import Disposition, HangupCause
from callctl.values.ids import bridge_id, channel_id, new_id, snoop_id
from callctl.values.phone_number import PhoneNumber

_STASIS_SECONDS_MAX = 5.0  # from create to StasisStart
_RELEASE_SECONDS_MAX = 5.0  # from our hang-up to ChannelDestroyed
_BIRTH_MARGIN_SECONDS = 2  # a B-leg may outlive its ring time by this before we take over
_FIRST_SECONDS_SURE = 100  # less than FIRST_SECONDS of the dialplan, by screening's time
_ACT_SECONDS_MAX = 15.0  # an act of the ledger ends earlier by its own deadline
_RINGBACK_SECONDS_MAX = 600
_PROMPT_SECONDS_MAX = 300.0  # no prompt is longer
_RINGBACK_SECONDS_MIN = 1  # no shorter prompt is looped often enough to fill the ring time

Result = TypeVar("Result")
_log = structlog.get_logger()


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
    is_charged_from_answer: bool = False  # a menu answers, and its time is charged (ambiguity 22)
    finished_playbacks: set[str] = field(default_factory=set)
    _pulse: asyncio.Event = field(default_factory=asyncio.Event)
    _is_bridged: bool = False
    _prepared: dict[uuid.UUID, Leg] = field(default_factory=dict)
    _playback_id: str | None = None
    _snoops: list[Leg] = field(default_factory=list)
    _whispers: set[asyncio.Task[None]] = field(default_factory=set)

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

    async def answer(self) -> None:
        """Answer the caller and put him into the call's bridge, where prompts are played."""
        await self._present()
        await self.ari.channels.answer(self.a_leg.channel_id)
        if not await self.until(
            lambda: self.a_leg.answered_at is not None or self.a_leg.is_gone, _STASIS_SECONDS_MAX
        ):
            raise AriUnavailable("Asterisk did not answer the caller in time")
        if self.a_leg.is_gone:
            raise HungUp
        await self._enter_bridge()

    async def play(self, prompt: str, language: str) -> None:
        """Play `prompt` to the answered caller, to its end; raises HungUp when he goes first.

        On the bridge, since a command to a channel waits for the end of what plays on it.
        """
        playback_id = await self._play_on_bridge([prompt], language)
        await self.until(
            lambda: playback_id in self.finished_playbacks or self.a_leg.is_gone,
            _PROMPT_SECONDS_MAX,
        )
        if self.a_leg.is_gone:
            raise HungUp

    async def ring_back(self, prompt: str, seconds: float, language: str) -> None:
        """Let the caller hear `prompt` again and again while lines ring.

        As early media while he is not answered, so that it costs nothing (A14).
        """
        await self._present()  # now: while the prompt plays, commands to the channel wait
        times = max(1, round(min(seconds, _RINGBACK_SECONDS_MAX) / _RINGBACK_SECONDS_MIN))
        if self.a_leg.answered_at is not None:
            self._playback_id = await self._play_on_bridge([prompt] * times, language)
            return
        self._playback_id = f"p{new_id().hex}"
        await self.ari.channels.play(
            self.a_leg.channel_id,
            media=[f"sound:{prompt}"] * times,
            playback_id=self._playback_id,
            lang=language,
        )

    async def wait_unanswered(self, seconds: float) -> None:
        """Let the caller's leg live through `seconds` of ringing, if the dialplan's timer won't.

        It is not answered, so nothing is owed for this time.
        """
        if seconds > _FIRST_SECONDS_SURE and self.a_leg.answered_at is None:
            await self.ari.channels.set_timeout_absolute(
                self.a_leg.channel_id, min(seconds + _BIRTH_MARGIN_SECONDS, SECONDS_MAX)
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
            lambda: self.a_leg.answered_at is not None or self.is_over(leg), _STASIS_SECONDS_MAX
        ):
            await self.ari.channels.answer(self.a_leg.channel_id)

    async def allow(self, seconds: float) -> bool:
        """Let every answered leg live for `seconds` more; False when to be repeated."""
        return await set_timers(self.ari, self.parties, seconds)

    async def is_timed(self, at_most: float = SECONDS_MAX) -> bool:
        """Whether a timer of at most so many seconds is seen to run on every answered leg."""
        return await are_timed(self.ari, self.parties, at_most)

    def is_over(self, leg: Leg) -> bool:
        """Whether the talk between the caller and `leg` has ended."""
        return self.a_leg.is_gone or leg.is_gone

    def whisper(self, leg: Leg, prompt: str, language: str) -> None:
        """Play `prompt` to one party of the talk only, while both go on hearing each other."""
        snoop = Leg(new_id(), snoop_id(new_id()), "snoop", "", None, clock.now())
        self.register(snoop.channel_id, self, snoop)
        self._snoops.append(snoop)
        task = asyncio.create_task(whispering(self, snoop, leg, prompt, language))
        self._whispers.add(task)
        task.add_done_callback(self._whispers.discard)

    @property
    def channel_ids(self) -> list[str]:
        """Every channel that was made for this call or came with it."""
        return [leg.channel_id for leg in (*self.legs, *self._snoops)]

    async def hang_up(self, leg: Leg, cause: HangupCause = HangupCause.NORMAL) -> None:
        """End one leg; it is no error if it has ended."""
        if leg.is_gone:
            return
        leg.is_released = True
        try:
            await self.ari.channels.hangup(leg.channel_id, reason_code=cause)
        except HungUp:
            return

    async def meanwhile(
        self, act: Coroutine[Any, Any, Result], is_over: Callable[[], bool]
    ) -> Result | None:
        """Do `act` while the call goes on; None when `is_over()` came first (`act` still ends)."""
        task = asyncio.ensure_future(act)
        task.add_done_callback(lambda _: self.wake())
        await self.until(lambda: task.done() or is_over(), _ACT_SECONDS_MAX)
        if task.done():
            return task.result()
        task.add_done_callback(_log_failure)
        return None

    async def talk_times(self) -> Mapping[uuid.UUID, int]:
        """End the call and return each charged leg's time in milliseconds; empty without any."""
        await self.release()
        begins = {leg.leg_id: begin for leg in self.parties if (begin := self.charge_begin(leg))}
        return charged_milliseconds(begins, self.parties, clock.now())

    def charge_begin(self, leg: Leg) -> ChargeBegin | None:
        """When the charged time of an answered leg begins; None while it has not begun."""
        return charge_begin(self.a_leg, self.b_leg, leg, is_menu=self.is_charged_from_answer)

    def charged_from(self, leg_id: uuid.UUID) -> datetime | None:
        """When the charged time of the leg of this id began, if it has."""
        leg = next((one for one in self.parties if one.leg_id == leg_id), None)
        begin = self.charge_begin(leg) if leg is not None else None
        return begin.at if begin is not None else None

    @property
    def parties(self) -> list[Leg]:
        """The legs that were answered."""
        return [leg for leg in self.legs if leg.answered_at is not None]

    @property
    def b_leg(self) -> Leg | None:
        """The line's leg that was answered, if any."""
        return next((leg for leg in self.legs[1:] if leg.answered_at is not None), None)

    @property
    def talk_started_at(self) -> datetime | None:
        """When both parties were answered; None if that never was."""
        begin = charge_begin(self.a_leg, self.b_leg, self.a_leg, is_menu=False)
        return begin.at if begin is not None else None

    async def release(self) -> None:
        """Hang up every leg, wait for their ends, and remove the bridge; may be called again."""
        for leg in (*self.legs, *self._snoops):
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

    async def _enter_bridge(self, leg: Leg | None = None) -> None:
        """Put a line's leg, and with the first one the caller's, into the call's bridge."""
        entering = [] if leg is None else [leg.channel_id]
        if not self._is_bridged:
            self._is_bridged = True
            await self.ari.bridges.create(bridge_id(self.call_id), bridge_type="mixing")
            entering.insert(0, self.a_leg.channel_id)
        await self.ari.bridges.add_channel(bridge_id(self.call_id), entering)

    async def _play_on_bridge(self, prompts: list[str], language: str) -> str:
        playback_id = f"p{new_id().hex}"
        await self.ari.bridges.play(
            bridge_id(self.call_id),
            media=[f"sound:{prompt}" for prompt in prompts],
            playback_id=playback_id,
            lang=language,
        )
        return playback_id

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
