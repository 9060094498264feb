"""Group commit: what goes together, what waits, what a lost answer or a cancelled caller does."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from callctl.db.batch import Batcher
from callctl.errors import DatabaseUnavailable


class Till:
    """A flush that records its batches, and waits or fails when told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.failures: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()
        self.entered = asyncio.Event()

    async def flush(self, requests: Sequence[int]) -> list[int]:
        """Answer each request with its tenfold."""
        self.batches.append(list(requests))
        self.entered.set()
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        return [request * 10 for request in requests]


@pytest.fixture
def till() -> Till:
    """A flush that answers at once."""
    return Till()


@pytest.fixture
async def batcher(till: Till) -> AsyncIterator[Batcher[int, int]]:
    """A batcher with small limits over `till`."""
    batcher: Batcher[int, int] = Batcher(
        till.flush, name="till", batch_max=3, queue_max=5, deadline_seconds=0.2
    )
    await batcher.start()
    yield batcher
    till.open.set()
    await batcher.stop()


async def _until_waiting(batcher: Batcher[int, int], count: int) -> None:
    for _ in range(100):  # turns of the loop, no time
        if batcher.waiting == count:
            return
        await asyncio.sleep(0)
    assert batcher.waiting == count


async def test_batch_requests_of_one_moment_go_together(
    batcher: Batcher[int, int], till: Till
) -> None:
    """Requests handed in before the loop turns share one flush; each gets its own answer."""
    assert await asyncio.gather(*(batcher.submit(n) for n in (1, 2, 3))) == [10, 20, 30]
    assert till.batches == [[1, 2, 3]]


async def test_batch_first_goes_at_once_the_rest_wait_for_it(
    batcher: Batcher[int, int], till: Till
) -> None:
    """A lone request is not kept waiting; those that come meanwhile are gathered, in order."""
    till.open.clear()
    first = asyncio.create_task(batcher.submit(1))
    await till.entered.wait()
    assert till.batches == [[1]]
    rest = [asyncio.create_task(batcher.submit(n)) for n in (2, 3, 4, 5)]
    await _until_waiting(batcher, 4)
    till.open.set()

    assert await asyncio.gather(first, *rest) == [10, 20, 30, 40, 50]
    assert till.batches == [[1], [2, 3, 4], [5]]


async def test_batch_urgent_requests_pass_the_others(
    batcher: Batcher[int, int], till: Till
) -> None:
    """When more wait than one flush takes, the lower priority number goes first."""
    till.open.clear()
    tasks = [asyncio.create_task(batcher.submit(1))]
    await till.entered.wait()
    tasks += [asyncio.create_task(batcher.submit(n, priority=2)) for n in (2, 3, 4)]
    tasks += [asyncio.create_task(batcher.submit(n, priority=0)) for n in (5, 6)]
    await _until_waiting(batcher, 5)
    till.open.set()
    await asyncio.gather(*tasks)

    assert till.batches == [[1], [5, 6, 2], [3, 4]]


async def test_batch_queue_full_refuses_at_once(batcher: Batcher[int, int], till: Till) -> None:
    """The queue has a bound; who comes too late is told that nothing was done."""
    till.open.clear()
    tasks = [asyncio.create_task(batcher.submit(0))]
    await till.entered.wait()
    tasks += [asyncio.create_task(batcher.submit(n)) for n in range(1, 6)]
    await _until_waiting(batcher, 5)

    with pytest.raises(DatabaseUnavailable, match="nothing was done"):
        await batcher.submit(6)
    till.open.set()
    assert len(await asyncio.gather(*tasks)) == 6


async def test_batch_caller_cancelled_its_request_is_done(
    batcher: Batcher[int, int], till: Till
) -> None:
    """Cancelling a caller cancels neither its own request nor its neighbours'."""
    till.open.clear()
    cancelled = asyncio.create_task(batcher.submit(1))
    await till.entered.wait()
    waiting = asyncio.create_task(batcher.submit(2))
    other = asyncio.create_task(batcher.submit(3))
    await _until_waiting(batcher, 2)
    cancelled.cancel()
    waiting.cancel()
    till.open.set()

    assert await other == 30
    assert till.batches == [[1], [2, 3]]
    assert cancelled.cancelled()
    assert waiting.cancelled()


async def test_batch_lost_answer_sends_the_same_requests_again(
    batcher: Batcher[int, int], till: Till
) -> None:
    """After DatabaseUnavailable the very same batch goes again; the callers see only success."""
    till.failures = [DatabaseUnavailable("gone"), DatabaseUnavailable("still")]

    answers = await asyncio.gather(batcher.submit(1), batcher.submit(2))
    assert tuple(answers) == (10, 20)
    assert till.batches == [[1, 2]] * 3


async def test_batch_deadline_ends_the_tries(batcher: Batcher[int, int], till: Till) -> None:
    """A database that stays away: the caller gets DatabaseUnavailable, and the batcher lives."""
    till.failures = [DatabaseUnavailable(f"try {n}") for n in range(20)]
    with pytest.raises(DatabaseUnavailable, match="try"):
        await batcher.submit(1)
    assert 2 <= len(till.batches) < 20

    till.failures = []
    assert await batcher.submit(2) == 20


async def test_batch_other_errors_go_to_the_callers_of_that_flush(
    batcher: Batcher[int, int], till: Till
) -> None:
    """An error that a retry can't mend is not retried, and the next flush is unharmed."""
    till.failures = [ValueError("mistake")]
    with pytest.raises(ValueError, match="mistake"):
        await batcher.submit(1)

    assert await batcher.submit(2) == 20
    assert till.batches == [[1], [2]]


async def test_batch_stop_answers_what_was_taken(batcher: Batcher[int, int], till: Till) -> None:
    """Stopping drains: those who were taken are answered, those who come later are refused."""
    till.open.clear()
    tasks = [asyncio.create_task(batcher.submit(n)) for n in (1, 2, 3, 4)]
    await till.entered.wait()
    stopping = asyncio.create_task(batcher.stop())
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailable, match="stopping"):
        await batcher.submit(5)
    till.open.set()
    await stopping

    assert await asyncio.gather(*tasks) == [10, 20, 30, 40]


async def test_batch_poisoned_flush_spares_the_others() -> None:
    """A request that no flush survives fails alone; its neighbours are answered."""

    async def flush(requests: Sequence[int]) -> list[int]:
        if 2 in requests:
            raise ValueError("mistake")
        return [request * 10 for request in requests]

    batcher: Batcher[int, int] = Batcher(flush, name="till")
    await batcher.start()
    submitted = [batcher.submit(n) for n in (1, 2, 3, 4, 5)]
    answers = await asyncio.gather(*submitted, return_exceptions=True)
    await batcher.stop()

    assert [answer for n, answer in enumerate(answers, 1) if n != 2] == [10, 30, 40, 50]
    assert isinstance(answers[1], ValueError)


async def test_batch_lingering_requests_share_a_flush(till: Till) -> None:
    """Requests that may linger wait for each other; one that may not takes them all along."""
    batcher: Batcher[int, int] = Batcher(till.flush, name="till", linger_seconds=60)
    await batcher.start()
    lazy = [asyncio.create_task(batcher.submit(n, may_linger=True)) for n in (1, 2)]
    await _until_waiting(batcher, 2)
    assert till.batches == []

    assert await batcher.submit(3) == 30
    assert await asyncio.gather(*lazy) == [10, 20]
    assert till.batches == [[1, 2, 3]]
    await batcher.stop()


async def test_batch_lingers_no_longer_than_told(till: Till) -> None:
    """A lone lingering request goes by itself after its time, and at once when the end comes."""
    batcher: Batcher[int, int] = Batcher(till.flush, name="till", linger_seconds=0.01)
    await batcher.start()
    async with asyncio.timeout(5):
        assert await batcher.submit(1, may_linger=True) == 10
    await batcher.stop()

    slow: Batcher[int, int] = Batcher(till.flush, name="till", linger_seconds=60)
    await slow.start()
    last = asyncio.create_task(slow.submit(2, may_linger=True))
    await _until_waiting(slow, 1)
    async with asyncio.timeout(5):
        await slow.stop()
        assert await last == 20
