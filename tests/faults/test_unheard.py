"""An answer that no event tells, and a hang-up that Asterisk does not carry out."""

import pytest

from callctl import clock
from tests.agents import NoAnswer
from tests.faults.forms import chance
from tests.faults.lossy import Harm
from tests.faults.people import SILENT_DID, TALK_DID
from tests.faults.proxy import Answer, AriProxy
from tests.faults.site import Site
from tests.faults.stages import SECOND_MICROS, SILENT, TALK

SLICES = {"CALLCTL_SLICE_SECONDS": "3", "CALLCTL_RENEW_LEAD_SECONDS": "1"}
ORPHAN_SECONDS_MAX = 2.0
_FOUND_SECONDS = 7.0
_SURE_SECONDS = 4.0
_LINE_HZ = 480


async def test_no_talk_is_cut_for_an_answer_that_no_event_told(site: Site) -> None:
    """It is found out when the first slices are over: there is money, so the talk goes on."""
    async with AriProxy(site.ari_url, chance("answers")) as proxy:
        site.ari_url = proxy.url
        await site.start(site.switch(), **SLICES)
        site.carrier.line(SILENT, NoAnswer())
        call = await site.call(SILENT_DID, "01063270001")
        line = await site.carrier.called(SILENT)
        proxy.harm = Harm(dropped=1.0, only=frozenset({"ChannelStateChange"}))
        line.voice_hz = _LINE_HZ
        line.answer()
        await call.hears(_LINE_HZ)
        assert call.answered_at is not None
        sure_at = call.answered_at + _FOUND_SECONDS + _SURE_SECONDS
        await call.hears(_LINE_HZ, 2 * _FOUND_SECONDS, since=sure_at)
        proxy.heal()
        await call.hang_up()
        cdr = await site.cdr(call)
        assert call.outcome is not None
        assert cdr.ended_by == "caller"
        assert float(cdr.talk_seconds) == pytest.approx(call.outcome.talk_seconds, abs=1.0)
        assert cdr.cost_micros == cdr.legs[0].billed_seconds * SECOND_MICROS
        await site.invariants()


async def test_a_hang_up_that_failed_is_done_again_at_once(site: Site) -> None:
    """The caller has gone, and the line is not left alone until somebody looks for leftovers."""
    async with AriProxy(site.ari_url, chance("hang-ups")) as proxy:
        site.ari_url = proxy.url
        await site.start(site.switch())
        call = await site.talking(TALK_DID, "01063270002", TALK)
        line = await site.carrier.called(TALK)
        proxy.fail(Answer.ERROR_INSTEAD, "ari DELETE channels/*")
        hung_up_at = clock.monotonic()
        await call.hang_up()
        await line.ended(ORPHAN_SECONDS_MAX)
        site.tell(left_seconds=clock.monotonic() - hung_up_at)
        assert len(proxy.failed_at) == 1
        await site.invariants()
