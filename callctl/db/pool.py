"""The pool of connections to PostgreSQL; made by app and cli, handed to whoever reads or writes.

A statement has a deadline on both sides. After a lost connection or a deadline the connection is
torn down, never reused, and the caller gets DatabaseUnavailable: whether the statement was carried
out is then unknown, so ask by id or send the same id again. A statement that sets a lock_timeout
(the ledger's does) and meets a row that somebody keeps locked is DatabaseBusy: nothing was done.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn, Protocol

import asyncpg
import orjson

from callctl.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable, Superseded

_CONNECT_SECONDS_MAX = 10

# asyncpg's errors that say: not now, or the answer was lost. The statement itself was right.
_UNANSWERED = (
    OSError,  # TimeoutError, ConnectionError and a missing socket are OSErrors
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting up, our own statement_timeout
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.ReadOnlySQLTransactionError,  # a standby after a failover
    asyncpg.InternalClientError,
)
# Those of them after which the connection is as good as before.
_ANSWERED = (
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
)
_SETTINGS_WRONG = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)


class Connection(Protocol):
    """What a query takes: a Database (one statement, its own transaction) or a transaction."""

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """All rows."""

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row, or None."""

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first column of the first row, or None."""

    async def execute(self, query: str, *args: Any) -> str:
        """PostgreSQL's command tag."""

    async def executemany(self, command: str, args: Any) -> None:
        """Run one command for every row of arguments, in one transaction."""


class Database:
    """A pool of connections, each statement within its deadline; made by `connect`."""

    def __init__(self, pool: Any, *, timeout_seconds: float) -> None:
        self._pool = pool
        self._timeout_seconds = timeout_seconds

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """All rows of one statement in a transaction of its own."""
        async with self._acquired() as connection:
            rows: list[Any] = await connection.fetch(query, *args)
        return rows

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row of one statement, or None."""
        async with self._acquired() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first column of the first row of one statement, or None."""
        async with self._acquired() as connection:
            return await connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> str:
        """Run one statement; return PostgreSQL's command tag."""
        async with self._acquired() as connection:
            tag: str = await connection.execute(query, *args)
        return tag

    async def executemany(self, command: str, args: Any) -> None:
        """Run one statement for every row of arguments, all in one transaction."""
        async with self._acquired() as connection:
            await connection.executemany(command, args)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self._acquired() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except Exception as error:
                if not isinstance(error, _UNANSWERED) and not _is_gone(connection):
                    await transaction.rollback()
                raise
            await transaction.commit()

    async def close(self) -> None:
        """Close every connection, at the latest after the deadline by force."""
        with suppress(OSError):  # TimeoutError: asyncpg has ended them then
            async with asyncio.timeout(self._timeout_seconds):
                await self._pool.close()

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Any]:
        """A connection from the pool; torn down unless the block leaves it in a known state."""
        try:
            connection = await self._pool.acquire(timeout=self._timeout_seconds)
        except (*_UNANSWERED, asyncpg.InterfaceError) as error:
            _unavailable(error)
        try:
            yield connection
        except asyncpg.LockNotAvailableError as error:  # lock_timeout; the connection is well
            raise DatabaseBusy(f"{DatabaseBusy.__doc__} ({error})") from error
        except _OwnerChangedError as error:
            raise Superseded(f"{Superseded.__doc__} ({error})") from error
        except (asyncpg.InterfaceError, *_UNANSWERED) as error:
            gone = _is_gone(connection)
            if isinstance(error, asyncpg.InterfaceError) and not gone:
                raise  # a mistake in the call, not a lost connection
            if not gone and not isinstance(error, _ANSWERED):
                connection.terminate()
            _unavailable(error)
        except asyncio.CancelledError:  # the statement may still be under way
            if not _is_gone(connection):
                connection.terminate()
            raise
        finally:
            await self._pool.release(connection)  # within the deadline of its acquire


async def connect(dsn: str, *, size: int, timeout_seconds: float) -> Database:
    """Open a pool of `size` connections whose every statement ends within `timeout_seconds`.

    Raises DatabaseUnavailable (nobody answers) or DatabaseError (wrong password, no database).
    """
    try:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=0,  # asyncpg would log its own tries to keep a floor
            max_size=size,
            command_timeout=timeout_seconds,
            max_inactive_connection_lifetime=0,
            connection_class=_Connection,
            init=prepare_connection,
            server_settings=session_settings(timeout_seconds),
        )
        async with pool.acquire(timeout=timeout_seconds):
            pass  # a wrong password is better known now
    except _SETTINGS_WRONG as error:
        raise DatabaseError(f"{error}: check CALLCTL_DATABASE_URL") from error
    except _UNANSWERED as error:
        _unavailable(error)
    return Database(pool, timeout_seconds=timeout_seconds)


@asynccontextmanager
async def session(dsn: str, *, timeout_seconds: float) -> AsyncIterator[Any]:
    """One asyncpg connection of its own, closed at the end; for migrations and for listening.

    Raises DatabaseUnavailable or DatabaseError as `connect` does, from the block too.
    """
    connection = None
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=min(timeout_seconds, _CONNECT_SECONDS_MAX),
            command_timeout=timeout_seconds,
            server_settings=session_settings(timeout_seconds),
            connection_class=_Connection,
        )
        await prepare_connection(connection)
        yield connection
        await connection.close(timeout=_CONNECT_SECONDS_MAX)
    except _SETTINGS_WRONG as error:
        raise DatabaseError(f"{error}: check CALLCTL_DATABASE_URL") from error
    except _UNANSWERED as error:
        _unavailable(error)
    finally:
        if connection is not None and not connection.is_closed():
            connection.terminate()


def session_settings(timeout_seconds: float) -> dict[str, str]:
    """What every session of ours sets: the server, too, gives up at the deadline."""
    milliseconds = str(int(timeout_seconds * 1000))
    return {
        "application_name": "callctl",
        "jit": "off",
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": str(int(timeout_seconds * 4000)),
        "timezone": "UTC",
    }


async def prepare_connection(connection: Any) -> None:
    """Let jsonb and json columns be Python values on both sides."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=_to_json, decoder=orjson.loads, format="text"
        )


class _OwnerChangedError(asyncpg.PostgresError):  # type: ignore[misc]
    """What callctl_check_epoch_v1 raises; asyncpg finds the class by its sqlstate."""

    sqlstate = "CC002"


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that goes back to the pool without a round trip to reset it.

    We set nothing per statement and hold no session locks, and whatever failed is torn down.
    """

    def get_reset_query(self) -> str:
        return ""


def _to_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _is_gone(connection: Any) -> bool:
    """Whether the connection is closed, or was torn down and so has left the pool already."""
    try:
        closed: bool = connection.is_closed()
    except asyncpg.InterfaceError:
        return True
    return closed


def _unavailable(error: BaseException) -> NoReturn:
    what = str(error) or type(error).__name__
    raise DatabaseUnavailable(f"PostgreSQL did not answer ({what})") from error
