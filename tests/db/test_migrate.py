"""Migrations: applied once, in order, whole; a changed file or a newer database is refused."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from callctl.db.embedded import EmbeddedPostgres
from callctl.db.migrate import MIGRATIONS_DIR, migrate, read_migrations
from callctl.db.pool import session
from callctl.errors import DatabaseError, SchemaMismatch


@pytest.fixture
async def blank_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a database without any table of ours."""
    admin = await asyncpg.connect(postgres.dsn_of("postgres"), timeout=10)
    try:
        await admin.execute("CREATE DATABASE blank")
        yield postgres.dsn_of("blank")
        await admin.execute("DROP DATABASE blank WITH (FORCE)")
    finally:
        admin.terminate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations of a small world."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (n integer);")
    (tmp_path / "0002_second.sql").write_text("CREATE TABLE second (n integer);")
    return tmp_path


async def _exists(dsn: str, table: str) -> bool:
    async with session(dsn, timeout_seconds=5) as connection:
        return bool(await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table))


async def test_migrate_applies_what_is_missing_once(blank_url: str, folder: Path) -> None:
    """The second start has nothing to do; a file added later is applied alone."""
    assert await migrate(blank_url, folder) == ["0001_first.sql", "0002_second.sql"]
    assert await migrate(blank_url, folder) == []
    (folder / "0003_third.sql").write_text("CREATE TABLE third (n integer);")
    assert await migrate(blank_url, folder) == ["0003_third.sql"]
    assert await _exists(blank_url, "third")


async def test_migrate_two_at_once_apply_each_file_once(blank_url: str, folder: Path) -> None:
    """Processes that start together wait for each other."""
    applied = await asyncio.gather(*(migrate(blank_url, folder) for _ in range(4)))

    assert sorted(name for names in applied for name in names) == [
        "0001_first.sql",
        "0002_second.sql",
    ]


async def test_migrate_failing_file_leaves_nothing_of_it(blank_url: str, folder: Path) -> None:
    """A migration that fails half-way is undone whole; those before it stay."""
    (folder / "0003_third.sql").write_text("CREATE TABLE third (n integer); SELECT 1 / 0;")
    with pytest.raises(DatabaseError, match=r"0003_third\.sql failed.*division by zero"):
        await migrate(blank_url, folder)

    assert await _exists(blank_url, "second")
    assert not await _exists(blank_url, "third")
    (folder / "0003_third.sql").write_text("CREATE TABLE third (n integer);")
    assert await migrate(blank_url, folder) == ["0003_third.sql"]


async def test_migrate_changed_file_is_refused(blank_url: str, folder: Path) -> None:
    """A file changed after it was applied is named, with the way out."""
    await migrate(blank_url, folder)
    (folder / "0001_first.sql").write_text("CREATE TABLE first (n bigint);")

    with pytest.raises(SchemaMismatch, match=r"0001_first\.sql was changed.*new migration"):
        await migrate(blank_url, folder)


async def test_migrate_database_newer_than_the_code_is_refused(
    blank_url: str, folder: Path, tmp_path: Path
) -> None:
    """An older callctl does not touch a database that a newer one has migrated."""
    await migrate(blank_url, folder)
    older = tmp_path / "older"
    older.mkdir()
    shutil.copy(folder / "0001_first.sql", older)

    with pytest.raises(SchemaMismatch, match=r"0002_second\.sql.*install the callctl"):
        await migrate(blank_url, older)


def test_migrations_with_a_gap_or_a_wrong_name_are_refused(folder: Path) -> None:
    """A missing number or a name out of the pattern is found before the database is touched."""
    (folder / "0004_fourth.sql").write_text("SELECT 1;")
    with pytest.raises(SchemaMismatch, match="must hold files"):
        read_migrations(folder)
    (folder / "0004_fourth.sql").rename(folder / "3_third.sql")
    with pytest.raises(SchemaMismatch, match="named like"):
        read_migrations(folder)


def test_migrations_of_the_project_are_in_order() -> None:
    """The project's own migrations are numbered without a gap."""
    assert read_migrations(MIGRATIONS_DIR)
