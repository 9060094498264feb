"""Opens the database for a process that stays, however long it is away; used by switch and web."""

import structlog

from callctl import clock
from callctl.app.ready import notify
from callctl.db import pool
from callctl.db.migrate import migrate
from callctl.db.pool import Database
from callctl.errors import DatabaseUnavailable
from callctl.settings import Settings

_RETRY_SECONDS_MIN, _RETRY_SECONDS_MAX = 0.5, 5.0
_WAITING = "STATUS=waiting for PostgreSQL\nEXTEND_TIMEOUT_USEC=60000000"  # systemd's, of its start
_log = structlog.get_logger()


async def connected(settings: Settings, dsn: str) -> Database:
    """The database, its schema current; who started us is told to wait while nobody answers.

    Raises DatabaseError for what no waiting mends: a wrong password, a newer schema.
    """
    retry_seconds = _RETRY_SECONDS_MIN
    while True:
        try:
            await migrate(dsn)
            return await pool.connect(
                dsn,
                size=settings.database_pool_size,
                timeout_seconds=settings.database_timeout_seconds,
            )
        except DatabaseUnavailable as error:
            _log.warning("waiting_for_database", error=str(error), retry_seconds=retry_seconds)
            notify(_WAITING)
        await clock.sleep(retry_seconds)
        retry_seconds = min(retry_seconds * 2, _RETRY_SECONDS_MAX)
