"""People at telephones of faults.yaml: who rings, who waits, who calls until he is answered.

And what must be true of a talk that nobody's fault has cut.
"""

import pytest

from callctl import clock
from callctl.views import Cdr
from tests.agents import Answers, NoAnswer, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.faults.site import Site
from tests.faults.stages import ALONE, SECOND_MICROS, SILENT, TALK

TALK_DID, SILENT_DID, QUEUE_DID = "4005550001", "4005550002", "4005550006"
HOLD_HZ = PROMPT_HZ["", "hold"]
OTHERS = ("01063250001", "01063250003", "01063250002")  # who ring, wait and talk in `others`
_BACK_SECONDS_MAX = 10.0
_AGAIN_SECONDS = 0.1


async def others(site: Site) -> tuple[PlacedCall, PlacedCall, PlacedCall]:
    """One whose line rings, one who waits in a queue, and one who talks to the queue's line."""
    site.carrier.line(SILENT, NoAnswer())
    site.carrier.line(ALONE, Answers(after_seconds=0))
    rings, waits, talks = OTHERS
    ringing = await site.call(SILENT_DID, rings)
    await site.carrier.called(SILENT)
    served = await site.call(QUEUE_DID, talks)
    await served.hears(440, seconds=10)
    waiting = await site.call(QUEUE_DID, waits)
    await waiting.hears(HOLD_HZ, seconds=10)
    return ringing, waiting, served


async def flows_again(site: Site, seconds: float = _BACK_SECONDS_MAX) -> float:
    """Call until a call is answered, as callers do; how many seconds that took."""
    begun_at = clock.monotonic()
    site.carrier.line(TALK, Answers(voice_hz=440))
    while True:
        call = await site.call(TALK_DID, "01063260000")
        try:
            await call.hears(440, seconds=seconds)
        except AssertionError:
            if call.outcome is None or clock.monotonic() - begun_at > seconds:
                raise
            await clock.sleep(_AGAIN_SECONDS)  # else hundreds of refusals come before the rest
            continue
        await call.hang_up()
        return clock.monotonic() - begun_at


async def charged_throughout(site: Site, call: PlacedCall) -> Cdr:
    """The caller's leg is charged from his answer to his end, once, whoever had the call."""
    assert call.answered_at is not None
    assert call.ended_at is not None
    cdr = await site.cdr(call)
    leg = cdr.legs[0]
    assert leg.billed_seconds == pytest.approx(call.ended_at - call.answered_at, abs=1.5)
    assert leg.cost_micros == leg.billed_seconds * SECOND_MICROS
    return cdr
