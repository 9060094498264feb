"""Whispers into a talk: through a snoop channel, heard by one party alone; used by calls.call.

A prompt played on a leg itself would mute the talk and hold up commands to the leg until its end.
"""

import asyncio
from typing import TYPE_CHECKING

import structlog

from callctl.calls import asking
from callctl.calls.leg import Leg
from callctl.errors import AriError, HungUp
from callctl.values.ids import new_id, snoop_id

if TYPE_CHECKING:
    from callctl.calls.call import Call

_STASIS_SECONDS_MAX = 5.0  # from the snoop's making to its StasisStart
_PROMPT_SECONDS_MAX = 60.0  # no whispered prompt is longer
_log = structlog.get_logger()


class Whispers:
    """The whispers of one call; `snoops` are their channels."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self.snoops: list[Leg] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, leg: Leg, prompt: str, language: str) -> None:
        """Whisper to `leg` from now on, in a task that ends with the prompt."""
        now = self._call.clock.now()
        snoop = Leg(new_id(), snoop_id(new_id()), "snoop", "", None, now)
        self._call.register(snoop.channel_id, self._call, snoop)
        self.snoops.append(snoop)
        task = asyncio.create_task(self._whisper(snoop, leg, prompt, language))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _whisper(self, snoop: Leg, leg: Leg, prompt: str, language: str) -> None:
        """Make the snoop channel on `leg`, play the prompt to its end or the leg's, remove it."""
        call, playback_id = self._call, f"p{new_id().hex}"
        try:
            await call.ari.channels.snoop(
                leg.channel_id, snoop_id=snoop.channel_id, whisper="out", app_args="snoop"
            )
            await asking.learned(
                *(call, lambda: snoop.is_in_stasis or leg.is_gone, snoop, _STASIS_SECONDS_MAX)
            )
            await call.ari.channels.play(
                snoop.channel_id, media=f"sound:{prompt}", playback_id=playback_id, lang=language
            )
            await asking.played(call, playback_id, lambda: leg.is_gone, _PROMPT_SECONDS_MAX)
        except (HungUp, AriError) as error:
            _log.info("whisper_ended_early", why=str(error))
        try:
            await call.hang_up(snoop)
        except AriError as error:
            _log.warning("whisper_not_removed", error=str(error))  # it ends with the leg
