"""PostgreSQL's disk really full: that of its tables, and that of its write-ahead log.

Tables that can't grow fail some statements and not others, and the server lives on. A log that
can't grow ends it, and ends it again at each start until there is room.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from callctl import clock
from callctl.stack.processes import Child
from tests.agents import PlacedCall
from tests.demo.world import eventually
from tests.faults import outages
from tests.faults.callers import (
    BACK_SECONDS_MAX,
    KNOWN_SECONDS_MAX,
    MANY,
    MANY_LINE,
    SETTLED_SECONDS_MAX,
    SORRY_HZ,
    TOLD_SECONDS_MAX,
    charged_exactly,
    refused,
    talk_again,
    talk_on,
    told,
)
from tests.faults.forms import SECONDS_MAX, pick
from tests.faults.site import Grounds, Site, open_site
from tests.faults.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.timeout(SECONDS_MAX)

OUTAGE_SECONDS = pick(8, 60)
SLICE_SECONDS = pick(60, 180)
_MEGABYTES = 128
_CALLS_MAX = 200  # the last free pages take so many, at most


@pytest.fixture(params=["base", "pg_wal"])
async def disk(request: pytest.FixtureRequest) -> AsyncIterator[SmallDisk]:
    """A server with its tables, or its write-ahead log, on a small disk."""
    async with small_disk(request.param, megabytes=_MEGABYTES) as made:
        yield made


@pytest.fixture
async def site(grounds: Grounds, disk: SmallDisk, tmp_path: Path) -> AsyncIterator[Site]:
    """A site on that server."""
    small = Grounds(grounds.asterisk, disk.postgres, grounds.folder)
    async with open_site(small, tmp_path) as made:
        yield made


@pytest.fixture
async def switch(site: Site) -> Child:
    """A switch whose calls hold money for as long as the disk is full."""
    site.settings["CALLCTL_SLICE_SECONDS"] = str(SLICE_SECONDS)
    child = site.switch()
    await site.start(child)
    return child


def _full(site: Site, disk: SmallDisk) -> AbstractAsyncContextManager[None]:
    if disk.name == "base":
        return outages.no_room(disk)
    return outages.no_room_for_the_log(site, disk)


async def _first_refused(site: Site) -> tuple[float, list[PlacedCall]]:
    """Call until somebody is told; after how many seconds he was, and who was served before."""
    served: list[PlacedCall] = []
    for n in range(_CALLS_MAX):
        call = await site.call(MANY, f"010620012{n:03}")

        async def settled(call: PlacedCall = call) -> bool | None:
            return True if call.answered_at or call.outcome or call.heard(SORRY_HZ) else None

        await eventually(settled, "an answer, an announcement or an end", 20)
        if not call.answered_at:
            return await told(call), served
        served.append(call)
        await call.hang_up()
    pytest.fail(f"{_CALLS_MAX} calls found room")


@pytest.mark.usefixtures("switch")
async def test_calls_ride_through_a_full_disk(site: Site, disk: SmallDisk) -> None:
    """Who talks goes on, who is new is told at once; with room again all is settled."""
    talking = [await site.talking(MANY, f"0106200100{n}", MANY_LINE) for n in range(pick(3, 9))]
    leaving = talking.pop()
    async with _full(site, disk):
        began = clock.monotonic()
        first, served = await _first_refused(site)
        assert first < TOLD_SECONDS_MAX
        await leaving.hang_up()
        then = max(await asyncio.gather(*(refused(site) for _ in range(5))))
        assert then < KNOWN_SECONDS_MAX
        left = OUTAGE_SECONDS - (clock.monotonic() - began)
        await talk_on(talking, max(1.0, left))
        last = await refused(site)
        away_seconds = clock.monotonic() - began
    new, back_seconds = await talk_again(site, MANY, MANY_LINE)
    assert back_seconds < BACK_SECONDS_MAX
    since = clock.monotonic()
    await asyncio.gather(*(call.hears(440, since=since) for call in (*talking, new)))
    await asyncio.gather(*(call.hang_up() for call in (*talking, new)))
    for call in (*talking, leaving, *served, new):
        await charged_exactly(site, call)
    await site.invariants(seconds=SETTLED_SECONDS_MAX)
    site.tell(
        served=len(served),
        away_seconds=away_seconds,
        first_told_seconds=first,
        then_told_seconds=max(then, last),
        back_after_seconds=back_seconds,
    )
