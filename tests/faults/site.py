"""An installation that a test may break: Asterisk, PostgreSQL and switches of its own.

`Grounds` are what costs seconds to start: Asterisk and the database server, shared by the tests of
a module and mended before each. A `Site` is one test's: a database, tenants, telephones, switches.

    async def test_x(site: Site) -> None:
        switch = site.switch()
        await site.start(switch)
        call = await site.call("4005550001", "01062001234")
        ...
        await switch.kill()
        await site.invariants()
"""

import asyncio
import os
import shutil
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil

from callctl import clock
from callctl.ari.client import AriClient, AriSettings
from callctl.cdr.asterisk_events import read_events
from callctl.cli.auditing import Wanted, run_audit
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.migrate import migrate
from callctl.db.pool import Database, connect
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.errors import StackFailed
from callctl.stack.asterisk import Asterisk
from callctl.stack.processes import Child
from tests.agents import Answers, Caller, Carrier, PlacedCall
from tests.agents.prompts import write_tones
from tests.demo.world import World, eventually
from tests.plugins.asterisk import ROOT, place
from tests.plugins.database import free_port, scratch_folder
from tests.plugins.world import EXAMPLE

LATE_SECONDS_MAX = 1.0
_RTP_FIRST, _RTP_LAST = 40_000, 43_999  # for five hundred calls, two ports a leg, with room
_MICROS = 1_000_000
_TENANTS = (EXAMPLE, Path(__file__).with_name("faults.yaml"))

Number = float | int | str


class Grounds:
    """An Asterisk and a PostgreSQL that may be killed, frozen and started again."""

    def __init__(self, asterisk: Asterisk, postgres: EmbeddedPostgres, folder: Path) -> None:
        self.asterisk = asterisk
        self.postgres = postgres
        self.folder = folder
        self.frozen: list[tuple[float, float]] = []  # when Asterisk stood still: seconds of Unix
        self._frozen_at: float | None = None

    async def mend(self) -> None:
        """Have both run, whatever a test before has done to them."""
        await self.thaw_asterisk()
        thaw(self.postgres_ids())
        if not await self.is_asterisk_up():
            await self.asterisk.kill()
            await self.asterisk.start()
        if not self.postgres_ids():
            await self.restart_postgres()

    async def is_asterisk_up(self) -> bool:
        """Whether Asterisk's process runs."""
        try:
            return psutil.pid_exists(await self.asterisk.pid())
        except StackFailed:
            return False

    async def freeze_asterisk(self) -> None:
        """Stop Asterisk's process where it is."""
        freeze([await self.asterisk.pid()])
        self._frozen_at = clock.now().timestamp()

    async def thaw_asterisk(self) -> None:
        """Let it run on; nothing when it does not run at all."""
        try:
            thaw([await self.asterisk.pid()])
        except StackFailed:
            return
        finally:
            if self._frozen_at is not None:
                self.frozen.append((self._frozen_at, clock.now().timestamp()))
                self._frozen_at = None

    def postgres_ids(self) -> list[int]:
        """The process ids of the server and of what it has started; none when it does not run."""
        try:
            server = psutil.Process(self.postgres.process_id)
            if server.status() == psutil.STATUS_ZOMBIE:
                return []
            return [server.pid, *(child.pid for child in server.children(recursive=True))]
        except (StackFailed, psutil.NoSuchProcess):
            return []

    def kill_postgres(self) -> None:
        """End the server at once, as kill -9 of all its processes does."""
        _signal(self.postgres_ids(), signal.SIGKILL)

    async def restart_postgres(self) -> None:
        """Stop the server, unless it is dead already, and start it again on the same data."""
        await self.postgres.stop()
        await self.postgres.start()


@asynccontextmanager
async def grounds(*, is_for_hundreds: bool = False) -> AsyncIterator[Grounds]:
    """Asterisk and PostgreSQL on ports that nobody else uses, ended with the block.

    The database `callctl` is migrated and left alone: each site's database is a clone of it.
    `is_for_hundreds` of calls: with audio ports for them, which only a test `alone` may fill.
    """
    scratch = scratch_folder()
    try:
        with place() as (folder, usual):
            ports = usual
            if is_for_hundreds:
                ports = replace(usual, rtp_first=_RTP_FIRST, rtp_last=_RTP_LAST)
            tones = folder / "tones"
            write_tones(tones)
            asterisk = Asterisk(
                *(folder, ports), root=ROOT, name=folder.name, bench=True, prompts=tones
            )
            postgres = EmbeddedPostgres(scratch, free_port())  # durable: it will be killed
            made = Grounds(asterisk, postgres, folder)
            async with AsyncExitStack() as opened:
                opened.push_async_callback(asterisk.kill)
                opened.push_async_callback(postgres.stop)
                opened.callback(lambda: thaw(made.postgres_ids()))
                await asyncio.gather(asterisk.start(), postgres.start())
                await migrate(postgres.dsn)
                yield made
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class Site(World):
    """One test's installation; made by the fixture `site`, no switch started yet.

    `settings` go to every switch that is started; `ari_url` is where switches find Asterisk: a
    test may put a proxy's there. `ari` and `database` are the test's own ways past all of that.
    `tell(calls=500)` puts numbers into the report's line.
    """

    def __init__(
        self,
        grounds: Grounds,
        agents: tuple[Carrier, Caller],
        ari: AriClient,
        database: Database,
        database_url: str,
        folder: Path,
    ) -> None:
        super().__init__(grounds.asterisk.ports.sip, *agents, database, ari)
        self.grounds = grounds
        self.asterisk = grounds.asterisk
        self.ari_url = grounds.asterisk.ari_url
        self.database_url = database_url
        self.folder = folder
        self.settings: dict[str, str] = {}
        self.numbers: dict[str, Number] = {}
        self.since = clock.now()
        self._switches: list[Child] = []

    def tell(self, **numbers: Number) -> None:
        """Put these into the report's line of this test."""
        self.numbers |= numbers

    @property
    def environment(self) -> dict[str, str]:
        """The settings of every switch, also for the commands."""
        return {
            "CALLCTL_DATABASE_URL": self.database_url,
            "CALLCTL_VAR_DIR": str(self.folder),
            "CALLCTL_SOUNDS_DIR": str(self.asterisk.sounds_path),
            "CALLCTL_RECORDINGS_DIR": str(self.asterisk.recordings_path),
            "CALLCTL_LEGS_PATH": str(self.asterisk.legs_path),
            "CALLCTL_ASTERISK": self.asterisk.container,  # the same through a proxy
            "CALLCTL_ARI_URL": self.ari_url,
            "CALLCTL_ARI_USER": self.asterisk.ari_user,
            "CALLCTL_ARI_PASSWORD": self.asterisk.ari_password,
            "CALLCTL_METRICS_PORT": str(self.asterisk.ports.metrics),
            **self.settings,
        }

    def switch(self, name: str = "switch") -> Child:
        """A switch that is not started; its log is in `folder`, named after it."""
        command = (sys.executable, "-m", "callctl", "switch")
        child = Child(name, command, self.folder / f"{name}.log")
        self._switches.append(child)
        return child

    async def start(self, switch: Child, **settings: str) -> None:
        """Start a switch, also after its end; return when it is ready, or stands by.

        `settings` are for this start alone: site.start(switch, CALLCTL_CRASH_AT="...").
        """
        await switch.start(self.environment | settings)

    async def logged(self, switch: Child, words: str, *, seconds: float = 10.0) -> None:
        """Wait until the switch's log, of all its starts, has these words."""

        async def look() -> bool | None:
            is_there = switch.log_path.exists() and words in switch.log_path.read_text()
            return True if is_there else None

        await eventually(look, f"{words!r} in {switch.log_path.name}", seconds)

    async def talking(self, did: str, caller: str, line: str, *, hz: int = 440) -> PlacedCall:
        """A call whose caller hears the line already, the answer noted."""
        self.carrier.line(line, Answers(voice_hz=hz))
        call = await self.call(did, caller)
        await call.hears(hz, seconds=10)
        return call

    async def both_hear(self, call: PlacedCall, line: str, *, hz: int = 440) -> None:
        """From now on caller and line hear each other."""
        since = clock.monotonic()
        [other] = [
            one for one in self.carrier.calls_to(line) if one.outcome is None and one.answered_at
        ]
        await asyncio.gather(
            call.hears(hz, since=since), other.hears(self.caller.voice_hz, since=since)
        )

    async def stages(self) -> list[str]:
        """How far each live call has got, by its row."""
        rows = await self.database.fetch("SELECT stage FROM live_calls ORDER BY setup_at")
        return [row["stage"] for row in rows]

    async def invariants(
        self, *, seconds: float = 10.0, unproven: Iterable[str] = (), late_seconds: float = 0.0
    ) -> None:
        """What must hold once all calls have ended: fails with what does not.

        `unproven` are proofs of the audit that this test's story breaks on purpose.
        `late_seconds` is how much later than LATE_SECONDS_MAX legs may have ended.
        """
        await self.nothing_left(seconds)
        await self._nobody_waits()
        wanted = Wanted(asterisk=[self.asterisk.legs_path], since=self.since, grace_seconds=0.0)
        _, found = await run_audit(self.database_url, wanted, lambda *_: None)
        broken = [one.proof for one in found if one.proof.count]
        broken = [proof for proof in broken if proof.name not in set(unproven)]
        assert not broken, broken
        await self._balances_are_right()
        late = await self.latest_seconds()
        assert late <= LATE_SECONDS_MAX + late_seconds, f"a leg was up {late:.2f} s beyond its time"

    async def _nobody_waits(self) -> None:
        for table in ("queue_places", "line_seats", "live_calls"):
            rows = await self.database.fetch(f"SELECT * FROM {table}")  # noqa: S608 - our names
            assert not rows, f"left in {table}: {[dict(row) for row in rows]}"
        open_ones = await self.database.fetch("SELECT * FROM reservations WHERE state = 'open'")
        assert not open_ones, f"open reservations: {[dict(row) for row in open_ones]}"

    async def _balances_are_right(self) -> None:
        """Each tenant has what was paid in less what its CDRs cost, and never less than allowed."""
        rows = await self.database.fetch(_BALANCES)
        wrong = [dict(row) for row in rows if row["balance_micros"] != row["expected_micros"]]
        assert not wrong, f"balances that are not opening minus costs: {wrong}"
        below = [dict(row) for row in rows if row["balance_micros"] + row["credit_micros"] < 0]
        assert not below, f"below their limits: {below}"

    async def latest_seconds(self) -> float:
        """How far beyond its paid-through the latest leg was up, by Asterisk's own record.

        While Asterisk stood still it could not end it: that time does not count.
        """
        ends = {
            (event.channel_id, event.call_id): event.at_micros
            for event in read_events(self.asterisk.legs_path)
            if not event.is_answer and event.at_micros > self.since.timestamp() * _MICROS
        }
        rows = await self.database.fetch(_PAID_THROUGH)
        late = [
            self._late_seconds(row["paid_through"].timestamp(), ends[leg] / _MICROS)
            for row in rows
            if (leg := (row["channel_id"], row["call_id"])) in ends
        ]
        return max(late, default=0.0)

    def _late_seconds(self, paid_through: float, ended_at: float) -> float:
        frozen = sum(
            max(0.0, min(until, ended_at) - max(since, paid_through))
            for since, until in self.grounds.frozen
        )
        return ended_at - paid_through - frozen

    async def close(self) -> None:
        """End the switches, whatever state they are in, and what they left in Asterisk."""
        for switch in self._switches:
            if switch.is_running:
                thaw([switch.pid])
                await switch.stop(signal.SIGINT)
        await self.grounds.mend()
        for channel in await self.ari.channels.list():
            await self.ari.channels.hangup(channel.id)
        for bridge in await self.ari.bridges.list():
            await self.ari.bridges.destroy(bridge.id)


_BALANCES = """
SELECT
    a.name, a.balance_micros, a.credit_limit_micros AS credit_micros,
    coalesce((SELECT sum(
        CASE WHEN x.to_account_id = a.id THEN x.amount_micros ELSE -x.amount_micros END
    ) FROM transfers AS x WHERE a.id IN (x.to_account_id, x.from_account_id)
        AND x.kind IN ('opening', 'topup', 'refund', 'fee')
        AND NOT (x.kind = 'refund' AND x.to_account_id = a.id)), 0)  -- of a leg's cost
    - coalesce((SELECT sum(c.cost_micros) FROM cdrs AS c
        WHERE 'tenant:' || c.tenant = a.name), 0) AS expected_micros
FROM accounts AS a WHERE a.kind = 'prepaid'
"""

# As far as what was held and posted pays a leg; one that nobody pays for, as far as its call's.
_PAID_THROUGH = """
WITH paid AS (
    SELECT l.leg_id, l.call_id, l.charged_from + make_interval(secs => 60.0 * (
        SELECT sum(x.amount_micros + x.hold_change_micros) FROM transfers AS x
        WHERE x.reservation_id = l.reservation_id AND x.kind IN ('reserve', 'renew')
    ) / r.price_per_minute_micros) AS paid_through
    FROM cdr_legs AS l INNER JOIN rates AS r ON r.id = l.rate_id
    WHERE l.charged_from IS NOT NULL AND r.price_per_minute_micros > 0
)
SELECT l.channel_id, l.call_id, coalesce(
    (SELECT p.paid_through FROM paid AS p WHERE p.leg_id = l.leg_id),
    (SELECT max(p.paid_through) FROM paid AS p WHERE p.call_id = l.call_id)
) AS paid_through
FROM cdr_legs AS l
WHERE l.answered_at IS NOT NULL AND l.call_id IN (SELECT p.call_id FROM paid AS p)
"""


@asynccontextmanager
async def open_site(
    grounds: Grounds, folder: Path, *, carrier_port: int | None = None
) -> AsyncIterator[Site]:
    """A site with the example's tenants and those of faults.yaml, on a fresh database.

    With another `carrier_port` than the trunk's (0: any) the carrier's side is left to others.
    """
    await grounds.mend()
    database_url = await _fresh_database(grounds.postgres)
    asterisk = grounds.asterisk
    settings = AriSettings(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password)
    async with (
        AriClient(settings) as ari,
        Carrier(asterisk.ports.carrier if carrier_port is None else carrier_port) as carrier,
        Caller(voice_hz=700) as caller,
    ):
        database = await connect(database_url, size=4, timeout_seconds=10)
        for path in _TENANTS:
            await apply(database, read_document(path.read_bytes()))
        site = Site(grounds, (carrier, caller), ari, database, database_url, folder)
        try:
            yield site
        finally:
            await site.close()
            await database.close()


async def _fresh_database(postgres: EmbeddedPostgres) -> str:
    name = f"test_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(postgres.dsn_of("postgres"), timeout=10, command_timeout=30)
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE callctl STRATEGY FILE_COPY")
    finally:
        await admin.close()
    return postgres.dsn_of(name)


def freeze(process_ids: Iterable[int]) -> None:
    """Stop these processes where they are."""
    _signal(process_ids, signal.SIGSTOP)


def thaw(process_ids: Iterable[int]) -> None:
    """Let them run on."""
    _signal(process_ids, signal.SIGCONT)


def _signal(process_ids: Iterable[int], signum: signal.Signals) -> None:
    for process_id in process_ids:
        with suppress(ProcessLookupError):
            os.kill(process_id, signum)
