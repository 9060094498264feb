"""Two harms of different families at once, of which neither was made for the other."""

import asyncio
import itertools
import random

import pytest

from callctl import clock
from callctl.errors import DatabaseError
from tests.demo.world import eventually
from tests.faults.forms import SEED, chance, pick
from tests.faults.harms import HARMS, scene
from tests.faults.people import TALK_DID, flows_again, others
from tests.faults.site import Site
from tests.faults.stages import SECOND_MICROS, TALK

PAIRS_COUNT = pick(short=3, long=20)
TALKS = 3
_ALL = [
    (first, second)
    for first, second in itertools.permutations(HARMS, 2)
    if first.partition(" ")[0] != second.partition(" ")[0]
]
_PAIRS = random.Random(f"{SEED} pairs of harms").sample(_ALL, PAIRS_COUNT)
_SLICE_SECONDS = 20  # half of it is left when the harm begins: nobody need be cut
_HARM_SECONDS = (1.0, 4.0)
_BACK_SECONDS_MAX = 30.0


@pytest.mark.parametrize(("first", "second"), _PAIRS, ids=lambda name: name.replace(" ", "-"))
async def test_two_harms_at_once(site: Site, first: str, second: str) -> None:
    """Whatever talks is charged once and right, nothing is left, new calls flow by themselves."""
    dice = chance(f"{first} {second}")
    site.settings["CALLCTL_SLICE_SECONDS"] = str(_SLICE_SECONDS)
    async with scene(site, dice) as it:
        talks = [await site.talking(TALK_DID, f"0106350{n:04}", TALK) for n in range(TALKS)]
        rest = await others(site)
        frozen_seconds = 0.0
        async with HARMS[first](it):
            begun_at = clock.monotonic()
            await clock.sleep(dice.uniform(*_HARM_SECONDS))
            async with HARMS[second](it):
                meanwhile = await site.call(TALK_DID, "01063509999")
                await clock.sleep(dice.uniform(*_HARM_SECONDS))
        if "asterisk frozen" in {first, second}:  # then it can't end what is paid no more
            frozen_seconds = clock.monotonic() - begun_at
        back_seconds = await flows_again(site, _BACK_SECONDS_MAX)
        for call in (*talks, *rest, meanwhile):
            call.start_hanging_up()
        await asyncio.gather(*(call.ended(35) for call in (*talks, *rest, meanwhile)))
        await _answers(site)
        kept = 0
        for talk in talks:
            cdr = await site.cdr(talk, seconds=20)
            assert talk.answered_at is not None
            assert talk.ended_at is not None
            billed = sum(leg.billed_seconds for leg in cdr.legs)
            assert cdr.cost_micros == billed * SECOND_MICROS
            assert billed <= talk.ended_at - talk.answered_at + 1.5 + frozen_seconds
            kept += cdr.ended_by == "caller"
        site.tell(talks=TALKS, cut=TALKS - kept, back_seconds=back_seconds, starts=it.starts)
        assert kept == TALKS or "asterisk killed" in {first, second}
        await site.invariants(seconds=30)


async def _answers(site: Site) -> None:
    """Until the test's own connections to PostgreSQL are fresh again."""

    async def look() -> bool | None:
        try:
            await asyncio.gather(*(site.database.fetch("SELECT pg_sleep(0.1)") for _ in range(4)))
        except DatabaseError:
            return None
        return True

    await eventually(look, "PostgreSQL to answer the test", 15)
