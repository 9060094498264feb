"""kill -9 of the switch at its named crash points, with calls in every stage.

The points are found out by a run in which the switch lives, and by a start that takes calls up.
"""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import pytest

from callctl.errors import StackFailed
from callctl.stack.processes import Child
from tests.faults.forms import SECONDS_MAX, chance, is_wanted, pick
from tests.faults.people import charged_throughout
from tests.faults.site import Grounds, Site, open_site
from tests.faults.stages import SLICE_SECONDS, TALK, Stages, caller_of
from tests.faults.together import one_at_a_time

CRASHES = pick(short=6, long=1000)  # all there are
PARTS = pick(short=2, long=44)  # a part is a test: they run side by side
_POINTS_LEAST = 40
_PASSES_MAX = 500  # of one point in a run: something turns for ever
_SETTINGS = {"CALLCTL_SLICE_SECONDS": str(SLICE_SECONDS)}


@dataclass(frozen=True, slots=True)
class Crash:
    """The nth passing of a point: in a switch that serves, or in one that takes calls up."""

    point: str
    nth: int
    is_in_recovery: bool

    @property
    def at(self) -> str:
        """As CALLCTL_CRASH_AT takes it."""
        return f"{self.point}:{self.nth}"

    def __str__(self) -> str:
        """For people."""
        return f"{self.at}{' while taking up' if self.is_in_recovery else ''}"


@pytest.fixture(scope="module")
async def crashes(
    grounds: Grounds, tmp_path_factory: pytest.TempPathFactory, shared: Path
) -> list[Crash]:
    """Those of this run, which are the same in all parts: the first part finds them out."""
    found = shared / "crashes.json"
    async with one_at_a_time(shared / "crashes.lock"):
        if not found.exists():
            every = await _discover(grounds, tmp_path_factory.mktemp("discovery"))
            found.write_text(json.dumps([astuple(crash) for crash in every]))
    return [Crash(*facts) for facts in json.loads(found.read_text())]


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("part", range(1, PARTS + 1), ids="{:02}".format)
async def test_the_switch_may_die_at_any_point(
    grounds: Grounds, crashes: list[Crash], tmp_path: Path, subtests: pytest.Subtests, part: int
) -> None:
    """Talks go on, queues keep their order, the books agree, wherever it is killed."""
    assert len({crash.point for crash in crashes}) >= _POINTS_LEAST
    wanted = [crash for crash in crashes if is_wanted(str(crash))]
    chosen = chance("crash points").sample(wanted, min(CRASHES, len(wanted)))[part - 1 :: PARTS]
    if not chosen:
        pytest.skip("no wanted point is in this part")
    for number, crash in enumerate(chosen):
        folder = tmp_path / f"crash-{number}"
        folder.mkdir()
        with subtests.test(msg=str(crash)):
            async with open_site(grounds, folder) as site:
                await _crash(site, crash)


async def _discover(grounds: Grounds, folder: Path) -> list[Crash]:
    """Each point once, at a passing that chance chooses."""
    dice = chance("crash passings")
    serving, taking_up = folder / "serving", folder / "taking-up"
    async with open_site(grounds, folder) as site:
        site.settings |= _SETTINGS
        switch, stages = site.switch(), Stages(site)
        await site.start(switch, CALLCTL_CRASH_POINTS_PATH=str(serving))
        before = _passings(serving)
        await stages.fill()
        await stages.move_on()
        passed = _passings(serving)
        await site.invariants()
    async with open_site(grounds, folder) as site:
        site.settings |= _SETTINGS
        switch, stages = site.switch("again"), Stages(site)
        await site.start(switch)
        await stages.fill()
        await switch.kill()
        await site.start(switch, CALLCTL_CRASH_POINTS_PATH=str(taking_up))
        start = _passings(taking_up)
        await stages.end()
    [(most, count)] = (passed - before).most_common(1)
    assert count < _PASSES_MAX, f"{most} is passed {count} times"
    found = []
    for passings, already, is_in_recovery in ((passed, before, False), (start, Counter(), True)):
        for name, count in sorted((passings - already).items()):
            # No two runs are alike: the last passings of this one may not be in the next.
            nth = already[name] + dice.randint(1, max(1, count * 2 // 3))
            found.append(Crash(name, nth, is_in_recovery))
    return found


def _passings(path: Path) -> Counter[str]:
    return Counter(path.read_text().splitlines())


async def _crash(site: Site, crash: Crash) -> None:
    """Let the switch die there, start it again, and look at every call."""
    switch, stages = site.switch(), Stages(site)
    if crash.is_in_recovery:
        site.settings["CALLCTL_SLICE_SECONDS"] = str(2 * SLICE_SECONDS)  # for two starts
        await site.start(switch)
        await stages.fill()
        talking, waiting, answered = stages.talking(), stages.waiting(), stages.answered()
        await switch.kill()
        places = await stages.places()
        with suppress(StackFailed):  # some come when it is ready already
            await site.start(switch, CALLCTL_CRASH_AT=crash.at)
        await _died(switch)
    else:
        site.settings |= _SETTINGS
        with suppress(StackFailed):  # before any call: it passed the point oftener this time
            await site.start(switch, CALLCTL_CRASH_AT=crash.at)
            await _live_until_it_dies(switch, stages)
        talking, waiting, answered = stages.talking(), stages.waiting(), stages.answered()
        places = await stages.places()
    await site.start(switch)
    await stages.all_hear(talking)
    kept = await stages.places()
    assert set(map(caller_of, waiting)) <= set(kept), "they keep their places"
    still = [place for place in kept if place in places]
    assert still == [place for place in places if place in kept], "they keep their order"
    new = await site.talking("4005550001", "01062003000", TALK)
    await new.hang_up()
    assert not stages.lost(answered), "nobody who was answered is cut"
    await stages.end()
    if "first" in waiting:
        assert stages.served() == [place for place in kept if place != caller_of("next")]
    for name in talking:
        await charged_throughout(site, stages.calls[name])
    await site.invariants()
    assert await switch.stop() == 0, switch.obituary()


async def _live_until_it_dies(switch: Child, stages: Stages) -> None:
    """Make the calls of every stage; stop where they are at the moment of the death."""

    async def live() -> None:
        await stages.fill()
        await stages.move_on()

    living = asyncio.create_task(live())
    died = asyncio.create_task(_died(switch, seconds=90))
    await asyncio.wait([living, died], return_when=asyncio.FIRST_COMPLETED)
    if living.done() and not died.done() and living.exception() is None:
        await died  # what it does without any calls may pass there, too
    living.cancel()
    await asyncio.gather(living, return_exceptions=True)
    await died


async def _died(switch: Child, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        await switch.wait()
