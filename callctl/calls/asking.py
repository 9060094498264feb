"""Waits for events that may have got lost: when none comes, Asterisk itself is asked.

Used by this package. Events are lost with a socket; what they would have told is still there.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from callctl import clock
from callctl.ari import models
from callctl.calls.leg import Leg
from callctl.errors import AriError, AriRefused

if TYPE_CHECKING:
    from callctl.calls.call import Call

_EVENT_SECONDS_MAX = 1.0  # no event that follows a command takes longer, unless it is lost
_LOOK_SECONDS = 5.0  # between two looks at what plays, rings or is recorded
_NOT_FOUND = 404


class Inquiry(Protocol):
    """Asks Asterisk; the exchange has it."""

    async def ask(self, call: "Call", leg: Leg) -> None:
        """Have the leg note what no event has told of it."""
        ...


async def ask(call: "Call", leg: Leg) -> None:
    """Ask about a leg, if there is anybody to do it."""
    if call.inquiry is not None:
        await call.inquiry.ask(call, leg)


async def learned(call: "Call", holds: Callable[[], bool], leg: Leg, seconds: float) -> bool:
    """As `call.until`; Asterisk is asked about `leg` when no event has told for a second."""
    soon = min(seconds, _EVENT_SECONDS_MAX)
    if await call.until(holds, soon):
        return True
    await ask(call, leg)
    return await call.until(holds, seconds - soon)


async def rung(call: "Call", is_settled: Callable[[], bool], leg: Leg, seconds: float) -> bool:
    """As `call.until`, for a line that rings: Asterisk is asked each 5 s whether it was answered.

    Else an answer whose event got lost would cost paid time until somebody looks.
    """
    left = seconds
    while not await call.until(is_settled, min(left, _LOOK_SECONDS)):
        left -= _LOOK_SECONDS
        await ask(call, leg)
        if left <= 0:
            return is_settled()
    return True


async def played(
    call: "Call",
    playback_id: str,
    is_enough: Callable[[], bool],
    seconds: float,
    *,
    look_seconds: float = _LOOK_SECONDS,
) -> bool:
    """Wait until a prompt has played to its end; False when it was enough, or too long, before."""

    def is_over() -> bool:
        return playback_id in call.finished_playbacks or is_enough()

    left = seconds
    while not await call.until(is_over, min(left, look_seconds)):
        left -= look_seconds
        if left <= 0:
            break
        try:
            await call.ari.playbacks.get(playback_id)
        except AriRefused as refusal:
            if refusal.status == _NOT_FOUND:
                call.finished_playbacks.add(playback_id)
        except AriError:
            continue  # no answer tells nothing
    return playback_id in call.finished_playbacks


async def recorded(call: "Call", name: str, seconds: float, *, is_known: bool = True) -> None:
    """Wait until a recording has ended, by itself or with its caller, or `seconds` are over.

    Without `is_known` there may be none.
    """
    deadline = clock.monotonic() + seconds
    if not is_known and await _has_ended(call, name):
        return

    def is_over() -> bool:
        return name in call.finished_recordings or call.a_leg.is_gone

    while not await call.until(is_over, min(deadline - clock.monotonic(), _LOOK_SECONDS)):
        if clock.monotonic() >= deadline or await _has_ended(call, name):
            return


async def _has_ended(call: "Call", name: str) -> bool:
    """Whether Asterisk records it no more: then its length is not known."""
    try:
        await call.ari.recordings.get(name)
    except AriRefused as refusal:
        if refusal.status == _NOT_FOUND:
            call.finished_recordings.setdefault(name, None)
            return True
    except AriError:
        return False
    return False


async def rings(call: "Call", leg: Leg) -> bool:
    """Whether a line rings, or has answered, of which the command to ring it told nothing."""
    try:
        channel: models.Channel = await call.ari.channels.get(leg.channel_id)
    except AriError:
        return False
    return channel.state not in {"Down", "Rsrvd"}
