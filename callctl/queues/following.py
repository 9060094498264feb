"""Keeps memory near the truth: reads again what NOTIFY says has changed; used by this package."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Generic, TypeVar

import structlog

from callctl import clock
from callctl.db.listen import Listener
from callctl.errors import DatabaseError

_GATHER_SECONDS = 0.05  # changes of so long are read together
_RETRY_SECONDS = 1.0
Key = TypeVar("Key")
_log = structlog.get_logger()


class Following(Generic[Key]):
    """Calls `read(keys)` for what may have changed, `read(None)` when that may be anything.

    `keys_of` says what a notification is about.
    """

    def __init__(
        self,
        dsn: str,
        channel: str,
        *,
        keys_of: Callable[[str], Iterable[Key]],
        read: Callable[[Collection[Key] | None], Awaitable[None]],
    ) -> None:
        self._channel = channel
        self._keys_of = keys_of
        self._read = read
        self._stale: set[Key] = set()
        self._is_all_stale = True
        self._changed = asyncio.Event()
        self._listener = Listener(dsn, channel, self._notified)

    def look_again(self, keys: Iterable[Key] | None) -> None:
        """These may have changed; None: all."""
        if keys is None:
            self._is_all_stale = True
        else:
            self._stale.update(keys)
        self._changed.set()

    async def refresh(self) -> None:
        """Read what may have changed; raises DatabaseError, and then it is still to be read."""
        stale, is_all = self._stale, self._is_all_stale
        self._stale, self._is_all_stale = set(), False
        try:
            if is_all or stale:
                await self._read(None if is_all else stale)
        except BaseException:
            self._stale |= stale
            self._is_all_stale |= is_all
            raise

    async def run(self) -> None:
        """Follow until cancelled."""
        await asyncio.gather(self._listener.run(), self._follow())

    def _notified(self, payload: str) -> None:
        """After a (re)connect the payload is empty: anything may have been missed."""
        self.look_again(self._keys_of(payload) if payload else None)

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.refresh()
            except DatabaseError as error:
                _log.warning("memory_kept", channel=self._channel, error=str(error))
                await clock.sleep(_RETRY_SECONDS)
                self._changed.set()
            await clock.sleep(_GATHER_SECONDS)
