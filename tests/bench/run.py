"""One run of the bench: warm up, latency and CPU at one rate, then the highest rate of each side.

Made by tests.bench.__main__. The two sides take turns, so that a slow minute of the machine
falls on both.
"""

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from callctl import clock
from callctl.ari.client import AriClient, AriSettings
from callctl.db import pool
from callctl.db.pool import Database
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.errors import StackFailed
from callctl.stack.ports import Ports
from callctl.stack.run import PROJECT_DIR, Stack
from callctl.views import Views
from tests.bench.books import faults_of, wait_until_idle, whole_run_faults
from tests.bench.meter import CpuMeter, Reading
from tests.bench.search import RateSearch
from tests.bench.sipp import Side, carrier, place_calls
from tests.bench.trace import Step, percentile

PORT_BASE = 30000
PLAIN = Side("plain", "01062000001", "127.0.0.2", PORT_BASE + 30)
CALLCTL = Side("callctl", "4001234567", "127.0.0.1", PORT_BASE + 40)
SIDES = (PLAIN, CALLCTL)
_TENANT = Path(__file__).parent / "tenant.yaml"
_WARM_UP_RATE, _WARM_UP_SECONDS = 100, 3.0  # connections, plans and caches are there then
_STEPS_IN_TURN = 2  # of the search, before the other side has its turn
_FINE = 10  # calls/s between what is held and what is not

Show = Callable[[Side, Step, str], None]  # side, step, why the rate was not held


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how far; `seconds` is the length of one step of the search."""

    seconds: float = 6.0
    latency_rate: int = 50
    latency_seconds: float = 8.0
    latency_rounds: int = 2  # quiet ones, if that many come
    latency_rounds_most: int = 3
    search_seconds_max: float = 210.0  # begin no further step after this
    first: int = 100
    coarse: int = 50
    most: int = 600  # more than one machine of two processors was seen to hold


QUICK = Plan(seconds=3.0, latency_seconds=4.0, latency_rounds=1, search_seconds_max=90.0)


@dataclass(slots=True)
class Found:
    """What was measured of one side."""

    calls_per_second: int = 0
    is_sure: bool = False  # of calls_per_second
    steps: list[tuple[Step, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    rounds: list[tuple[Step, Reading]] = field(default_factory=list)
    """What setup times and CPU time are taken from: the quiet rounds, or all if none was."""

    @property
    def setups_ms(self) -> list[float]:
        """INVITE to 200 of every call of the rounds, sorted."""
        return sorted(ms for step, _ in self.rounds for ms in step.setups_ms)

    @property
    def setup_ms_p50(self) -> float:
        """Median from INVITE to 200."""
        return percentile(self.setups_ms, 50)

    @property
    def setup_ms_p99(self) -> float:
        """99 of 100 calls were answered within this."""
        return percentile(self.setups_ms, 99)

    @property
    def cpu_ms_per_call(self) -> dict[str, float]:
        """CPU milliseconds a call, by part."""
        calls = max(1, sum(step.wanted for step, _ in self.rounds))
        used: dict[str, float] = {}
        for _, reading in self.rounds:
            for part, seconds in reading.parts.items():
                used[part] = used.get(part, 0.0) + seconds * 1000 / calls
        return used


class Bench:
    """A running stack with a carrier and the bench's tenant; made by `opened`."""

    def __init__(
        self, stack: Stack, ari: AriClient, database: Database, sipp_id: int, show: Show
    ) -> None:
        self.found = {side.name: Found() for side in SIDES}
        self._stack = stack
        self._ari = ari
        self._database = database
        self._sipp_id = sipp_id
        self._meter: CpuMeter | None = None
        self._show = show
        self._folder = stack.var_dir / "sipp"
        self._call_ids: set[str] = set()

    @property
    def calls_charged(self) -> int:
        """Calls that went through callctl."""
        return len(self._call_ids)

    async def versions(self) -> dict[str, str]:
        """What answers the calls and what keeps the books."""
        info = await self._ari.asterisk.info()
        number = await Views(self._database).server_version()
        asterisk = info.system.version if info.system else "unknown"
        return {"asterisk": asterisk, "postgresql": f"{number // 10000}.{number % 10000}"}

    async def measure(self, plan: Plan) -> None:
        """Everything, both sides in turn."""
        await self._latency(plan)
        await self._search(plan)
        faults = await whole_run_faults(self._database, self._call_ids)
        self.found[CALLCTL.name].faults += faults

    async def _latency(self, plan: Plan) -> None:
        """Rounds of both sides, until enough were quiet or enough is enough."""
        rounds: list[list[tuple[Step, Reading]]] = []
        quiet: list[list[tuple[Step, Reading]]] = []
        while len(quiet) < plan.latency_rounds and len(rounds) < plan.latency_rounds_most:
            pair = [
                await self._step(side, "latency", plan.latency_rate, plan.latency_seconds)
                for side in SIDES
            ]
            rounds.append(pair)
            if all(step.is_quiet for step, _ in pair):
                quiet.append(pair)
        for pair in quiet or rounds:
            for side, (step, used) in zip(SIDES, pair, strict=True):
                self.found[side.name].rounds.append((step, used))
                if step.failed and step.is_quiet:
                    fault = f"{step.failed} calls failed at {step.rate} calls/s"
                    self.found[side.name].faults.append(fault)

    async def _search(self, plan: Plan) -> None:
        searches = [(side, RateSearch(plan.first, plan.coarse, _FINE, plan.most)) for side in SIDES]
        until = clock.monotonic() + plan.search_seconds_max
        while any(search.next_rate() is not None for _, search in searches):
            for side, search in searches:
                for _ in range(_STEPS_IN_TURN):
                    rate = search.next_rate()
                    if rate is None or clock.monotonic() > until:
                        break
                    step, _ = await self._step(side, "search", rate, plan.seconds)
                    is_held = not step.why_not_held()
                    search.note(rate, is_held=is_held, is_quiet=step.is_quiet)
                    self.found[side.name].calls_per_second = search.held
                self.found[side.name].is_sure = search.is_sure
            if clock.monotonic() > until:
                break

    async def _prepare(self, side: Side) -> CpuMeter:
        """Switch callctl on or off for `side`; returns the meter of what runs then.

        Dial() is measured without callctl, which listens to every call in this Asterisk.
        """
        wants_switch = side is CALLCTL
        if self._meter is not None and self._stack.switch.is_running == wants_switch:
            return self._meter
        if wants_switch and not self._stack.switch.is_running:
            await self._stack.start_switch()
        elif not wants_switch:
            await self._stack.stop_switch()
        ids = await self._stack.process_ids()
        names = {"switch": "callctl"}
        parts = {names.get(part, part): process_id for part, process_id in ids.items()}
        self._meter = CpuMeter(parts | {"sipp": self._sipp_id})
        step, _ = await self._step(side, "warm-up", _WARM_UP_RATE, _WARM_UP_SECONDS)
        if step.failed == step.wanted:
            logs = self._stack.logs
            raise StackFailed(
                f"no {side.name} call got through: {logs['switch']}, {logs['asterisk']}"
            )
        return self._meter

    async def _step(
        self, side: Side, purpose: str, rate: int, seconds: float
    ) -> tuple[Step, Reading]:
        """Place calls, wait until all is over, compare the books; returns the CPU time used."""
        meter = await self._prepare(side)
        found = self.found[side.name]
        before, begun = meter.read(), clock.monotonic()
        step = await place_calls(side, self._stack.ports.sip, rate, seconds, self._folder)
        left = await wait_until_idle(self._ari, self._database)
        used = meter.read().since(before)
        used.parts["sipp"] += step.sipp_cpu_seconds
        spare = (clock.monotonic() - begun) * meter.processors
        step.others_share = max(0.0, used.machine - sum(used.parts.values())) / spare
        step.stolen_share = used.stolen / spare
        step.purpose, why = purpose, step.why_not_held()
        found.steps.append((step, why))
        self._show(side, step, why)
        found.faults += [f"after {rate} calls/s: {fault}" for fault in left]
        if side is CALLCTL:
            self._call_ids |= step.calls.keys()
            faults = await faults_of(self._database, step)
            found.faults += [f"after {rate} calls/s: {fault}" for fault in faults]
        return step, used


@contextlib.asynccontextmanager
async def opened(show: Show, report: Callable[[str], None]) -> AsyncIterator[Bench]:
    """A fresh stack of its own (durable PostgreSQL), the tenant applied, the carrier answering."""
    var_dir = PROJECT_DIR / "var" / "bench"
    shutil.rmtree(var_dir, ignore_errors=True)
    async with contextlib.AsyncExitStack() as held:
        stack = await held.enter_async_context(
            Stack(
                "bench",
                Ports.at(PORT_BASE),
                var_dir,
                settings={"CALLCTL_LOG_LEVEL": "info"},
                durable=True,
                bench=True,
                report=report,
            )
        )
        database = await pool.connect(stack.database_url, size=2, timeout_seconds=10.0)
        held.push_async_callback(database.close)
        await apply(database, read_document(_TENANT.read_bytes()))
        asterisk = stack.asterisk
        ari = await held.enter_async_context(
            AriClient(AriSettings(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password))
        )
        folder = var_dir / "sipp"
        folder.mkdir()
        sipp_id = await held.enter_async_context(carrier(stack.ports.carrier, folder))
        yield Bench(stack, ari, database, sipp_id, show)
