"""Recordings of a call: of both voices in a talk, or of a caller's message; used by calls.call.

Asterisk writes NAME.wav into its recording folder, from the call's bridge, and ends by itself when
nobody is left in it.
"""

from typing import TYPE_CHECKING

from callctl.calls import asking
from callctl.errors import HungUp
from callctl.values.ids import bridge_id

if TYPE_CHECKING:
    from callctl.calls.call import Call

TALK_SECONDS_MAX = 14_400  # no leg lives longer
_END_SECONDS_MAX = 5.0  # from the end of a recording to its event
_MESSAGE_END_KEY = "#"


class Recorder:
    """What is recorded of one call; one recording at a time."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._name: str | None = None

    async def start(self, name: str) -> None:
        """Record the talk from now on; AriRefused when there is a recording of this name."""
        call = self._call
        await call.ari.bridges.record(
            bridge_id(call.call_id), name=name, seconds_max=TALK_SECONDS_MAX
        )
        self._name = name

    async def stop(self) -> float | None:
        """End the recording; its whole seconds, None when there is none or its end is unknown."""
        name, self._name = self._name, None
        return None if name is None else await self._end(name)

    async def message(self, name: str, *, seconds_max: int, silence_seconds: int) -> float:
        """Record the caller alone, until he is silent, presses #, goes, or his time is over.

        Returns whole seconds. Asterisk, which compares whole seconds of the clock, would end it up
        to a second after `seconds_max`: that is for a message whose switch has ended meanwhile.
        """
        call = self._call
        if call.a_leg.is_gone:
            raise HungUp
        await call.prompts.stop()
        call.clear_digits()
        call.finished_recordings.pop(name, None)  # an earlier run of the switch had not begun
        await call.ari.bridges.record(
            bridge_id(call.call_id),
            name=name,
            seconds_max=seconds_max,
            silence_seconds=silence_seconds,
            terminate_on=_MESSAGE_END_KEY,
        )
        await asking.recorded(call, name, seconds_max)
        seconds = await self._end(name)
        call.clear_digits()
        return seconds or 0.0

    async def go_on(self, name: str, *, seconds_max: int) -> None:
        """Wait for the end of a message that was begun before we had the call."""
        call = self._call
        await asking.recorded(call, name, seconds_max + _END_SECONDS_MAX, is_known=False)
        if call.a_leg.is_gone:
            raise HungUp

    async def _end(self, name: str) -> float | None:
        call = self._call
        if name not in call.finished_recordings:
            await call.ari.recordings.stop(name)
            await call.until(lambda: name in call.finished_recordings, _END_SECONDS_MAX)
        return call.finished_recordings.get(name)
