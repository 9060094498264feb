"""Asterisk was restarted and gives channels the ids of before, whose calls still live here.

How it is made to is in tests.faults.other_asterisk.
"""

from pathlib import Path

import pytest

from callctl import clock
from callctl.stack.processes import Child
from tests.demo.world import eventually
from tests.faults.forms import pick
from tests.faults.harms import parties_lost
from tests.faults.other_asterisk import repeating
from tests.faults.people import TALK_DID
from tests.faults.site import Site
from tests.faults.stages import SECOND_MICROS, TALK

TALKS = pick(short=2, long=20)
AWAY_SECONDS = 3.0
_PROVEN_SECONDS = 1.5  # a second is begun, and somebody looks at a clock


async def test_calls_on_the_same_channel_ids_are_never_merged(site: Site, tmp_path: Path) -> None:
    """Each has a CDR and a charge of its own: those of before pay until Asterisk was gone."""
    async with repeating(site.grounds, tmp_path):
        switch = site.switch()
        await site.start(switch)
        before = [await site.talking(TALK_DID, f"0106327{n:04}", TALK) for n in range(TALKS)]
        ids = await _caller_channels(site)
        await clock.sleep(1)
        ended_at = clock.monotonic()
        await site.asterisk.kill()
        gone_at = clock.monotonic()
        parties_lost(site.caller, site.carrier)
        await clock.sleep(AWAY_SECONDS)
        await site.asterisk.start()
        await _connected_again(switch)
        held = await site.stages()
        after = []
        for number in range(TALKS):  # each ends before anybody looks for the ends of those before
            call = await site.talking(TALK_DID, f"0106328{number:04}", TALK)
            assert await _caller_channels(site) <= ids
            await call.hang_up()
            after.append(call)
        assert held == ["talking"] * TALKS
        for call in before:
            cdr = await site.cdr(call)
            assert call.answered_at is not None
            lasted = cdr.legs[0].billed_seconds
            assert cdr.cost_micros == lasted * SECOND_MICROS
            assert lasted >= ended_at - call.answered_at - _PROVEN_SECONDS
            assert lasted <= gone_at - call.answered_at + _PROVEN_SECONDS
        for call in after:
            cdr = await site.cdr(call)
            assert call.outcome is not None
            assert float(cdr.talk_seconds) == pytest.approx(call.outcome.talk_seconds, abs=0.5)
            assert cdr.cost_micros == cdr.legs[0].billed_seconds * SECOND_MICROS
        rows = await site.database.fetch(
            "SELECT channel_id, count(DISTINCT call_id) AS calls FROM cdr_legs"
            " WHERE side = 'a' GROUP BY channel_id"
        )
        assert {row["channel_id"]: row["calls"] for row in rows} == dict.fromkeys(ids, 2)
        site.tell(calls=2 * TALKS)
        await site.invariants()


async def _caller_channels(site: Site) -> set[str]:
    """The channels whose ids are Asterisk's own."""
    return {one.id for one in await site.ari.channels.list() if "." in one.id}


async def _connected_again(switch: Child) -> None:
    async def look() -> bool | None:
        return True if switch.log_path.read_text().count('"ari_connected"') > 1 else None

    await eventually(look, "the switch to connect again", 15)
