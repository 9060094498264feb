"""Every query of sql/queries: it fits the schema, its name is its own, somebody uses it."""

import re
from collections import Counter
from pathlib import Path

import callctl
from callctl.db.pool import Database
from callctl.db.queries import SQL_DIR, queries

_PACKAGE = Path(callctl.__file__).parent
_NAME = re.compile(r"^-- name:\s*(\w+)", re.MULTILINE)


def _names() -> list[str]:
    files = sorted((SQL_DIR / "queries").glob("*.sql"))
    return [name for file in files for name in _NAME.findall(file.read_text())]


async def test_queries_prepare_against_the_migrated_schema(database: Database) -> None:
    """PostgreSQL can plan every query of sql/queries after all migrations."""
    failures = {}
    async with database.transaction() as connection:
        await queries.make_asterisk_events(connection)  # a table of an audit's session
        for name in _names():
            try:
                await connection.prepare(getattr(queries, name).sql)  # type: ignore[attr-defined]
            except Exception as error:  # noqa: BLE001 - all of them in one message
                failures[name] = str(error)
                break
    assert failures == {}


def test_query_names_are_unique() -> None:
    """No name stands twice: the second would silently replace the first."""
    assert [name for name, count in Counter(_names()).items() if count > 1] == []


def test_every_query_is_used() -> None:
    """A query that no module calls is deleted."""
    code = "\n".join(path.read_text() for path in _PACKAGE.rglob("*.py"))
    unused = [name for name in _names() if not re.search(rf"queries\.{name}\b", code)]
    assert unused == []
