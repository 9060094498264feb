"""LISTEN that survives PostgreSQL: reconnects with back-off; used by directory, views and app.

A notification is a hint to look, never the fact itself: while the connection was away some were
missed, so `on_notify("")` is called after every (re)connect.
"""

import asyncio
from collections.abc import Callable

import structlog

from callctl import clock
from callctl.db.pool import session
from callctl.errors import DatabaseUnavailable

_BACK_OFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
_HEARTBEAT_SECONDS = 5.0
_STATEMENT_SECONDS_MAX = 5.0
_log = structlog.get_logger()


class Listener:
    """Calls `on_notify(payload)` for each NOTIFY on `channel` while `run` runs.

    `on_notify` is synchronous and must not block: set an event, wake a task.
    """

    def __init__(self, dsn: str, channel: str, on_notify: Callable[[str], None]) -> None:
        self._dsn = dsn
        self._channel = channel
        self._on_notify = on_notify
        self._failures = 0

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
                error = "the connection was lost"
            except DatabaseUnavailable as refusal:
                error = str(refusal)
            delay = _BACK_OFF_SECONDS[min(self._failures, len(_BACK_OFF_SECONDS) - 1)]
            self._failures += 1
            _log.warning("listen_lost", channel=self._channel, error=error)
            await clock.sleep(delay)

    async def _listen(self) -> None:
        """Listen until the connection is lost."""
        async with session(self._dsn, timeout_seconds=_STATEMENT_SECONDS_MAX) as connection:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(self._channel, self._received)
            self._failures = 0
            self._on_notify("")
            while not lost.is_set():
                try:
                    async with asyncio.timeout(_HEARTBEAT_SECONDS):
                        await lost.wait()
                except TimeoutError:
                    await connection.fetchval("SELECT 1")  # a frozen server shows here

    def _received(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._on_notify(str(payload))
