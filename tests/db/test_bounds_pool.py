"""The deadlines of connections, with a PostgreSQL that is frozen, or a server that says nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from callctl import clock
from callctl.db import listen, pool
from callctl.db import migrate as migrate_module
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.listen import Listener
from callctl.db.migrate import migrate
from callctl.db.pool import Database, connect, session
from callctl.errors import DatabaseError, DatabaseUnavailable
from tests.db.test_pool import frozen

_SOON, _NEVER = 0.2, 60.0
_SECONDS_MAX = 5.0  # a test that waits longer has failed


@pytest.fixture
async def silent_dsn() -> AsyncIterator[str]:
    """The URL of what takes connections and says nothing."""
    writers = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql://callctl:x@127.0.0.1:{port}/callctl?sslmode=disable"
    for writer in writers:
        writer.close()
    server.close()
    await server.wait_closed()


async def test_a_pool_on_a_silent_server_is_given_up(silent_dsn: str) -> None:
    """Who opens a pool learns within the deadline that nobody answers."""
    async with asyncio.timeout(_SECONDS_MAX):
        with pytest.raises(DatabaseUnavailable):
            await connect(silent_dsn, size=1, timeout_seconds=_SOON)


@pytest.mark.parametrize(("deadline", "connect_max"), [(_SOON, _NEVER), (_NEVER, _SOON)])
async def test_a_session_on_a_silent_server_is_given_up(
    silent_dsn: str, monkeypatch: pytest.MonkeyPatch, deadline: float, connect_max: float
) -> None:
    """One that may work long waits no longer than others for its connection."""
    monkeypatch.setattr(pool, "_CONNECT_SECONDS_MAX", connect_max)
    async with asyncio.timeout(_SECONDS_MAX):
        with pytest.raises(DatabaseUnavailable):
            await _open(silent_dsn, deadline)


async def _open(dsn: str, deadline: float) -> None:
    async with session(dsn, timeout_seconds=deadline):
        pass


async def test_a_statement_of_a_session_on_a_frozen_server_is_given_up(
    database_url: str, postgres: EmbeddedPostgres
) -> None:
    """It ends at the session's deadline, and the session with it."""
    async with asyncio.timeout(2 * _SECONDS_MAX):
        with pytest.raises(DatabaseUnavailable):
            await _ask_frozen(database_url, postgres)


async def _ask_frozen(dsn: str, server: EmbeddedPostgres) -> None:
    async with session(dsn, timeout_seconds=1.0) as connection:
        with frozen(server):
            await connection.fetchval("SELECT 1")


async def test_the_end_of_a_session_on_a_frozen_server_is_not_waited_for(
    database_url: str, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its goodbye has a deadline of its own: a session may work for long."""

    class Connection(pool._Connection):
        async def close(self, **told: Any) -> None:
            with frozen(postgres):
                await super().close(**told)

    monkeypatch.setattr(pool, "_Connection", Connection)
    monkeypatch.setattr(pool, "_CONNECT_SECONDS_MAX", 1.0)
    async with asyncio.timeout(2 * _SECONDS_MAX):
        with suppress(DatabaseUnavailable):  # or it was quicker than that
            await _open(database_url, _NEVER)


async def test_a_server_ends_by_itself_what_a_client_has_left(database_url: str) -> None:
    """A statement and an idle transaction, whose client has forgotten both, hold no lock for long.

    Nobody here asks the server to end them.
    """
    async with asyncio.timeout(_SECONDS_MAX):
        async with _raw(database_url) as connection:
            with pytest.raises(asyncpg.QueryCanceledError):
                await connection.execute("SELECT pg_sleep(60)", timeout=_NEVER)
        async with _raw(database_url) as connection:
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _: ended.set())
            await connection.execute("BEGIN")
            await ended.wait()


@asynccontextmanager
async def _raw(dsn: str) -> AsyncIterator[Any]:
    """A connection that has our settings and no deadline on this side."""
    settings = pool.session_settings(_SOON)
    connection = await asyncpg.connect(dsn, timeout=_NEVER, server_settings=settings)
    try:
        yield connection
    finally:
        connection.terminate()


async def test_a_pool_that_is_in_use_is_closed_at_the_deadline(
    database: Database, database_url: str
) -> None:
    """Who has not given his connection back loses it, on the server too."""
    held = await connect(database_url, size=1, timeout_seconds=_SOON)
    holding = asyncio.Event()
    backend: list[int] = []

    async def hold() -> None:
        async with held.transaction() as connection:
            backend.append(await connection.fetchval("SELECT pg_backend_pid()"))
            await connection.execute("SET idle_in_transaction_session_timeout = 0")
            holding.set()
            await asyncio.Event().wait()

    holder = asyncio.create_task(hold())
    try:
        await asyncio.wait_for(holding.wait(), _SECONDS_MAX)
        async with asyncio.timeout(_SECONDS_MAX):
            await held.close()
        query = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1"
        until = clock.monotonic() + _SECONDS_MAX
        while await database.fetchval(query, *backend):
            assert clock.monotonic() < until
    finally:
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)


async def test_a_listener_notices_a_server_that_is_frozen(
    database_url: str, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks now and then, with a deadline, though the connection is not lost; then it is back."""
    monkeypatch.setattr(listen, "_HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(listen, "_STATEMENT_SECONDS_MAX", 0.5)
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = Listener(database_url, "callctl_lines", heard.put_nowait)
    task = asyncio.create_task(listener.run())
    try:
        async with asyncio.timeout(2 * _SECONDS_MAX):
            assert await heard.get() == ""
            with capture_logs() as logged, frozen(postgres):
                while not any(one["event"] == "listen_lost" for one in logged):
                    await clock.sleep(0.01)
            assert await heard.get() == ""
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_migration_has_a_deadline(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that waits for a lock that nobody gives back is given up, and nothing of it is kept."""
    monkeypatch.setattr(migrate_module, "_STATEMENT_SECONDS_MAX", 1.0)
    (tmp_path / "0001_slow.sql").write_text("CREATE TABLE slow (n integer); SELECT pg_sleep(60);")
    admin = await asyncpg.connect(postgres.dsn_of("postgres"), timeout=10, command_timeout=30)
    try:
        await admin.execute("CREATE DATABASE slow")
        async with asyncio.timeout(2 * _SECONDS_MAX):
            with pytest.raises(DatabaseError):
                await migrate(postgres.dsn_of("slow"), tmp_path)
        async with session(postgres.dsn_of("slow"), timeout_seconds=_SECONDS_MAX) as connection:
            assert await connection.fetchval("SELECT to_regclass('slow')") is None
        await admin.execute("DROP DATABASE slow WITH (FORCE)")
    finally:
        admin.terminate()
