"""The lease of an Asterisk: one owner, followed in time, whatever any wall clock says."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import asyncpg
import pytest

from callctl import clock
from callctl.db.lease import LEASE_SECONDS, Lease, Owner, holder_of
from callctl.db.pool import Database, connect
from callctl.db.queries import queries
from callctl.errors import DatabaseUnavailable

ASTERISK = "pbx-1"
ELSEWHERE = "other-host boot namespace 17 4711"
_OWN_SECONDS = LEASE_SECONDS + 0.5  # from the last beat until another has the lease
_STEP = """
CREATE OR REPLACE FUNCTION public.{name}() RETURNS timestamptz LANGUAGE sql AS $$
    SELECT pg_catalog.{name}() + make_interval(secs => {seconds})
$$
"""


class _Enough(Exception):
    """The one who stands by has waited for as long as the test wants."""


@dataclass
class Standby:
    """One who stands by, in a time that passes only while he waits; `each` is done at each look."""

    database: Database
    now: float = 1000.0
    waited: float = 0.0
    told: list[float] = field(default_factory=list)
    each: Callable[[], Awaitable[None]] | None = None
    seconds_max: float = 60.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waited += seconds
        if self.waited > self.seconds_max:
            raise _Enough
        if self.each is not None:
            await self.each()

    async def acquire(self) -> Owner:
        lease = Lease(self.database, ASTERISK)
        return await lease.acquire(on_wait=lambda: self.told.append(self.waited))


@pytest.fixture
def standby(database: Database, monkeypatch: pytest.MonkeyPatch) -> Standby:
    """His clock is the test's."""
    made = Standby(database)
    monkeypatch.setattr(clock, "monotonic", lambda: made.now)
    monkeypatch.setattr(clock, "sleep", made.sleep)
    return made


async def _owner_elsewhere(database: Database) -> Owner:
    """An owner on another machine, of whom nothing is known but his beats."""
    lease = Lease(database, ASTERISK)
    lease._holder = ELSEWHERE
    return await lease.acquire(on_wait=lambda: pytest.fail("it was free"))


async def _beat(database: Database, owner: Owner) -> None:
    assert await queries.renew_lease(database, asterisk=ASTERISK, epoch=owner.epoch)


@pytest.fixture
async def stepped(
    database_url: str, standby: Standby
) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """Steps PostgreSQL's clock, by so many seconds, for all that asks it."""
    admin = await asyncpg.connect(database_url, timeout=10)
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")

    async def step(seconds: float) -> None:
        for clock_name in ("clock_timestamp", "now"):
            await admin.execute(_STEP.format(name=clock_name, seconds=seconds))

    await step(0)
    standby.database = await connect(database_url, size=2, timeout_seconds=5)
    yield step
    await standby.database.close()
    await admin.close()


_STEPS = pytest.mark.parametrize("seconds", [-3600.0, 3600.0, 0.0])


@_STEPS
async def test_a_living_owner_keeps_it(
    standby: Standby, stepped: Callable[[float], Awaitable[None]], seconds: float
) -> None:
    """Beating every other second is enough, also when PostgreSQL's clock is stepped meanwhile."""
    owner = await _owner_elsewhere(standby.database)

    async def beat() -> None:
        if standby.waited == 10:
            await stepped(seconds)
        if standby.waited % 2 == 0:
            await _beat(standby.database, owner)

    standby.each = beat
    with pytest.raises(_Enough):
        await standby.acquire()
    assert standby.told == [0.0], "told once that it is not his"


@_STEPS
async def test_an_owner_that_died_elsewhere_is_followed_in_time(
    standby: Standby, stepped: Callable[[float], Awaitable[None]], seconds: float
) -> None:
    """Not before it was silent for the whole lease, and soon after; stepped at its death."""
    owner, last = await _owner_elsewhere(standby.database), 0.0

    async def beat() -> None:
        nonlocal last
        if standby.waited <= 7:
            last = standby.waited
            await _beat(standby.database, owner)
        elif standby.waited - last == 0.25:
            await stepped(seconds)

    standby.each = beat
    taken = await standby.acquire()
    assert taken.epoch == owner.epoch + 1
    assert LEASE_SECONDS <= standby.waited - last <= _OWN_SECONDS
    assert not await queries.renew_lease(standby.database, asterisk=ASTERISK, epoch=owner.epoch)


async def test_the_dead_of_this_machine_are_followed_at_once(standby: Standby) -> None:
    """A restart does not wait for its own earlier run."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    lease = Lease(standby.database, ASTERISK)
    lease._holder = holder_of(process.pid)
    owner = await lease.acquire(on_wait=lambda: None)
    standby.seconds_max = 2.0
    with pytest.raises(_Enough):
        await standby.acquire()

    process.kill()
    await process.wait()
    standby.waited = 0.0
    assert (await standby.acquire()).epoch == owner.epoch + 1
    assert standby.waited == 0.0


async def test_what_is_given_back_is_free_at_once(standby: Standby) -> None:
    """And only its owner can give it back."""
    lease = Lease(standby.database, ASTERISK)
    lease._holder = ELSEWHERE
    first = await lease.acquire(on_wait=lambda: None)
    await lease.release(first)
    lease._holder = ELSEWHERE
    second = await lease.acquire(on_wait=lambda: pytest.fail("it was free"))
    await lease.release(first)
    standby.seconds_max = 2.0
    with pytest.raises(_Enough):
        await standby.acquire()

    await lease.release(second)
    assert (await standby.acquire()).epoch == second.epoch + 1


@dataclass
class _Away:
    """A database that does not answer for a while, as the one who stands by sees it."""

    database: Database
    is_away: bool = False

    async def fetchrow(self, query: str, *args: Any) -> Any:
        if self.is_away:
            raise DatabaseUnavailable("away")
        return await self.database.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        return await self.database.fetchval(query, *args)


async def test_an_outage_is_not_the_owners_silence(standby: Standby) -> None:
    """Nobody can beat while PostgreSQL is away: afterwards its owner has time to."""
    database, owner = standby.database, await _owner_elsewhere(standby.database)
    away = _Away(database)
    standby.database = cast(Database, away)

    async def beat() -> None:
        away.is_away = 5 <= standby.waited < 35
        if standby.waited < 5 or standby.waited >= 37:
            await _beat(database, owner)

    standby.each = beat
    with pytest.raises(_Enough):
        await standby.acquire()


async def test_who_was_frozen_looks_again(standby: Standby) -> None:
    """His own sleep, or a statement that hung, says nothing of the owner."""
    owner = await _owner_elsewhere(standby.database)

    async def beat() -> None:
        if standby.waited == 1:
            standby.now += 60.0
        if standby.waited % 2 == 0:
            await _beat(standby.database, owner)

    standby.each = beat
    with pytest.raises(_Enough):
        await standby.acquire()


async def test_an_earlier_callctl_beats_as_well(standby: Standby) -> None:
    """During an upgrade the owner may be one that renews by the hour."""
    owner = await _owner_elsewhere(standby.database)

    async def renew() -> None:
        if standby.waited % 1 == 0:
            await standby.database.execute(
                "UPDATE switch_leases SET until = clock_timestamp() + interval '3 s'"
                " WHERE epoch = $1",
                owner.epoch,
            )

    standby.each = renew
    with pytest.raises(_Enough):
        await standby.acquire()


async def test_a_beat_in_the_last_moment_counts(database: Database) -> None:
    """The lease is taken only as it was seen; of two who take it, one has it."""
    owner = await _owner_elsewhere(database)
    row = await queries.read_lease(database, asterisk=ASTERISK)
    await _beat(database, owner)

    async def take(beat: int) -> int | None:
        epoch: int | None = await queries.take_lease(
            database, asterisk=ASTERISK, holder="x", epoch=owner.epoch, beat=beat
        )
        return epoch

    assert await take(row["beat"]) is None
    both = await asyncio.gather(take(row["beat"] + 1), take(row["beat"] + 1))
    assert sorted(both, key=str) == [owner.epoch + 1, None]
