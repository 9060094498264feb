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
from tests.faults.harms import HARMS, Scene, scene
from tests.faults.site import Site, grounds, open_site
from tests.faults.slow_pacer import SlowPacer
from tests.faults.soak_report import Samples
from tests.faults.stages import TALK

HELD_DID, HELD_LINE = "4005550010", "01062000407"
NEW_DID = "4005550001"
HARM_EVERY_SECONDS = 30.0
_HARM_SECONDS = (1.0, 5.0)
_TALK_SECONDS = (0.5, 6.0)
_PLACE_SECONDS = 0.05  # at most 20 held calls a second are placed
_SURE_SECONDS = 2.0  # a talk is noted by then: no harm but Asterisk's end may cut it
_BACK_SECONDS_MAX = 30.0
_HEARD = ("postgres", "account")  # harms in which hang-ups are heard
_SETTINGS = {"CALLCTL_SLICE_SECONDS": "30"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How long, how much, and the seed of the chances."""

    seconds: float
    calls: int
    rate: float
    seed: int


@dataclass
class Soak:
    """What runs, and what has come of it so far."""

    site: Site
    it: Scene
    wanted: Wanted
    dice: random.Random
    held: list[PlacedCall] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    harms: list[tuple[str, float, float]] = field(default_factory=list)  # name, seconds, back
    cut: list[str] = field(default_factory=list)
    harmed_at: float = 0.0
    answered_at: float = 0.0
    deaf_seconds: float = 0.0  # so long a hang-up was not heard: the other leg stays, as is paid
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
        """One harm after the other, each chosen by the dice."""
        next_at = clock.monotonic()
        while True:
            next_at = max(next_at + HARM_EVERY_SECONDS, clock.monotonic())
            await clock.sleep(next_at - clock.monotonic())
            name, seconds = self.dice.choice(list(HARMS)), self.dice.uniform(*_HARM_SECONDS)
            self.harmed_at = clock.monotonic()
            async with HARMS[name](self.it):
                await clock.sleep(seconds)
            over_at = clock.monotonic()
            await self._back(over_at)
            self.harms.append((name, seconds, self.answered_at - over_at))
            if not name.startswith(_HEARD):
                deaf_seconds = self.answered_at - self.harmed_at
                self.deaf_seconds = max(self.deaf_seconds, deaf_seconds)

    async def end(self) -> None:
        """All hang up; then whatever must hold is looked at."""
        for call in self.site.caller.calls:
            call.start_hanging_up()
        for call in list(self.site.caller.calls):
            await call.ended(40)
        await self.site.invariants(seconds=60, late_seconds=self.deaf_seconds)
        assert not self.cut, f"{len(self.cut)} talks were cut, the first:\n{self.cut[0]}"

    def forget(self) -> None:
        """Calls that have ended are of no use to the telephones."""
        calls, received = self.site.caller.calls, self.site.carrier.calls
        calls[:] = [call for call in calls if call.outcome is None]
        received[:] = [call for call in received if call.outcome is None]

    async def _call(self) -> None:
        call = await self._place(NEW_DID)
        try:
            await call.answered(_BACK_SECONDS_MAX)
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
        outcome = call.outcome
        if outcome is None or outcome.ended_by == "us" or call.answered_at is None:
            return
        if call.answered_at < self.harmed_at - _SURE_SECONDS:
            self.cut.append(f"{call.timeline}\n{self.harms[-1:]}")

    async def _back(self, since: float) -> None:
        async def look() -> bool | None:
            return True if self.answered_at > since else None

        await eventually(look, "new calls to flow again", _BACK_SECONDS_MAX)


async def _run(wanted: Wanted, folder: Path) -> None:
    dice = random.Random(wanted.seed)
    async with grounds() as made, open_site(made, folder) as site:
        site.caller._pacer = site.carrier._pacer = SlowPacer()
        site.settings |= _SETTINGS
        site.carrier.line(HELD_LINE, Answers())
        site.carrier.line(TALK, Answers(after_seconds=0.5))
        await site.top_up("faults", "10000000.00")
        async with scene(site, dice) as it:
            soak, samples = Soak(site, it, wanted, dice), Samples()
            began_at = clock.monotonic()
            works = [soak.hold(), soak.arrive(), soak.harm()]
            running = [asyncio.create_task(work) for work in works]
            try:
                passed = 0.0
                while passed < wanted.seconds:
                    await asyncio.wait(running, timeout=5, return_when=asyncio.FIRST_COMPLETED)
                    passed = clock.monotonic() - began_at
                    for task in running:
                        if task.done():
                            task.result()
                    await samples.take(passed, it, len(soak.held))
                    soak.forget()
                    last = soak.harms[-1] if soak.harms else ("nothing yet", 0.0, 0.0)
                    print(samples.line(soak.outcomes, last), flush=True)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
            await soak.end()
            print("\n".join(samples.table(soak.outcomes, soak.harms)))


def main() -> int:
    """Soak, report, and say by the exit code whether all held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--calls", type=int, default=200, help="two-leg calls held")
    parser.add_argument("--rate", type=float, default=2.0, help="new calls a second")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**6))
    given = parser.parse_args()
    wanted = Wanted(given.hours * 3600, given.calls, given.rate, given.seed)
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
