"""The pool under a PostgreSQL that freezes, dies or refuses: bounded, and it recovers."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from callctl import clock
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.listen import Listener
from callctl.db.pool import Database, connect
from callctl.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable

_DEADLINE_SECONDS = 1.0


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """Stop every process of the server (SIGSTOP), and let them go on at the end.

    A child may end by itself at any moment before it is stopped; it is reaped when the postmaster
    goes on, which therefore goes on last.
    """
    postmaster = psutil.Process(server.process_id)
    processes = [postmaster]
    postmaster.suspend()  # from here on there are no new children
    processes += postmaster.children()
    try:
        for process in processes[1:]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in reversed(processes):
            with suppress(psutil.NoSuchProcess):
                process.resume()


@pytest.fixture
async def impatient(database_url: str) -> AsyncIterator[Database]:
    """A pool whose statements have one second."""
    database = await connect(database_url, size=2, timeout_seconds=_DEADLINE_SECONDS)
    yield database
    await database.close()


async def test_pool_server_frozen_gives_up_in_time(
    impatient: Database, postgres: EmbeddedPostgres
) -> None:
    """Statement, transaction and commit on a frozen server end at the deadline, none hangs."""
    await impatient.execute("CREATE TABLE seen (n integer)")
    with frozen(postgres):
        for _ in range(3):  # the third needs a new connection
            began = clock.monotonic()
            with pytest.raises(DatabaseUnavailable):
                await impatient.fetchval("SELECT 1")
            assert clock.monotonic() - began < _DEADLINE_SECONDS + 1

    assert await impatient.fetchval("SELECT 2") == 2

    began = clock.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await _commit_frozen(impatient, postgres)
    assert clock.monotonic() - began < _DEADLINE_SECONDS + 2
    assert await impatient.fetchval("SELECT 2") == 2


async def _commit_frozen(database: Database, server: EmbeddedPostgres) -> None:
    with frozen(server):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO seen VALUES (1)")


async def test_pool_close_is_bounded_on_a_frozen_server(
    database_url: str, postgres: EmbeddedPostgres
) -> None:
    """Closing does not wait for a server that will not answer."""
    database = await connect(database_url, size=2, timeout_seconds=_DEADLINE_SECONDS)
    with frozen(postgres):
        began = clock.monotonic()
        await database.close()
        assert clock.monotonic() - began < _DEADLINE_SECONDS + 1


async def test_pool_backend_killed_recovers(impatient: Database) -> None:
    """A lost connection is DatabaseUnavailable once; the next statement has a new one."""
    with pytest.raises(DatabaseUnavailable):
        await impatient.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    assert await impatient.fetchval("SELECT 1") == 1


async def test_pool_statement_over_its_time_ends_on_the_server_too(impatient: Database) -> None:
    """Nothing of a statement that its caller gave up goes on in the server."""
    with pytest.raises(DatabaseUnavailable):
        await impatient.fetchval("SELECT pg_sleep(30)")
    until = clock.monotonic() + 5
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)%'"
    query += " AND state = 'active'"
    while await impatient.fetchval(query) and clock.monotonic() < until:
        await clock.sleep(0.05)
    assert await impatient.fetchval(query) == 0


async def test_pool_lock_timeout_is_busy_and_keeps_the_connection(database: Database) -> None:
    """A statement that gave up a lock has done nothing, and its connection serves on."""
    await database.execute("CREATE TABLE locked (n integer)")
    backends: list[int] = []
    async with database.transaction() as holder:
        await holder.execute("LOCK TABLE locked")
        with pytest.raises(DatabaseBusy):
            await _insert_impatiently(database, backends)
        assert await database.fetchval("SELECT pg_backend_pid()") == backends[0]
    assert await database.fetchval("SELECT count(*) FROM locked") == 0


async def _insert_impatiently(database: Database, backends: list[int]) -> None:
    async with database.transaction() as connection:
        backends.append(await connection.fetchval("SELECT pg_backend_pid()"))
        await connection.execute("SET LOCAL lock_timeout = '10ms'")
        await connection.execute("INSERT INTO locked VALUES (1)")


async def test_pool_mistakes_of_the_program_stay_what_they_are(impatient: Database) -> None:
    """Wrong arguments and broken rules are not taken for an absent server."""
    with pytest.raises(asyncpg.DataError):
        await impatient.fetchval("SELECT $1::integer", "x")
    with pytest.raises(asyncpg.InterfaceError):
        await impatient.fetchval("SELECT $1::integer")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await impatient.fetchval("SELECT 1 / 0")
    assert await impatient.fetchval("SELECT 1") == 1


async def test_pool_exhausted_says_so_at_the_deadline(impatient: Database) -> None:
    """With every connection in use the next caller waits no longer than the deadline."""
    async with impatient.transaction(), impatient.transaction():
        with pytest.raises(DatabaseUnavailable):
            await impatient.fetchval("SELECT 1")


async def test_transaction_that_raises_is_rolled_back(database: Database) -> None:
    """What a failed block wrote is not there, and the connection serves on."""
    await database.execute("CREATE TABLE kept (n integer)")
    with pytest.raises(KeyError):
        await _fail_in_transaction(database)
    assert await database.fetchval("SELECT count(*) FROM kept") == 0


async def _fail_in_transaction(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO kept VALUES (1)")
        raise KeyError("x")


async def test_transaction_cancelled_leaves_nothing_open(database: Database) -> None:
    """A cancelled block ends its transaction on the server and gives its place back."""
    await database.execute("CREATE TABLE locked (n integer)")
    holding = asyncio.Event()

    async def hold() -> None:
        async with database.transaction() as connection:
            await connection.execute("LOCK TABLE locked")
            holding.set()
            await connection.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(hold())
    await holding.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.gather(*(database.execute("INSERT INTO locked VALUES (1)") for _ in range(4)))


async def test_jsonb_is_a_python_value(database: Database) -> None:
    """A jsonb column takes and gives dicts and lists, Chinese text included."""
    value = {"area": "北京", "attempts": [1, None, True]}
    assert await database.fetchval("SELECT $1::jsonb", value) == value


async def test_connect_refused_says_what_to_check(postgres: EmbeddedPostgres) -> None:
    """A wrong password or database is a setting to mend; an absent server is one to wait for."""
    wrong = postgres.dsn.replace(postgres.dsn.split(":")[2].split("@")[0], "guess")
    with pytest.raises(DatabaseError, match="CALLCTL_DATABASE_URL"):
        await connect(wrong, size=1, timeout_seconds=2)
    with pytest.raises(DatabaseError, match="CALLCTL_DATABASE_URL"):
        await connect(postgres.dsn_of("nowhere"), size=1, timeout_seconds=2)
    absent = Path(tempfile.gettempdir()) / "callctl-no-server-here"
    with pytest.raises(DatabaseUnavailable):
        await connect(f"postgresql://callctl:x@/x?host={absent}", size=1, timeout_seconds=2)


async def test_listener_hears_and_comes_back(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notifications arrive; after a lost connection the listener tells that some may be missed."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = Listener(database_url, "directory_changed", heard.put_nowait)
    task = asyncio.create_task(listener.run())
    try:
        async with asyncio.timeout(10):
            assert await heard.get() == ""
            await database.execute("NOTIFY directory_changed, '7'")
            assert await heard.get() == "7"
            await database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
            assert await heard.get() == ""
            await database.execute("NOTIFY directory_changed, '8'")
            assert await heard.get() == "8"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
