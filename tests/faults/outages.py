"""Ways in which PostgreSQL goes away, each for the length of a block; used by test_postgres."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg

from callctl import clock
from tests.faults.site import Site, freeze, thaw

Outage = Callable[[Site], AbstractAsyncContextManager[None]]

_SECONDS_MAX = 10
_GRAB_SECONDS, _GRABBERS = 0.02, 4
# What callctl can't do without a write; one statement fails as it does when no page can be added.
_WRITTEN = ("transfers", "reservations", "live_calls", "cdrs", "switch_leases", "line_seats")


@asynccontextmanager
async def stopped(site: Site) -> AsyncIterator[None]:
    """Stopped in order, as for an upgrade."""
    await site.grounds.postgres.stop()
    try:
        yield
    finally:
        await site.grounds.postgres.start()


@asynccontextmanager
async def killed(site: Site) -> AsyncIterator[None]:
    """Ended as by kill -9; it recovers when it is started again."""
    site.grounds.kill_postgres()
    try:
        yield
    finally:
        await site.grounds.restart_postgres()


@asynccontextmanager
async def frozen(site: Site) -> AsyncIterator[None]:
    """All its processes stopped where they are: connections stay, and nobody answers."""
    freeze(site.grounds.postgres_ids())
    try:
        yield
    finally:
        thaw(site.grounds.postgres_ids())


@asynccontextmanager
async def crowded_out(site: Site) -> AsyncIterator[None]:
    """Somebody else has every connection, and takes those that callctl loses."""
    taken = [await _connection(site)]

    async def grab() -> None:
        while True:
            try:
                taken.append(await _connection(site))
            except asyncpg.TooManyConnectionsError:
                await clock.sleep(_GRAB_SECONDS)

    grabbing = [asyncio.create_task(grab()) for _ in range(_GRABBERS)]
    try:
        while await taken[0].fetch(  # until none of those that it makes anew is left
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'callctl'"
        ):
            await clock.sleep(_GRAB_SECONDS * 5)
        yield
    finally:
        for task in grabbing:
            task.cancel()
        await asyncio.gather(*grabbing, return_exceptions=True)
        for connection in taken:
            connection.terminate()


@asynccontextmanager
async def disk_full(site: Site) -> AsyncIterator[None]:
    """Every write is refused with the error that a full disk gives."""
    connection = await _connection(site)
    await connection.execute(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'could not extend file: No space left on device'"
        " USING ERRCODE = 'disk_full'; END $$"
    )
    for table in _WRITTEN:
        await connection.execute(
            f"CREATE TRIGGER no_room BEFORE INSERT OR UPDATE OR DELETE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION no_room()"
        )
    try:
        yield
    finally:
        await connection.execute("DROP FUNCTION no_room CASCADE")
        await connection.close()


@asynccontextmanager
async def slow(site: Site, seconds: float) -> AsyncIterator[None]:
    """Every step of the ledger takes so long."""
    connection = await _connection(site)
    await connection.execute(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" PERFORM pg_sleep({seconds}); RETURN NULL; END $$"
    )
    await connection.execute(
        "CREATE TRIGGER slowly BEFORE INSERT OR UPDATE ON reservations"
        " FOR EACH STATEMENT EXECUTE FUNCTION slowly()"
    )
    try:
        yield
    finally:
        await connection.execute("DROP FUNCTION slowly CASCADE")
        await connection.close()


@asynccontextmanager
async def locked(site: Site, account: str) -> AsyncIterator[None]:
    """Somebody keeps an account's row locked."""
    connection = await _connection(site)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM accounts WHERE name = $1 FOR UPDATE", account)
            yield
    finally:
        await connection.close()


async def _connection(site: Site) -> asyncpg.Connection:
    return await asyncpg.connect(
        site.database_url, timeout=_SECONDS_MAX, command_timeout=_SECONDS_MAX
    )
