"""Asterisk and the switch both dead at once: nobody is left who saw how the calls ended.

What is proven then is what had been posted, and what Asterisk's own record says.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from callctl import clock
from callctl.stack.processes import Child
from callctl.values.phone_number import PhoneNumber
from tests.agents.prompts import PROMPT_HZ
from tests.faults.forms import IS_LONG, SECONDS_MAX, pick
from tests.faults.harms import parties_lost
from tests.faults.other_asterisk import repeating
from tests.faults.people import OTHERS, TALK_DID, flows_again, others
from tests.faults.site import Site
from tests.faults.stages import SECOND_MICROS, TALK

TALKS = pick(short=2, long=20)
MENU_DID, MENU = "4005550005", "01063289999"
SLICES = {"CALLCTL_SLICE_SECONDS": "4", "CALLCTL_RENEW_LEAD_SECONDS": "1"}
_MENU_HZ = PROMPT_HZ["", "unavailable"]
_APART_SECONDS = 0.5
_AWAY_SECONDS = 3.0
_BEGUN_SECONDS = 1.5
_POSTED_SECONDS = 5.0  # the first slice was renewed
_CASES = [  # who dies first, who is back first, whether Asterisk ends its calls itself
    ("asterisk", "switch", "killed"),
    ("switch", "asterisk", "killed"),
    ("switch", "switch", "stopped"),
    *([("asterisk", "asterisk", "killed"), ("switch", "asterisk", "stopped")] if IS_LONG else []),
]


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize(("first", "back", "how"), _CASES)
async def test_what_is_proven_is_charged_when_both_have_died(
    site: Site, tmp_path: Path, first: str, back: str, how: str
) -> None:
    """Each call has one CDR and pays what is proven; new calls flow, on ids that repeat."""
    async with AsyncExitStack() as opened:
        if back == "asterisk":  # then callers have the old ids while nobody has settled yet
            await opened.enter_async_context(repeating(site.grounds, tmp_path))
        switch = site.switch()
        await site.start(switch, **SLICES)
        talking = [f"0106328{n:04}" for n in range(TALKS)]
        talks = [await site.talking(TALK_DID, number, TALK) for number in talking]
        menu = await site.call(MENU_DID, MENU)
        await menu.hears(_MENU_HZ, seconds=10)
        rest = await others(site)
        calls = dict(zip((*talking, MENU, *OTHERS), (*talks, menu, *rest), strict=True))
        assert talks[-1].answered_at is not None
        await talks[-1].hears(440, seconds=10, since=talks[-1].answered_at + _POSTED_SECONDS)
        ended_at = await _both_die(site, switch, first, how)
        parties_lost(site.caller, site.carrier)
        posted = await _posted(site)
        assert all(posted[number] for number in talking)
        await clock.sleep(_AWAY_SECONDS)
        await _both_return(site, switch, back)
        site.tell(calls=len(posted), back_seconds=await flows_again(site))
        costs = await _costs(site)
        for number, call in calls.items():
            [cost] = costs[number]
            lasted = ended_at - call.answered_at if call.answered_at is not None else 0.0
            if how == "killed":
                assert cost == posted.get(number, cost)  # else the switch had ended it yet
                assert cost <= SECOND_MICROS * (lasted + _BEGUN_SECONDS)
            else:
                assert abs(cost / SECOND_MICROS - lasted) <= _BEGUN_SECONDS
        await site.invariants()


async def _both_die(site: Site, switch: Child, first: str, how: str) -> float:
    """When Asterisk's end began, on clock.monotonic()."""
    if first == "switch":
        await switch.kill()
        await clock.sleep(_APART_SECONDS)
    ended_at = clock.monotonic()
    await (site.asterisk.kill() if how == "killed" else site.asterisk.stop())
    if first == "asterisk":
        await switch.kill()
    return ended_at


async def _both_return(site: Site, switch: Child, back: str) -> None:
    if back == "asterisk":
        await site.asterisk.start()
        meanwhile = await site.call(TALK_DID, "01063289998")
        await meanwhile.hears(PROMPT_HZ["", "unavailable"], seconds=5)
        await meanwhile.hang_up()
        await site.start(switch)
        return
    starting = asyncio.create_task(site.start(switch))
    await site.logged(switch, "ari_not_connected")
    await site.asterisk.start()
    await starting


async def _posted(site: Site) -> dict[str, int]:
    """What had been debited for each caller's call when the switch died."""
    rows = await site.database.fetch(
        "SELECT l.caller, coalesce(sum(r.posted_micros), 0)::bigint AS micros FROM live_calls AS l"
        " LEFT JOIN reservations AS r ON r.id = ANY (l.reservations) GROUP BY l.caller"
    )
    return {_dialled(row["caller"]): row["micros"] for row in rows}


async def _costs(site: Site) -> dict[str, list[int]]:
    """What each caller's CDRs say that they cost."""
    rows = await site.database.fetch("SELECT caller, cost_micros FROM cdrs")
    costs: dict[str, list[int]] = {}
    for row in rows:
        costs.setdefault(_dialled(row["caller"]), []).append(row["cost_micros"])
    return costs


def _dialled(number: str) -> str:
    return PhoneNumber.parse(number).dial_digits
