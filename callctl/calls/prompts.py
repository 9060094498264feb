"""What the caller hears from us (prompts, ringback, music), and the digits by which he answers.

Used by calls.call. An answered caller hears it on the call's bridge, where no command waits for its
end; one who is not answered hears it as early media, on his channel until he is in the bridge.

Asterisk plays one thing after another. So what is to come is given to it first, and then what goes
on is stopped: a bridge on which nothing is left to play gives its announcer up, and until that is
gone Asterisk 22 can't play (1 of 600 times, measured), or dies (1 of 2,500).
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from callctl import clock
from callctl.calls import asking
from callctl.errors import AriError, AriRefused, HandedOver, HungUp
from callctl.values.ids import derived_id, new_id

if TYPE_CHECKING:
    from callctl.calls.call import Call

_PROMPT_SECONDS_MAX = 300.0  # no prompt is longer
_BACKGROUND_SECONDS_MAX = 14_400.0
_LOOK_SECONDS = 15.0  # silence for so long if the end of a list of music is lost
_REPEATS_MAX = 120  # fits into one command, and outlives the paid time of a dead switch
_LIST_SECONDS_MIN = 0.5  # a list that ends sooner can't be played at all
_IDS = 4  # of backgrounds in turn: a later run of the switch knows what there may be to stop
_REST_SECONDS = 0.05  # an announcer is gone within milliseconds of its last prompt
_BEGIN_SECONDS_MAX = 1.0  # for as long as it may take on a busy machine
_UNAVAILABLE = 500
_RING_TONE = "tone:ring;tonezone=cn"
_log = structlog.get_logger()


@dataclass(slots=True)
class _Background:
    """What goes on until it is stopped; music goes on after a prompt too."""

    media: list[str]
    language: str
    is_music: bool
    playback_id: str = ""


class Prompts:
    """What plays to the caller of one call."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._background: _Background | None = None
        self._begun = 0
        self._kept = set[str]()  # ids under which Asterisk will never play
        self._ended_at = float("-inf")  # the last on the bridge, on clock.monotonic()
        self._is_inherited = False
        self._is_ringing = False
        self._loops: set[asyncio.Task[None]] = set()

    @property
    def is_on(self) -> bool:
        """Whether music or a ringback goes on."""
        return self._background is not None

    def inherit(self) -> None:
        """What an earlier run of the switch began may play still."""
        self._is_inherited = True

    async def play(self, prompts: str | Sequence[str], language: str, stop_keys: str = "") -> None:
        """Play to the end, or until a digit of `stop_keys` waits to be read; raises HungUp."""
        call = self._call
        if self._is_pressed(stop_keys):
            return
        before = await self._take_over()
        playback_id = await self._begin(_media(prompts), language, _new_ids(), before)
        if before is not None:
            if before.is_music:
                await self._go_on(replace(before), before)
            await self._halt(before.playback_id)
        try:
            is_played = await asking.played(
                *(call, playback_id),
                lambda: call.a_leg.is_gone or self._is_pressed(stop_keys),
                _PROMPT_SECONDS_MAX,
            )
            if call.a_leg.is_gone:
                raise HungUp
            if is_played:
                self._note_end()
            else:
                await self._halt(playback_id)
        finally:
            call.finished_playbacks.discard(playback_id)

    async def read(self, digits_max: int, first_seconds: float, between_seconds: float) -> str:
        """What calls.call says of read_digits."""
        leg, digits = self._call.a_leg, ""
        while len(digits) < digits_max:
            seconds = between_seconds if digits else first_seconds
            await self._call.until(lambda: bool(leg.digits) or leg.is_gone, seconds)
            if leg.is_gone:
                raise HungUp
            if not leg.digits:
                break
            digit = leg.digits.popleft()
            if digit == "#" and digits:
                break
            digits += digit
        return digits

    async def loop(
        self, prompt: str, language: str, *, is_music: bool, seconds: float = _REPEATS_MAX
    ) -> None:
        """Play `prompt` again and again in the background, for `seconds` even if we die."""
        times = max(1, min(round(seconds), _REPEATS_MAX))  # no prompt is shorter than a second
        await self._change_to(_Background(_media([prompt] * times), language, is_music))

    async def let_ring(self) -> None:
        """The caller is to hear that it rings, if he hears nothing else."""
        call = self._call
        if self.is_on or not call.has_caller:
            return
        if call.a_leg.answered_at is not None:
            await self._go_on(_Background([_RING_TONE], "zh", is_music=False), None)
        elif not self._is_ringing:
            self._is_ringing = True
            await call.ari.channels.ring(call.a_leg.channel_id)

    async def stop(self) -> None:
        """Stop what goes on in the background."""
        await self._change_to(None)

    async def _change_to(self, background: _Background | None) -> None:
        """Let this, or nothing, go on in the background in place of what does."""
        before = await self._take_over()
        if background is not None:
            await self._go_on(background, before)
        if before is not None:
            await self._halt(before.playback_id)

    async def _take_over(self) -> _Background | None:
        """What plays in the background, which nobody lets begin again when it ends."""
        if self._is_inherited:
            self._is_inherited = False
            for number in range(_IDS):
                await self._halt(self._background_id(number))
        before, self._background = self._background, None
        if before is not None:
            self._call.wake()  # its loop ends
        return before

    def _is_pressed(self, keys: str) -> bool:
        return bool(keys) and any(digit in keys for digit in self._call.a_leg.digits)

    def _background_id(self, number: int) -> str:
        return f"p{derived_id(self._call.call_id, f'background {number}').hex}"

    def _background_ids(self) -> Iterator[str]:
        """In turn, without those that Asterisk keeps; at last some that a later run can't know."""
        for _ in range(_IDS):
            playback_id = self._background_id(self._begun % _IDS)
            self._begun += 1
            if playback_id not in self._kept:
                self._call.finished_playbacks.discard(playback_id)
                yield playback_id
        yield from _new_ids()

    async def _go_on(self, background: _Background, before: _Background | None) -> None:
        """Let it begin after `before`, and again whenever it has ended, until it is stopped."""
        self._background = background
        await self._begin_background(background, before)
        task = asyncio.create_task(self._looping(background))
        self._loops.add(task)
        task.add_done_callback(self._loops.discard)

    async def _begin_background(
        self, background: _Background, before: _Background | None = None
    ) -> None:
        background.playback_id = await self._begin(
            background.media, background.language, self._background_ids(), before
        )

    async def _looping(self, background: _Background) -> None:
        call = self._call

        def is_over() -> bool:
            return self._background is not background or call.a_leg.is_gone

        with suppress(HungUp, HandedOver):
            while True:
                begun_at = clock.monotonic()
                is_played = await asking.played(
                    *(call, background.playback_id, is_over, _BACKGROUND_SECONDS_MAX),
                    look_seconds=_LOOK_SECONDS,
                )
                if not is_played or is_over():
                    return
                self._note_end()
                if clock.monotonic() - begun_at < _LIST_SECONDS_MIN:
                    _log.warning("prompt_does_not_play", media=background.media[0])
                    return
                try:
                    await self._begin_background(background)
                except AriError as error:
                    _log.warning("background_ended", error=str(error))
                    return
                if is_over():  # stopped while it began again
                    await self._halt(background.playback_id)
                    return

    async def _begin(
        self, media: list[str], language: str, ids: Iterator[str], before: _Background | None
    ) -> str:
        """Have it played as soon as nothing else plays; its id.

        `before` plays still: else what played last is given the time to be gone.
        """
        call = self._call
        if call.bridge.has_caller:
            if before is None:
                await clock.sleep(self._ended_at + _REST_SECONDS - clock.monotonic())
            playback_id = await self._begin_on_bridge(media, language, ids)
        else:
            playback_id = next(ids)
            await call.ari.channels.play(
                call.a_leg.channel_id, media=media, playback_id=playback_id, lang=language
            )
        call.note_under_way()
        return playback_id

    async def _begin_on_bridge(self, media: list[str], language: str, ids: Iterator[str]) -> str:
        """By another id whenever Asterisk can't yet: it keeps the one, as of something to come."""
        until = clock.monotonic() + _BEGIN_SECONDS_MAX
        while True:
            playback_id = next(ids)
            try:
                await self._call.ari.bridges.play(
                    self._call.bridge.id, media=media, playback_id=playback_id, lang=language
                )
            except AriRefused as refusal:
                if refusal.status != _UNAVAILABLE or clock.monotonic() > until:
                    raise
                self._kept.add(playback_id)
                await clock.sleep(_REST_SECONDS)
            else:
                return playback_id

    async def _halt(self, playback_id: str) -> None:
        """A command to a channel waits for the end of what plays on it."""
        with suppress(AriError):  # it had ended by itself
            await self._call.ari.playbacks.stop(playback_id)
        self._note_end()

    def _note_end(self) -> None:
        if self._call.bridge.has_caller:
            self._ended_at = clock.monotonic()


def _new_ids() -> Iterator[str]:
    while True:
        yield f"p{new_id().hex}"


def _media(prompts: str | Sequence[str]) -> list[str]:
    names = [prompts] if isinstance(prompts, str) else prompts
    return [f"sound:{name}" for name in names]
