"""The end of a call in Asterisk: every leg hung up and seen gone, no bridge left; by calls.call."""

from contextlib import suppress
from typing import TYPE_CHECKING

from callctl.calls import asking
from callctl.errors import AriError
from callctl.values.hangup import HangupCause

if TYPE_CHECKING:
    from callctl.calls.call import Call
    from callctl.calls.leg import Leg

_GOING_SECONDS_MAX = 0.5  # then a leg is hung up once more; without its bridge it would live on
_END_SECONDS_MAX = 5.0  # from our hang-up to ChannelDestroyed


async def release(call: "Call") -> None:
    """Hang up every leg, wait for their ends, and remove the bridge; may be called again.

    What Asterisk does not do in time the exchange does later, by looking for what was left over.
    """
    call.is_handed_over = False  # it ends here, and is waited for
    for leg in (*call.legs, *call.whispers.snoops):
        if leg.is_released:  # what is hung up for nothing costs as much as what is not
            continue
        with suppress(AriError):  # its own timer in Asterisk ends it
            await call.hang_up(leg, end_cause(call, leg))
    await call.dialling.ended(_END_SECONDS_MAX)
    if not await _all_destroyed(call, _GOING_SECONDS_MAX):
        for leg in call.legs:
            if leg.destroyed_at is None:  # the first hang-up failed, or nobody told of its end
                with suppress(AriError):
                    cause = end_cause(call, leg)
                    await call.ari.channels.hangup(leg.channel_id, reason_code=cause)
                await asking.ask(call, leg)
        await _all_destroyed(call, _END_SECONDS_MAX)
    for leg in call.legs:
        if leg.is_answer_untold:  # one that lost the race, and whose answer nobody told
            await asking.ask(call, leg)
    await call.bridge.remove()


def end_cause(call: "Call", leg: "Leg") -> HangupCause:
    """With what a leg of a call that is over is hung up: SIP 503 unless the caller was refused.

    Again, too: Asterisk, with much to do, may not have begun with the first, and takes the last.
    """
    if leg is call.a_leg and leg.answered_at is None:
        return call.rejected_cause or HangupCause.SWITCH_CONGESTION
    return HangupCause.NORMAL


async def _all_destroyed(call: "Call", seconds: float) -> bool:
    return await call.until(lambda: all(leg.destroyed_at is not None for leg in call.legs), seconds)
