"""The queries of sql/queries, one file a package, loaded once by aiosql; called by that package.

`await queries.read_standing(connection, account_id=7)`: the connection is a Database (one
statement) or a transaction. The mark after a query's name says what comes back: ^ one row or
None, $ one value, ! PostgreSQL's command tag, <! the first row returned, none a list of rows.
Names are unique over all files (tests/db holds it).
"""

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter

from callctl import crash
from callctl.db.pool import Connection

SQL_DIR = Path(__file__).resolve().parent.parent / "_sql"  # a link to sql/; a wheel holds a copy


class _Adapter(AsyncPGAdapter):
    """Every query is one coroutine (many rows: a list), run on exactly the connection given."""

    is_aio_driver = False  # aiosql then hands our coroutines through untouched

    def _ordered(self, query_name: str, parameters: dict[str, Any]) -> list[Any]:
        return [parameters[name] for name in self.var_sorted[query_name]]

    async def select(
        self, conn: Connection, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> list[Any]:
        rows: list[Any] = await _passing(
            query_name, conn.fetch(sql, *self._ordered(query_name, parameters))
        )
        return rows

    async def select_one(
        self, conn: Connection, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any:
        return await _passing(
            query_name, conn.fetchrow(sql, *self._ordered(query_name, parameters))
        )

    async def select_value(
        self, conn: Connection, query_name: str, sql: str, parameters: Any
    ) -> Any:
        return await _passing(
            query_name, conn.fetchval(sql, *self._ordered(query_name, parameters))
        )

    async def insert_returning(
        self, conn: Connection, query_name: str, sql: str, parameters: Any
    ) -> Any:
        return await _passing(
            query_name, conn.fetchrow(sql, *self._ordered(query_name, parameters))
        )

    async def insert_update_delete(
        self, conn: Connection, query_name: str, sql: str, parameters: Any
    ) -> str:
        tag: str = await _passing(
            query_name, conn.execute(sql, *self._ordered(query_name, parameters))
        )
        return tag

    async def execute_script(self, conn: Connection, sql: str) -> str:
        return await conn.execute(sql)


async def _passing(query_name: str, statement: Awaitable[Any]) -> Any:
    """Come by the statement's crash points."""
    if not crash.is_armed():
        return await statement
    crash.point(f"db {query_name} before")
    answer = await statement
    crash.point(f"db {query_name} after")
    return answer


queries: Any = aiosql.from_path(
    SQL_DIR / "queries",
    _Adapter,  # type: ignore[arg-type]  # by design neither of aiosql's two kinds
    mandatory_parameters=False,
    encoding="utf-8",
)
