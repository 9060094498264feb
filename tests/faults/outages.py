"""Ways in which PostgreSQL goes away, for a block each; used by test_postgres, test_disk_full."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import asyncpg

from callctl import clock
from callctl.errors import StackFailed
from tests.faults.site import Site, freeze, thaw
from tests.faults.small_disk import SmallDisk

Outage = Callable[[Site], AbstractAsyncContextManager[None]]

_SECONDS_MAX = 10
_GRAB_SECONDS, _GRABBERS = 0.02, 4
_RECOVERY_SECONDS_MAX = 60
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
    """Every write is refused with the error that a full disk gives: at once, unlike a real one."""
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
async def no_room(disk: SmallDisk) -> AsyncIterator[None]:
    """The disk is full: no table can grow. What fits into the pages that are there is written."""
    await disk.fill()
    try:
        yield
    finally:
        await disk.free()


@asynccontextmanager
async def no_room_for_the_log(site: Site, disk: SmallDisk) -> AsyncIterator[None]:
    """The write-ahead log's disk is full: the server ends, and ends again when it is started."""
    await disk.fill()
    await _use_up_the_log(site)
    starting = asyncio.create_task(_start_for_ever(site))
    try:
        yield
    finally:
        await disk.free()
        async with asyncio.timeout(_RECOVERY_SECONDS_MAX):
            await starting


async def _use_up_the_log(site: Site) -> None:
    connection = await _connection(site)
    try:
        while True:  # to the first file of the log that has no room
            await connection.execute("SELECT pg_logical_emit_message(false, 'faults', 'full')")
            await connection.execute("SELECT pg_switch_wal()")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        connection.terminate()


async def _start_for_ever(site: Site) -> None:
    """Start the server whenever it has ended, each second, as systemd does; until it stays up."""
    while True:
        if not site.grounds.postgres_ids():
            with suppress(StackFailed):
                await site.grounds.restart_postgres()
                return
        await clock.sleep(1)


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
