"""Brings a database to this callctl's schema: sql/migrations, in order, each in one transaction.

Called at every start (app, cli, tests). A file once applied never changes: its sha256 is kept in
schema_migrations and compared; a correction is a new file with the next number.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from callctl.db.pool import session
from callctl.db.queries import SQL_DIR, queries
from callctl.errors import DatabaseError, SchemaMismatch

MIGRATIONS_DIR = SQL_DIR / "migrations"
_FILE_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_STATEMENT_SECONDS_MAX = 600  # an index over a large table
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of sql/migrations."""

    number: int
    name: str
    sha256: str
    text: str


def read_migrations(folder: Path = MIGRATIONS_DIR) -> list[Migration]:
    """The files of `folder` in order; raises SchemaMismatch when a number is missing or twice."""
    found = [_read(path) for path in sorted(folder.glob("*.sql"))]
    if [migration.number for migration in found] != list(range(1, len(found) + 1)) or not found:
        names = ", ".join(migration.name for migration in found) or "nothing"
        raise SchemaMismatch(f"{folder} must hold files 0001_..., 0002_... and holds {names}")
    return found


async def migrate(dsn: str, folder: Path = MIGRATIONS_DIR) -> list[str]:
    """Apply what is missing; return the names applied.

    Raises SchemaMismatch (a file was changed after it was applied, or the database is newer than
    this callctl), DatabaseError (a migration failed, nothing of it is kept), DatabaseUnavailable.
    """
    migrations = read_migrations(folder)
    async with session(dsn, timeout_seconds=_STATEMENT_SECONDS_MAX) as connection:
        await queries.lock_migrations(connection)
        await queries.create_schema_migrations(connection)
        applied = await queries.list_schema_migrations(connection)
        _check_history(migrations, applied)
        missing = migrations[len(applied) :]
        for migration in missing:
            await _apply(connection, migration)
        await queries.unlock_migrations(connection)
    return [migration.name for migration in missing]


def _read(path: Path) -> Migration:
    match = _FILE_NAME.match(path.name)
    if match is None:
        raise SchemaMismatch(f"{path}: a migration is named like 0007_what_it_does.sql")
    content = path.read_bytes()
    return Migration(
        int(match[1]), path.name, hashlib.sha256(content).hexdigest(), content.decode()
    )


def _check_history(migrations: list[Migration], applied: list[Any]) -> None:
    """Raise SchemaMismatch unless what was applied is a beginning of what we have."""
    for known, row in zip(migrations, applied, strict=False):
        if known.sha256 != row["sha256"]:
            raise SchemaMismatch(
                f"{known.name} was changed after it had been applied (as {row['name']}): put its "
                "text back and write the change as a new migration with the next number"
            )
    if len(applied) > len(migrations):
        raise SchemaMismatch(
            f"the database has migration {applied[-1]['name']}, this callctl ends at "
            f"{migrations[-1].name}: install the callctl that migrated it, or a later one"
        )


async def _apply(connection: Any, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.text)
            await queries.record_schema_migration(
                connection,
                number=migration.number,
                name=migration.name,
                sha256=migration.sha256,
            )
    except asyncpg.PostgresError as error:
        raise DatabaseError(f"{migration.name} failed, nothing of it is kept: {error}") from error
    _log.info("migration_applied", migration=migration.name)
