"""A line answers at the moment at which the switch dies, and nobody starts it again.

Nobody is there to set what was paid for: what stands in Asterisk already must be enough.
"""

import asyncio

import pytest

from callctl import clock
from callctl.stack.processes import Child
from tests.agents import Answers, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.faults.forms import SECONDS_MAX
from tests.faults.site import Site

pytestmark = pytest.mark.timeout(SECONDS_MAX)

PLAIN_DID, TOLD_DID, RINGBACK_DID = "4005550021", "4005550022", "4005550023"
TALK, MOBILE = "01062000421", "13701000422"
CALLER, LINE_HZ = "01062006001", 440
PAID_SECONDS = 4
_SECOND_MICROS = 5_000
_JOINED = "ari POST bridges/*/addChannel"
_RINGING_SECONDS = 6.0  # longer than is paid: no timer of before is right still


async def _poor(site: Site, **settings: str) -> Child:
    """A switch, and an account with money for four seconds."""
    switch = site.switch()
    await site.start(switch, **settings)
    await site.pay_out("thirsty", "0.18")
    return switch


async def _ends_when_paid(site: Site, call: PlacedCall) -> None:
    """Asterisk ends both legs of the talk; a later switch charges what was talked."""
    await call.hears(LINE_HZ, 10)
    outcome = await call.ended(PAID_SECONDS + 5)
    assert outcome.talk_seconds is not None
    assert outcome.talk_seconds < PAID_SECONDS + 1
    await site.start(site.switch("later"))
    cdr = await site.cdr(call)
    assert 0 < cdr.cost_micros <= PAID_SECONDS * _SECOND_MICROS
    await site.invariants()
    site.tell(talk_seconds=outcome.talk_seconds, billed_seconds=cdr.legs[0].billed_seconds)


async def test_a_line_that_answers_after_the_switch_has_died(site: Site) -> None:
    """It rings on, its answer answers the caller, and they have what is paid, no more."""
    switch = await _poor(site)
    site.carrier.line(TALK, Answers(after_seconds=_RINGING_SECONDS, voice_hz=LINE_HZ))
    call = await site.call(PLAIN_DID, CALLER)
    await site.carrier.called(TALK)
    await clock.sleep(_RINGING_SECONDS - 0.5)  # it rings
    assert call.outcome is None
    await switch.kill()
    await _ends_when_paid(site, call)


@pytest.mark.parametrize("did", [TOLD_DID, RINGBACK_DID])
async def test_a_switch_that_dies_as_it_joins_the_two(site: Site, did: str) -> None:
    """Who had to confirm, or a caller who heard the tenant's ringback, was not joined before."""
    switch = await _poor(site, CALLCTL_CRASH_AT=f"{_JOINED} after:1")
    line = MOBILE if did == TOLD_DID else TALK
    site.carrier.line(line, Answers(after_seconds=1, voice_hz=LINE_HZ))
    call = await site.call(did, CALLER)
    if did == TOLD_DID:
        mobile = await site.carrier.called(MOBILE)
        await mobile.answered()
        await mobile.send_dtmf("1")
    else:
        await call.hears(PROMPT_HZ["", "ringback-demo"], 5)
    async with asyncio.timeout(10):
        await switch.wait()
    await _ends_when_paid(site, call)


async def test_a_caller_who_was_not_answered_keeps_his_time(site: Site) -> None:
    """A line rings in vain for longer than is paid: he may be rung for, and told, all the same."""
    await _poor(site)
    site.carrier.line(TALK, Answers(after_seconds=_RINGING_SECONDS, voice_hz=LINE_HZ))
    call = await site.call(PLAIN_DID, CALLER)
    await call.hears(LINE_HZ, _RINGING_SECONDS + 5)
    outcome = await call.ended(PAID_SECONDS + 5)
    assert outcome.talk_seconds == pytest.approx(PAID_SECONDS, abs=0.3)
    cdr = await site.cdr(call)
    assert cdr.cost_micros == PAID_SECONDS * _SECOND_MICROS
    await site.invariants()
