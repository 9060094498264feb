"""The bounds of what is remembered and done at a time beside PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import pytest

from callctl.db import batch, lease, locks
from callctl.db.batch import Batcher
from callctl.db.lease import Lease, Owner
from callctl.db.locks import KnownLocks
from callctl.db.pool import Database
from callctl.errors import DatabaseBusy, DatabaseUnavailable

_SECONDS_MAX = 5.0


def test_the_locks_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one looked at longest ago is forgotten for the newest."""
    monkeypatch.setattr(locks, "_KNOWN_MAX", 2)
    known = KnownLocks()
    for key in (1, 2, 1, 3):
        known.seen([key])
    assert known.seconds([2]) == 0
    assert known.seconds([1]) > 0
    assert known.seconds([3]) > 0


@pytest.mark.parametrize("busy_count", [0, 3])
async def test_parts_of_a_flush_that_met_a_lock_are_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch, busy_count: int
) -> None:
    """However many rows are locked, or stay so, the flushes of the others have their connections.

    Each request meets its lock so often when it is alone.
    """
    monkeypatch.setattr(batch, "_BUSY_SECONDS", 0.001)
    under_way = most = 0
    tries: Counter[int] = Counter()

    async def flush(requests: Sequence[int]) -> list[None]:
        nonlocal under_way, most
        if len(requests) > 1:
            raise DatabaseBusy
        under_way += 1
        most = max(most, under_way)
        for _ in range(20):  # turns of the loop, in which another might begin
            await asyncio.sleep(0)
        under_way -= 1
        tries[requests[0]] += 1
        if tries[requests[0]] <= busy_count:
            raise DatabaseBusy
        return [None]

    batcher: Batcher[int, None] = Batcher(flush, name="x", keys=lambda request: (request,))
    await batcher.start()
    async with asyncio.timeout(_SECONDS_MAX):
        await asyncio.gather(*(batcher.submit(number) for number in range(40)))
        await batcher.stop()
    assert most == batch._ASIDE_MAX


async def test_a_pause_between_two_tries_ends_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who waits while PostgreSQL is away is told in time, however long the pause would be."""
    monkeypatch.setattr(batch, "_BACK_OFF_SECONDS", (60.0,))

    async def flush(_: Sequence[int]) -> list[None]:
        raise DatabaseUnavailable("away")

    batcher: Batcher[int, None] = Batcher(flush, name="x", deadline_seconds=0.05)
    await batcher.start()
    async with asyncio.timeout(_SECONDS_MAX):
        with pytest.raises(DatabaseUnavailable, match="away"):
            await batcher.submit(1)
        await batcher.stop()


async def test_a_renewal_that_is_not_answered_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is given up long before a statement is: PostgreSQL is known to be away in time."""
    monkeypatch.setattr(lease, "_RENEW_SECONDS", 0.02)
    asked, again = 0, asyncio.Event()

    class Silent:
        """A database that answers nothing."""

        async def fetchval(self, *_: Any) -> None:
            nonlocal asked
            asked += 1
            if asked == 2:
                again.set()
            await asyncio.Event().wait()

    held = Lease(cast(Database, Silent()), "pbx")
    keeping = asyncio.create_task(held.keep(Owner("pbx", 1)))
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            await again.wait()
        assert not held.is_answered()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
