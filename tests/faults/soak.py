"""make soak HOURS=n: calls held and new ones arriving, a harm every 30 s, all checked at the end.

python -m tests.faults.soak --hours 8 --calls 200 --rate 2 --seed 1
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from callctl import clock
from callctl.errors import CallctlError
from tests.agents import Answers, PlacedCall
from tests.demo.world import eventually
from tests.faults.harms import ENDS_SWITCH, HARMS, Scene, scene
from tests.faults.site import Site, grounds, open_site
from tests.faults.slow_pacer import SlowPacer
from tests.faults.soak_report import Placed, Samples
from tests.faults.stages import ALONE, TALK

HELD_DID, HELD_LINE = "4005550010", "01062000407"
_SPARE_LINE = "01062000403"
# Whom new callers call: a line, and now and then one of two at once, a message, a greeting before
# it, a menu, a queue, a voicemail box.
_NEW_DIDS = ("4005550001",) * 8 + tuple(
    f"40055500{n}" for n in ("11", "03", "04", "05", "06", "09")
)
HARM_EVERY_SECONDS = 30.0
_CALM_SECONDS = 600.0  # of each second such while no harm ends the switch: a leak has time to grow
_HARM_SECONDS = (1.0, 5.0)
_TALK_SECONDS = (0.5, 6.0)
_PLACE_SECONDS = 0.05  # at most 20 held calls a second are placed
_SURE_SECONDS = 2.0  # a talk is noted by then: no harm but Asterisk's end may cut it
_ANSWER_SECONDS_MAX = 30.0
_BACK_SECONDS_MAX = 30.0
_IDLE_SECONDS_MAX = 30.0  # until the connections that calls needed are closed
_SETTINGS = {"CALLCTL_SLICE_SECONDS": "30"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How long, how much, the seed of the chances, and which harms."""

    seconds: float
    calls: int
    rate: float
    seed: int
    harms: tuple[str, ...]


@dataclass
class Soak:
    """What runs, and what has come of it so far."""

    site: Site
    it: Scene
    wanted: Wanted
    dice: random.Random
    samples: Samples = field(default_factory=Samples)
    placed: Placed = field(default_factory=Placed)
    held: list[PlacedCall] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    harms: list[tuple[str, float, float]] = field(default_factory=list)  # name, seconds, back
    cut: list[str] = field(default_factory=list)
    harm_name: str = "none yet"
    harmed_at: float = 0.0
    well_at: float | None = 0.0  # None: there is a harm, or its consequences
    answered_at: float = 0.0
    number: int = 0

    async def hold(self) -> None:
        """Keep so many calls up; a new one for each that has ended."""
        while True:
            for call in self.held:
                if call.outcome is not None:
                    self._note_end(call)
            self.held = [call for call in self.held if call.outcome is None]
            if len(self.held) < self.wanted.calls:
                self.held.append(await self._place(HELD_DID))
            await clock.sleep(_PLACE_SECONDS)

    async def arrive(self) -> None:
        """New calls, a few a second, that talk for some seconds."""
        async with asyncio.TaskGroup() as calling:
            while True:
                calling.create_task(self._call())
                await clock.sleep(self.dice.expovariate(self.wanted.rate))

    async def harm(self) -> None:
        """One harm after the other, each chosen by the dice, until the time is over."""
        began_at = next_at = clock.monotonic()
        while (next_at := max(next_at + HARM_EVERY_SECONDS, clock.monotonic())) < (
            began_at + self.wanted.seconds
        ):
            await clock.sleep(next_at - clock.monotonic())
            is_calm = (next_at - began_at) % (2 * _CALM_SECONDS) >= _CALM_SECONDS
            names = [one for one in self.wanted.harms if not (is_calm and one in ENDS_SWITCH)]
            name, seconds = self.dice.choice(names), self.dice.uniform(*_HARM_SECONDS)
            self.harm_name, self.harmed_at, self.well_at = name, clock.monotonic(), None
            async with HARMS[name](self.it):
                await clock.sleep(seconds)
            over_at = clock.monotonic()
            await self._back(over_at)
            self.well_at = self.answered_at
            self.harms.append((name, seconds, self.answered_at - over_at))
        await clock.sleep(began_at + self.wanted.seconds - clock.monotonic())

    async def end(self) -> None:
        """All hang up; then whatever must hold is looked at."""
        for call in self.site.caller.calls:
            call.start_hanging_up()
        for call in list(self.site.caller.calls):
            await call.ended(40)
        self.forget()
        await self.site.invariants(seconds=60)
        assert not self.cut, f"{len(self.cut)} talks were cut, the first:\n{self.cut[0]}"
        self.placed.compare(await self.site.database.fetch(self.placed.QUERY))
        await eventually(self._is_idle, "the switch's descriptors to be closed", _IDLE_SECONDS_MAX)
        self.samples.require_no_growth()

    def forget(self) -> None:
        """Calls that have ended are of no use to the telephones."""
        calls, received = self.site.caller.calls, self.site.carrier.calls
        for call in calls:
            if call.outcome is not None:
                self.placed.note(call)
        calls[:] = [call for call in calls if call.outcome is None]
        received[:] = [call for call in received if call.outcome is None]

    async def _is_idle(self) -> bool | None:
        await self.samples.take(self.samples.taken[-1].at_seconds, self.it, 0)
        return True if self.samples.is_idle() else None

    async def _call(self) -> None:
        call = await self._place(self.dice.choice(_NEW_DIDS))
        try:
            await call.answered(_ANSWER_SECONDS_MAX)
        except AssertionError:
            call.start_hanging_up()
            status = "no answer" if call.outcome is None else str(call.outcome.status)
            self.outcomes["lost" if call.answered_at else status] += 1
            return
        self.answered_at = clock.monotonic()
        self.outcomes["answered"] += 1
        await clock.sleep(self.dice.uniform(*_TALK_SECONDS))
        self._note_end(call)
        call.start_hanging_up()

    async def _place(self, did: str) -> PlacedCall:
        self.number = (self.number + 1) % 10_000
        return await self.site.call(did, f"0106360{self.number:04}")

    def _note_end(self, call: PlacedCall) -> None:
        """Who was cut although he talked before the harm, or since all is well again."""
        outcome, answered_at = call.outcome, call.answered_at
        if outcome is None or outcome.ended_by == "us" or answered_at is None:
            return
        is_sure = answered_at < self.harmed_at - _SURE_SECONDS
        if is_sure or (self.well_at is not None and answered_at > self.well_at):
            self.cut.append(f"{call.timeline}\nthe last harm: {self.harm_name}")
        else:
            self.outcomes["cut in the harm"] += 1

    async def _back(self, since: float) -> None:
        async def look() -> bool | None:
            return True if self.answered_at > since else None

        await eventually(look, f"new calls to flow again after {self.harm_name}", _BACK_SECONDS_MAX)


async def _run(wanted: Wanted, folder: Path) -> None:
    dice = random.Random(wanted.seed)
    async with grounds() as made, open_site(made, folder) as site:
        site.caller._pacer = site.carrier._pacer = SlowPacer()
        site.settings |= _SETTINGS
        site.carrier.line(HELD_LINE, Answers())
        for line in (TALK, _SPARE_LINE, ALONE):
            site.carrier.line(line, Answers(after_seconds=0.5))
        await site.top_up("faults", "10000000.00")
        async with scene(site, dice) as it:
            soak = Soak(site, it, wanted, dice)
            try:
                await _soak(soak)
                await soak.end()
            finally:
                print("\n".join(soak.samples.table(soak.outcomes, soak.harms, soak.placed)))


async def _soak(soak: Soak) -> None:
    """Until the harms are over; fails as soon as one of its works does."""
    began_at = clock.monotonic()
    harming = asyncio.create_task(soak.harm())
    running = [harming, asyncio.create_task(soak.hold()), asyncio.create_task(soak.arrive())]
    try:
        while not harming.done():
            await asyncio.wait(running, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            for task in running:
                if task.done():
                    task.result()
            await soak.samples.take(clock.monotonic() - began_at, soak.it, len(soak.held))
            soak.forget()
            print(soak.samples.line(soak.outcomes, soak.harms), flush=True)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def main() -> int:
    """Soak, report, and say by the exit code whether all held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--calls", type=int, default=200, help="two-leg calls held")
    parser.add_argument("--rate", type=float, default=2.0, help="new calls a second")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**6))
    parser.add_argument(
        "--harm", action="append", choices=list(HARMS), help="only these; may be repeated"
    )
    given = parser.parse_args()
    harms = tuple(given.harm or HARMS)
    wanted = Wanted(given.hours * 3600, given.calls, given.rate, given.seed, harms)
    folder = Path(tempfile.mkdtemp(prefix="callctl-soak-"))
    print(f"the same again: --seed {wanted.seed}")
    try:
        asyncio.run(_run(wanted, folder))
    except (AssertionError, CallctlError) as error:
        print(f"NOT HELD: {error}\nits logs: {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    print("all held: the audit, Asterisk's own record, balances, paid-through, nothing left")
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
