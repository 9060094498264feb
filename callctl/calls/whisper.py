"""A whisper into a talk: through a snoop channel, heard by one party alone; used by calls.call.

A prompt played on a leg itself would mute the talk and hold up commands to the leg until its end.
"""

from collections.abc import Callable
from typing import Protocol

import structlog

from callctl.ari.client import AriClient
from callctl.calls.leg import Leg
from callctl.errors import AriError, HungUp
from callctl.values.ids import new_id

_STASIS_SECONDS_MAX = 5.0  # from the snoop's making to its StasisStart
_PROMPT_SECONDS_MAX = 60.0  # no whispered prompt is longer
_log = structlog.get_logger()


class Whisperer(Protocol):
    """What a whisper needs of its call."""

    ari: AriClient
    finished_playbacks: set[str]

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until `holds()`; False when `seconds` have passed first."""

    async def hang_up(self, leg: Leg) -> None:
        """End one leg."""


async def whispering(call: Whisperer, snoop: Leg, leg: Leg, prompt: str, language: str) -> None:
    """Make the snoop channel on `leg`, play the prompt to its end or the leg's, remove it."""
    playback_id = f"p{new_id().hex}"
    try:
        await call.ari.channels.snoop(
            leg.channel_id, snoop_id=snoop.channel_id, whisper="out", app_args="snoop"
        )
        await call.until(lambda: snoop.is_in_stasis or leg.is_gone, _STASIS_SECONDS_MAX)
        await call.ari.channels.play(
            snoop.channel_id, media=f"sound:{prompt}", playback_id=playback_id, lang=language
        )
        await call.until(
            lambda: playback_id in call.finished_playbacks or leg.is_gone, _PROMPT_SECONDS_MAX
        )
    except (HungUp, AriError) as error:
        _log.info("whisper_ended_early", why=str(error))
    try:
        await call.hang_up(snoop)
    except AriError as error:
        _log.warning("whisper_not_removed", error=str(error))  # it ends with the leg
