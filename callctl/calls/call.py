"""A call: its legs, its bridge, and the verbs that flows are written with.

Made by the exchange, one for each caller. Verbs raise HungUp when the caller is gone; a line that
does not take the call is a value. Ids of channels and bridges are made here, and the leg takes
events before Asterisk is asked to create it, so that none is missed. How lines are rung is in
calls.dialling, what the caller hears in calls.prompts, recordings in calls.recording.
"""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import structlog

from callctl import clock
from callctl.ari import models
from callctl.ari.client import AriClient
from callctl.calls import asking, releasing
from callctl.calls.call_bridge import CallBridge
from callctl.calls.call_clock import CallClock
from callctl.calls.caller_id import CallerIdPresented
from callctl.calls.charged_time import ChargeBegin, charge_begin, charged_milliseconds
from callctl.calls.dialling import BIRTH_MARGIN_SECONDS, Dialling
from callctl.calls.leg import Leg
from callctl.calls.line_to_ring import LineToRing
from callctl.calls.prompts import Prompts
from callctl.calls.recording import Recorder
from callctl.calls.timers import FIRST_SECONDS, SECONDS_MAX, are_timed, limit, set_timers
from callctl.calls.whisper import Whispers
from callctl.errors import AriError, AriUnavailable, HandedOver, HungUp
from callctl.values.hangup import Disposition, HangupCause
from callctl.values.phone_number import PhoneNumber

_ANSWER_SECONDS_MAX = 5.0  # from our answer to the event that tells of it
_FIRST_SECONDS_SURE = 100  # less than FIRST_SECONDS of the dialplan, by screening's time
_ACT_SECONDS_MAX = 15.0  # an act of the ledger ends earlier by its own deadline

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
    inquiry: asking.Inquiry | None = None  # asks Asterisk when an event does not come
    paid_seconds: Callable[[], float] = lambda: SECONDS_MAX  # that who is joined now may talk
    presented: CallerIdPresented | None = None  # what must replace a hostile caller id
    rejected_cause: HangupCause | None = None
    is_drained: bool = False  # ended because the switch ends
    is_handed_over: bool = False  # goes on in the next run of the switch: `until` raises HandedOver
    is_charged_from_answer: bool = False  # a menu answers, and its time is charged (ambiguity 22)
    is_callback: bool = False  # begins with us: the caller has no channel before ring_caller
    on_under_way: Callable[[], None] | None = None  # the exchange counts those who are not yet
    finished_playbacks: set[str] = field(default_factory=set)
    finished_recordings: dict[str, float | None] = field(default_factory=dict)  # name -> seconds
    clock: CallClock = field(init=False)
    bridge: CallBridge = field(init=False)
    prompts: Prompts = field(init=False)
    dialling: Dialling = field(init=False)
    _recorder: Recorder = field(init=False)
    _pulse: asyncio.Event = field(default_factory=asyncio.Event)
    whispers: Whispers = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the caller's leg."""
        self.legs.append(self.a_leg)
        self.a_leg.lifetime_seconds = FIRST_SECONDS
        self.clock = CallClock.since(self.a_leg.setup_at, self.ari.clock)
        self.bridge, self.prompts, self.dialling = CallBridge(self), Prompts(self), Dialling(self)
        self._recorder, self.whispers = Recorder(self), Whispers(self)

    # -- events

    def wake(self) -> None:
        """Something about a leg has changed; called by the exchange after each event."""
        self._pulse.set()

    def take_end(
        self, event: models.PlaybackFinished | models.RecordingFinished | models.RecordingFailed
    ) -> None:
        """Note that a prompt or a recording has ended."""
        if isinstance(event, models.PlaybackFinished):
            self.finished_playbacks.add(event.playback.id)
        else:
            self.finished_recordings[event.recording.name] = event.recording.duration

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until `holds()`; False when `seconds` have passed first; raises HandedOver."""
        deadline = clock.monotonic() + seconds
        while not holds():
            if self.is_handed_over:
                raise HandedOver
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

    def note_under_way(self) -> None:
        """The caller hears something for the first time: a line that rings, a prompt."""
        told, self.on_under_way = self.on_under_way, None
        if told is not None:
            told()

    # -- verbs: the caller

    async def reject(self, cause: HangupCause) -> None:
        """Refuse the call unanswered with a Q.850 cause (the carrier sees the SIP code for it)."""
        self.rejected_cause = cause
        await self.ari.channels.hangup(self.a_leg.channel_id, reason_code=cause)
        self.a_leg.is_released = True

    async def answer(self) -> None:
        """Answer the caller and put him into the call's bridge, where prompts are played."""
        await self.present()
        await self.prompts.stop()  # it would hold up the answer
        if not await self._answered(lambda: self.a_leg.is_gone):
            raise AriUnavailable("Asterisk did not answer the caller in time")
        if self.a_leg.is_gone:
            raise HungUp
        await self.bridge.enter()

    async def play(
        self, prompts: str | Sequence[str], language: str, *, stop_keys: str = ""
    ) -> None:
        """Play to the answered caller, to the end; raises HungUp when he goes first.

        A digit of `stop_keys` ends it, and stays to be read; one that waits already lets nothing be
        played. Music goes on after it, a ringback does not.
        """
        await self.prompts.play(prompts, language, stop_keys)

    async def play_early(self, prompts: str | Sequence[str], language: str) -> None:
        """As `play`; to a caller who is not answered as early media, which costs nothing."""
        await self.prompts.play(prompts, language)

    async def read_digits(
        self, *, digits_max: int, first_seconds: float, between_seconds: float
    ) -> str:
        """Up to `digits_max` digits of the caller, those he typed before included; "" for none.

        "#" ends a longer entry and is not part of it; alone it is a digit like others.
        """
        return await self.prompts.read(digits_max, first_seconds, between_seconds)

    def clear_digits(self) -> None:
        """Forget what the caller has typed so far."""
        self.a_leg.digits.clear()

    async def ring_back(self, prompt: str, seconds: float, language: str) -> None:
        """Let the caller hear `prompt` again and again while lines ring.

        As early media while he is not answered, so that it costs nothing (A14).
        """
        await self.present()  # now: while the prompt plays, commands to the channel wait
        await self.prompts.loop(prompt, language, seconds=seconds, is_music=False)

    async def start_music(self, prompt: str, language: str) -> None:
        """Play `prompt` to the answered caller again and again, with other prompts in between."""
        await self.prompts.loop(prompt, language, is_music=True)

    async def stop_music(self) -> None:
        """Stop what start_music or ring_back began."""
        await self.prompts.stop()

    async def wait_unanswered(self, seconds: float) -> None:
        """Let the caller's leg live through `seconds` of ringing, if the dialplan's timer won't.

        It is not answered, so nothing is owed for this time.
        """
        if seconds > _FIRST_SECONDS_SURE and self.has_caller and self.a_leg.answered_at is None:
            lifetime_seconds = min(seconds + BIRTH_MARGIN_SECONDS, SECONDS_MAX)
            await self.ari.channels.set_timeout_absolute(self.a_leg.channel_id, lifetime_seconds)
            self.a_leg.lifetime_seconds = max(lifetime_seconds, FIRST_SECONDS)

    # -- verbs: lines

    async def prepare(self, line: LineToRing) -> None:
        """Make a line's leg without ringing it: nobody is called before the money is held.

        `dial` then rings it. Whatever goes wrong shows there.
        """
        await self.dialling.prepare(line)

    async def dial(self, line: LineToRing) -> Leg:
        """Ring one line; returns its leg, taken or with the disposition that says why not.

        It is taken by its answer, or once told and confirmed by the key, as the line says. Until
        then it lives on a timer of its own in Asterisk, so a dead controller leaves no ringing
        telephone. Raises HungUp when the caller goes first.
        """
        return await self.dialling.dial(line)

    async def dial_at_once(self, lines: Sequence[LineToRing]) -> Leg | None:
        """Ring lines at the same time; the leg of the first that takes the call, as in `dial`.

        The others are cancelled as answered elsewhere. None when none takes it; each leg in `legs`
        says why. Not for a line that was prepared. Raises HungUp when the caller goes first.
        """
        return await self.dialling.dial_at_once(lines)

    async def connect(self, leg: Leg) -> None:
        """Join the caller and a line that took the call; the caller's leg is answered by this."""
        await self.prompts.stop()
        if not self.bridge.has(leg):
            if leg.is_gone:  # before the caller could be joined
                return
            is_answered = self.a_leg.answered_at is not None
            await limit(self, [leg] if is_answered else [self.a_leg, leg])
            if self.a_leg.answered_at is None:
                await self._answered(lambda: self.is_over(leg))
            try:
                await self.bridge.enter(leg)
            except AriError:
                leg.is_taken, leg.gave_up_as = False, Disposition.FAILED  # they never talked
                raise
        if not await asking.learned(
            *(self, lambda: self.a_leg.answered_at is not None or self.is_over(leg)),
            *(self.a_leg, _ANSWER_SECONDS_MAX),
        ):
            await self.ari.channels.answer(self.a_leg.channel_id)

    @property
    def has_caller(self) -> bool:
        """Whether the caller has a channel, or had one."""
        return not self.is_callback or self.a_leg.is_rung

    async def start_recording(self, name: str) -> None:
        """Record both voices as NAME.wav, until stopped or until nobody talks any more.

        AriRefused when there is a recording of this name.
        """
        await self._recorder.start(name)

    async def stop_recording(self) -> float | None:
        """Stop it; its length in whole seconds, None when there was none or that is unknown."""
        return await self._recorder.stop()

    async def record_message(self, name: str, *, seconds_max: int, silence_seconds: int) -> float:
        """Record what the answered caller says as NAME.wav; returns its length in whole seconds.

        Ends by #, silence, the limit, or his hang-up, which raises no HungUp here. Raises HungUp
        when he was gone before.
        """
        return await self._recorder.message(
            name, seconds_max=seconds_max, silence_seconds=silence_seconds
        )

    async def go_on_recording(self, name: str, *, seconds_max: int) -> None:
        """Wait for the end of a message that an earlier run of the switch records, if it does.

        Raises HungUp when the caller goes first.
        """
        await self._recorder.go_on(name, seconds_max=seconds_max)

    # -- verbs: paid time

    async def allow(self, seconds: float) -> bool:
        """Let every party live for `seconds` more; False when to be repeated."""
        return await set_timers(self.ari, self.parties, seconds)

    async def is_timed(self, at_most: float = SECONDS_MAX) -> bool:
        """Whether a timer of at most so many seconds is seen to run on every party's leg."""
        return await are_timed(self.ari, self.parties, at_most)

    def is_over(self, leg: Leg) -> bool:
        """Whether the talk between the caller and `leg` has ended."""
        return self.a_leg.is_gone or leg.is_gone

    def whisper(self, leg: Leg, prompt: str, language: str) -> None:
        """Play `prompt` to one party of the talk only, while both go on hearing each other."""
        self.whispers.begin(leg, prompt, language)

    @property
    def channel_ids(self) -> list[str]:
        """Every channel that was made for this call or came with it."""
        return [leg.channel_id for leg in (*self.legs, *self.whispers.snoops)]

    async def hang_up(self, leg: Leg, cause: HangupCause = HangupCause.NORMAL) -> None:
        """End one leg; it is no error if it has ended."""
        if leg.is_gone:
            return
        leg.is_released = True
        if leg is self.a_leg and not self.has_caller:  # there will be none
            leg.lose(self.clock.now())
            self.wake()
            return
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
        return charged_milliseconds(begins, self.parties, self.clock.now())

    def charge_begin(self, leg: Leg) -> ChargeBegin | None:
        """When the charged time of an answered leg begins; None while it has not begun."""
        is_menu, is_callback = self.is_charged_from_answer, self.is_callback
        return charge_begin(self.a_leg, self.b_leg, leg, is_menu=is_menu, is_callback=is_callback)

    def charged_from(self, leg_id: uuid.UUID) -> datetime | None:
        """When the charged time of the leg of this id began, if it has."""
        leg = next((one for one in self.parties if one.leg_id == leg_id), None)
        begin = self.charge_begin(leg) if leg is not None else None
        return begin.at if begin is not None else None

    @property
    def parties(self) -> list[Leg]:
        """The caller's leg, if answered, and that of the line that took the call."""
        return [leg for leg in self.legs if leg.joined_at is not None]

    @property
    def b_leg(self) -> Leg | None:
        """The leg of the line that took the call, if any."""
        return next((leg for leg in self.legs[1:] if leg.is_taken), None)

    @property
    def talk_started_at(self) -> datetime | None:
        """When both parties were there; None if that never was."""
        begin = charge_begin(self.a_leg, self.b_leg, self.a_leg, is_menu=False)
        return begin.at if begin is not None else None

    async def release(self) -> None:
        """Hang up every leg, wait for their ends, and remove the bridge; may be called again."""
        await releasing.release(self)

    # -- how it is done

    async def _answered(self, is_over: Callable[[], bool]) -> bool:
        """Answer the caller; what comes of it is told by an event, or asked for."""

        def is_settled() -> bool:
            return self.a_leg.answered_at is not None or is_over()

        with suppress(AriUnavailable):
            await self.meanwhile(self.ari.channels.answer(self.a_leg.channel_id), is_settled)
        is_known = await asking.learned(self, is_settled, self.a_leg, _ANSWER_SECONDS_MAX)
        if self.a_leg.is_gone and self.a_leg.answered_at is None:
            await asking.ask(self, self.a_leg)  # he may have talked, and his answer got lost
        return is_known

    async def present(self) -> None:
        """Replace a hostile caller id before it goes out to a line; at most once."""
        shown, channel = self.presented, self.a_leg.channel_id
        if shown is not None:
            await self.ari.channels.set_channel_var(channel, "CALLERID(num)", shown.number)
            await self.ari.channels.set_channel_var(channel, "CALLERID(name)", shown.name)
            self.presented = None


def _log_failure(task: asyncio.Task[Any]) -> None:
    if task.exception() is not None:
        _log.warning("act_failed_after_talk", error=repr(task.exception()))
