"""Group commit: many callers, one flush at a time; used by the ledger's teller and the journal.

The first request goes at once; those that come while it is under way go together in the next
flush. So an idle system adds no delay, and a busy one shares its commits. Requests that nobody
waits for on the telephone may linger a moment, to share a commit on a quiet system too.
"""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from callctl import clock
from callctl.errors import DatabaseUnavailable

Request = TypeVar("Request")
Answer = TypeVar("Answer")

LINGER_SECONDS = 0.05  # what nobody waits for shares a commit with others of this time
_BACK_OFF_SECONDS = (0.02, 0.1, 0.3, 1.0)
_log = structlog.get_logger()


@dataclass(order=True, slots=True)
class _Entry(Generic[Request, Answer]):
    """A request that waits; ordered by priority, then by its coming."""

    priority: int
    position: int
    request: Request = field(compare=False)
    answer: asyncio.Future[Answer] = field(compare=False)
    give_up_at: float = field(compare=False)


class Batcher(Generic[Request, Answer]):
    """Gathers requests and hands them to `flush`, which returns one answer each, in order.

    `flush` runs in the batcher's own task: a cancelled caller cancels nothing. When it raises
    DatabaseUnavailable the same requests are sent again (their ids make that safe) until each
    request's deadline. After any other error the flush is tried in halves, so that it reaches only
    the caller whose request it is.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Request]], Awaitable[Sequence[Answer]]],
        *,
        name: str,
        batch_max: int = 256,
        queue_max: int = 20_000,
        deadline_seconds: float = 10.0,
        linger_seconds: float = 0.0,
    ) -> None:
        self._flush = flush
        self._name = name
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._deadline_seconds = deadline_seconds
        self._linger_seconds = linger_seconds
        self._hurry = asyncio.Event()  # somebody waits for the next flush, or it is full
        self._positions = itertools.count()
        self._queue: list[_Entry[Request, Answer]] = []
        self._awake = asyncio.Event()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to flush; what was submitted before waits for this."""
        self._is_stopping = False
        self._task = asyncio.create_task(self._run(), name=f"batcher {self._name}")

    async def stop(self) -> None:
        """Take no more requests, answer those taken, end; at the latest at their deadline."""
        self._is_stopping = True
        self._awake.set()
        self._hurry.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.shield(task)

    async def submit(
        self, request: Request, *, priority: int = 0, may_linger: bool = False
    ) -> Answer:
        """Have `request` flushed; lower `priority` goes first when more wait than one flush takes.

        One that `may_linger` waits up to `linger_seconds` for others to share its flush with.

        Raises DatabaseUnavailable: at once when the queue is full or the batcher stops (nothing
        was done), else at the deadline (then whether it was done is unknown).
        """
        if self._is_stopping or len(self._queue) >= self._queue_max:
            why = "is stopping" if self._is_stopping else f"has {self._queue_max} requests waiting"
            raise DatabaseUnavailable(f"the {self._name} {why}; nothing was done")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        give_up_at = clock.monotonic() + self._deadline_seconds
        entry = _Entry(priority, next(self._positions), request, answer, give_up_at)
        heapq.heappush(self._queue, entry)
        self._awake.set()
        if not may_linger or len(self._queue) >= self._batch_max:
            self._hurry.set()
        return await answer  # a cancelled caller drops its answer, not its request

    @property
    def waiting(self) -> int:
        """How many requests wait for the next flush."""
        return len(self._queue)

    async def _run(self) -> None:
        while self._queue or not self._is_stopping:
            if not self._queue:
                self._awake.clear()
                await self._awake.wait()
                continue
            if self._linger_seconds and not self._is_stopping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._linger_seconds):
                        await self._hurry.wait()
            self._hurry.clear()
            count = min(self._batch_max, len(self._queue))
            batch = [heapq.heappop(self._queue) for _ in range(count)]
            await self._answer(_without_overdue(batch, "nothing was done: it waited too long"))

    async def _answer(self, batch: list[_Entry[Request, Answer]]) -> None:
        """Flush until answered; those whose deadline has come get the error and leave."""
        failures = 0
        while batch:
            try:
                answers = await self._flush([entry.request for entry in batch])
                _hand_out(batch, answers)
            except DatabaseUnavailable as error:
                batch = _without_overdue(batch, str(error))
                delay = _BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS) - 1)]
                failures += 1
                _log.warning(
                    "flush_failed", batcher=self._name, requests=len(batch), error=str(error)
                )
                if batch:
                    await clock.sleep(delay)
            except Exception as error:  # noqa: BLE001 - it belongs to the callers, not to this task
                if len(batch) == 1:
                    _refuse(batch[0], error)
                    return
                middle = len(batch) // 2  # one request poisons the flush: find it, spare the others
                await self._answer(batch[:middle])
                batch = batch[middle:]
            else:
                return


def _hand_out(batch: list[_Entry[Request, Answer]], answers: Sequence[Answer]) -> None:
    for entry, answer in zip(batch, answers, strict=True):
        if not entry.answer.done():
            entry.answer.set_result(answer)


def _without_overdue(
    batch: list[_Entry[Request, Answer]], why: str
) -> list[_Entry[Request, Answer]]:
    """Refuse the entries whose deadline has come; return the others."""
    now = clock.monotonic()
    for entry in batch:
        if entry.give_up_at <= now:
            _refuse(entry, DatabaseUnavailable(why))
    return [entry for entry in batch if entry.give_up_at > now]


def _refuse(entry: _Entry[Request, Answer], error: Exception) -> None:
    if not entry.answer.done():
        entry.answer.set_exception(error)
        entry.answer.exception()  # counts as seen: the caller may have gone
