"""The caller's leg of a callback, rung when a line has taken the call; called by flows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from callctl.calls import asking
from callctl.calls.dialling import BIRTH_MARGIN_SECONDS
from callctl.calls.leg import Leg
from callctl.calls.timers import limited
from callctl.errors import AriError, AriRefused, AriUnavailable, HungUp
from callctl.values.hangup import Disposition, HangupCause
from callctl.values.ids import bridge_id, new_id

if TYPE_CHECKING:
    from callctl.calls.call import Call

_STASIS_SECONDS_MAX = 5.0  # from create to StasisStart
_END_SECONDS_MAX = 5.0  # from the first sign of a leg's end to ChannelDestroyed
_TOLD_SECONDS_MAX = 30.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CallerToRing:
    """How the caller is rung back; he sees the number that he had called."""

    endpoint: str
    ring_seconds: int


async def ring_caller(call: "Call", line: Leg, caller: CallerToRing) -> None:
    """Ring the caller, whom the line hears ring, until he or the line is gone or he answers."""
    a_leg = call.a_leg
    if a_leg.is_gone or line.is_gone:  # given up before
        return
    a_leg.is_rung = True
    a_leg.lifetime_seconds = caller.ring_seconds + BIRTH_MARGIN_SECONDS
    try:
        await _create(call, line, caller)
        if a_leg.gave_up_as is None and not call.is_over(line):
            await call.bridge.enter(line)
            async with limited(call, [a_leg]):
                await _ring(call, line, caller.ring_seconds)
    except HungUp:
        a_leg.cause = a_leg.cause or HangupCause.NORMAL
    except AriRefused:  # no such trunk: there is no channel whose end could be waited for
        a_leg.gave_up_as = Disposition.FAILED
        a_leg.lose(call.clock.now())
    except AriUnavailable:
        a_leg.gave_up_as = Disposition.FAILED
    if a_leg.answered_at is None:
        await call.hang_up(a_leg)
        await asking.learned(call, lambda: a_leg.destroyed_at is not None, a_leg, _END_SECONDS_MAX)


async def _create(call: "Call", line: Leg, caller: CallerToRing) -> None:
    a_leg = call.a_leg
    await call.ari.channels.create(
        caller.endpoint,
        channel_id=a_leg.channel_id,
        app_args=f"caller,{call.call_id}",
        originator=line.channel_id,
        variables={"TIMEOUT(absolute)": str(a_leg.lifetime_seconds)},
    )
    if not await asking.learned(
        *(call, lambda: a_leg.is_in_stasis or call.is_over(line), a_leg, _STASIS_SECONDS_MAX)
    ):
        a_leg.gave_up_as = Disposition.FAILED


async def _ring(call: "Call", line: Leg, ring_seconds: int) -> None:
    a_leg = call.a_leg
    await call.ari.channels.dial(a_leg.channel_id, timeout=ring_seconds + 1)

    def is_settled() -> bool:
        return a_leg.answered_at is not None or call.is_over(line)

    if not await call.until(is_settled, ring_seconds):
        await asking.ask(call, a_leg)  # his answer may have got lost
    if not is_settled():
        a_leg.gave_up_as, a_leg.cause = Disposition.NO_ANSWER, HangupCause.NO_ANSWER
    elif line.is_gone and a_leg.answered_at is None and not a_leg.is_gone:
        a_leg.gave_up_as = Disposition.CANCELLED


async def tell_line(call: "Call", line: Leg, prompts: str | Sequence[str], language: str) -> None:
    """Play to the line, which is alone in the bridge."""
    if line.is_gone or not call.bridge.has(line):
        return
    names = [prompts] if isinstance(prompts, str) else prompts
    playback_id = f"p{new_id().hex}"
    try:
        await call.ari.bridges.play(
            bridge_id(call.call_id),
            media=[f"sound:{name}" for name in names],
            playback_id=playback_id,
            lang=language,
        )
    except AriError as error:
        _log.info("line_not_told", why=str(error))
        return
    await asking.played(call, playback_id, lambda: line.is_gone, _TOLD_SECONDS_MAX)
