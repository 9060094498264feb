"""Group commit beside locked rows: who waits, who passes, and how two flushes share the work."""

import asyncio
from collections.abc import AsyncIterator, Collection, Hashable, Sequence

import pytest

from callctl import clock
from callctl.db.batch import Batcher
from callctl.errors import DatabaseBusy, DatabaseUnavailable


class Desk:
    """A flush over accounts (a request's tens digit), some of which somebody keeps locked."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.locked: set[int] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.is_away = False

    async def flush(self, requests: Sequence[int]) -> list[int]:
        """Answer each request with its tenfold; nothing is done when an account is locked."""
        self.batches.append(list(requests))
        await self.open.wait()
        if self.is_away:
            raise DatabaseUnavailable("away")
        if {request // 10 for request in requests} & self.locked:
            await asyncio.sleep(0)
            raise DatabaseBusy
        return [request * 10 for request in requests]

    async def look(self, keys: Collection[Hashable]) -> list[Hashable]:
        """Those of the keys that somebody keeps locked."""
        return [key for key in keys if key in self.locked]


@pytest.fixture
def desk() -> Desk:
    """A flush whose accounts are free."""
    return Desk()


@pytest.fixture
async def batcher(desk: Desk) -> AsyncIterator[Batcher[int, int]]:
    """A batcher with two flushes at a time over `desk`."""
    batcher: Batcher[int, int] = Batcher(
        desk.flush,
        name="desk",
        deadline_seconds=0.5,
        flushes_max=2,
        keys=lambda request: (request // 10,),
    )
    await batcher.start()
    yield batcher
    desk.open.set()
    desk.locked.clear()
    await batcher.stop()


async def _turns() -> None:
    for _ in range(200):  # of the loop; no time
        await asyncio.sleep(0)


async def test_busy_batch_is_divided_until_all_others_pass(
    batcher: Batcher[int, int], desk: Desk
) -> None:
    """Only the requests of the locked account wait, and go through when it is free."""
    desk.locked = {7}
    tasks = {n: asyncio.create_task(batcher.submit(n)) for n in range(200)}
    await asyncio.gather(*(task for n, task in tasks.items() if n // 10 != 7))
    await _turns()
    assert [n for n, task in tasks.items() if not task.done()] == list(range(70, 80))

    desk.locked = set()
    assert await asyncio.gather(*tasks.values()) == [n * 10 for n in range(200)]


async def test_busy_account_is_asked_for_by_one_request_alone(
    batcher: Batcher[int, int], desk: Desk
) -> None:
    """While one insists, later requests of that account join no batch, so they disturb nobody."""
    desk.locked = {7}
    tasks = [asyncio.create_task(batcher.submit(70))]
    await _turns()
    tasks += [asyncio.create_task(batcher.submit(n)) for n in (71, 10, 72, 20)]
    await _turns()
    assert [batch for batch in desk.batches if set(batch) - {70}] == [[10, 20]]
    assert batcher.waiting == 2

    desk.locked = set()
    assert await asyncio.gather(*tasks) == [700, 710, 100, 720, 200]


async def test_busy_to_the_deadline_is_unavailable(batcher: Batcher[int, int], desk: Desk) -> None:
    """Whoever insists and whoever waits for it end at their deadline; the account may come back."""
    desk.locked = {7}
    began = clock.monotonic()
    submitted = [batcher.submit(n) for n in (70, 71, 72)]
    results = await asyncio.gather(*submitted, return_exceptions=True)
    assert {type(result) for result in results} == {DatabaseUnavailable}
    assert clock.monotonic() - began < 1
    assert batcher.waiting == 0

    desk.locked = set()
    assert await batcher.submit(73) == 730


async def test_two_flushes_share_a_crowd(batcher: Batcher[int, int], desk: Desk) -> None:
    """While one flush is under way a second takes its part; a few more do not start a third."""
    desk.open.clear()
    tasks = [asyncio.create_task(batcher.submit(n)) for n in range(100)]
    await _turns()
    assert [len(batch) for batch in desk.batches] == [50, 50]
    tasks += [asyncio.create_task(batcher.submit(n)) for n in range(100, 150)]
    await _turns()
    assert len(desk.batches) == 2
    desk.open.set()
    assert await asyncio.gather(*tasks) == [n * 10 for n in range(150)]


async def test_a_few_wait_for_the_flush_under_way(batcher: Batcher[int, int], desk: Desk) -> None:
    """A second flush is begun for a crowd only: fewer share a commit when the first is back."""
    desk.open.clear()
    tasks = [asyncio.create_task(batcher.submit(n)) for n in range(3)]
    await _turns()
    tasks += [asyncio.create_task(batcher.submit(n)) for n in range(3, 20)]
    await _turns()
    assert [len(batch) for batch in desk.batches] == [3]
    desk.open.set()
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in desk.batches] == [3, 17]


async def test_stop_waits_for_every_flush(batcher: Batcher[int, int], desk: Desk) -> None:
    """Stopping answers both flushes that are under way, and the request that insists."""
    desk.locked = {7}
    tasks = [asyncio.create_task(batcher.submit(70))]
    await _turns()
    desk.open.clear()
    tasks += [asyncio.create_task(batcher.submit(n)) for n in range(100, 200)]
    await _turns()
    stopping = asyncio.create_task(batcher.stop())
    await _turns()
    assert not stopping.done()
    desk.locked = set()
    desk.open.set()
    await stopping
    assert await asyncio.gather(*tasks) == [700, *(n * 10 for n in range(100, 200))]


async def test_who_waits_behind_an_absent_database_ends_at_its_deadline(
    batcher: Batcher[int, int], desk: Desk
) -> None:
    """The queue behind a flush that can't be answered is not kept longer than promised."""
    desk.is_away = True
    began = clock.monotonic()
    first = [asyncio.create_task(batcher.submit(n)) for n in range(400)]
    await _turns()
    late = asyncio.create_task(batcher.submit(999))
    results = await asyncio.gather(*first, late, return_exceptions=True)
    assert {type(result) for result in results} == {DatabaseUnavailable}
    assert clock.monotonic() - began < 2
    desk.is_away = False
    assert await batcher.submit(1) == 10


async def test_who_may_not_linger_is_not_kept_by_a_full_batch(desk: Desk) -> None:
    """Of more requests than one flush takes the rest goes on at once, lingering or not."""
    batcher: Batcher[int, int] = Batcher(desk.flush, name="desk", batch_max=2, linger_seconds=60)
    await batcher.start()
    async with asyncio.timeout(5):
        submitted = [batcher.submit(n) for n in range(5)]
        assert await asyncio.gather(*submitted) == [0, 10, 20, 30, 40]
    await batcher.stop()


async def test_how_long_it_is_silent_is_known(
    batcher: Batcher[int, int], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first flush that fails to the next that is answered; untried, it may be well."""
    desk.is_away = True
    began = clock.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await batcher.submit(1)
    assert 0.4 < batcher.load.silent_seconds <= clock.monotonic() - began
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now + 16)
    assert batcher.load.silent_seconds == 0
    monkeypatch.undo()
    assert batcher.load.silent_seconds > 0.4
    desk.is_away = False
    assert await batcher.submit(1) == 10
    assert batcher.load.silent_seconds == 0


async def test_only_what_is_locked_is_waited_for(desk: Desk) -> None:
    """Of a request's keys those that are free hold up nobody; a locked one is not asked in vain."""
    batcher: Batcher[int, int] = Batcher(
        desk.flush, name="desk", keys=lambda request: [request // 10, "shared"], locked=desk.look
    )
    await batcher.start()
    desk.locked = {7}
    waiting = asyncio.create_task(batcher.submit(70))
    await _turns()
    assert await batcher.submit(10) == 100
    later = asyncio.create_task(batcher.submit(71))
    await clock.sleep(0.15)
    assert desk.batches == [[70], [10]]
    assert not later.done()
    desk.locked = set()
    assert [await waiting, await later] == [700, 710]
    await batcher.stop()
