"""Fixtures for tests on a real PostgreSQL: one server a session, one database a test.

The server is the embedded one without fsync; its migrated database is a template that each test
gets a clone of (0.03 s in memory).
"""

import shutil
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from callctl.db.embedded import EmbeddedPostgres
from callctl.db.migrate import migrate
from callctl.db.pool import Database, connect

_MEMORY_BYTES_MIN = 2_000_000_000


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def scratch_folder() -> Path:
    """A new folder that every user may enter; in memory where there is room, on disk elsewhere.

    Its path is short enough for a socket. The caller removes it.
    """
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes the name
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _MEMORY_BYTES_MIN
    folder = Path(tempfile.mkdtemp(prefix="callctl-test-", dir=memory if roomy else None))
    folder.chmod(0o711)  # the server's user must reach its own folder below
    return folder


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    """The session's server, its database `callctl` migrated and then left alone as a template."""
    folder = scratch_folder()
    try:
        async with EmbeddedPostgres(folder, free_port(), durable=False) as server:
            await migrate(server.dsn)
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a fresh, migrated database of this test's own."""
    name = f"test_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(postgres.dsn_of("postgres"), timeout=10, command_timeout=30)
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE callctl STRATEGY FILE_COPY")
        yield postgres.dsn_of(name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        admin.terminate()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh, migrated database of this test's own."""
    pool = await connect(database_url, size=4, timeout_seconds=5)
    yield pool
    await pool.close()
