"""Group commit: many callers, few flushes; used by the ledger's teller and the journal.

The first request goes at once; those that come while it is under way go together in the next
flush. So an idle system adds no delay, and a busy one shares its commits. Requests that nobody
waits for on the telephone may linger a moment, to share a commit on a quiet system too.
"""

import asyncio
import heapq
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Hashable,
    Iterable,
    Sequence,
)
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, Generic, NamedTuple, TypeVar

import structlog

from callctl import clock
from callctl.errors import DatabaseBusy, DatabaseUnavailable

Request = TypeVar("Request")
Answer = TypeVar("Answer")

LINGER_SECONDS = 0.05  # what nobody waits for shares a commit with others of this time
_BACK_OFF_SECONDS = (0.02, 0.1, 0.3, 1.0)
_BUSY_SECONDS = 0.05  # between two tries of a request whose row somebody else keeps locked
_PARTS = 4  # into which a flush is divided that met such a row
_ASIDE_MAX = 2  # such parts under way at a time, beside the flushes of the others
_OVERLAP_MIN = 32  # a second flush is worth its commit when this many wait
_SILENT_SECONDS_MAX = 3.0  # what nobody has tried again for so long may be well
_WAITED = "nothing was done: it waited too long"
_log = structlog.get_logger()


class Load(NamedTuple):
    """What a batcher has before it, and what it has done since its start."""

    waiting: int
    flush_count: int  # that were answered
    flush_seconds: float  # that these took, together
    silent_seconds: float = 0.0  # since when flushes have been asked for and not answered


@dataclass(slots=True, eq=False)
class _Entry(Generic[Request, Answer]):
    """A request that waits."""

    request: Request
    answer: asyncio.Future[Answer]
    give_up_at: float
    may_linger: bool
    rank: tuple[int, int]  # its priority, then its coming


class Batcher(Generic[Request, Answer]):
    """Gathers requests and hands them to `flush`, which returns one answer each, in order.

    `flush` runs in tasks of the batcher's own: a cancelled caller cancels nothing. When it raises
    DatabaseUnavailable the same requests are sent again (their ids make that safe) until each
    request's deadline. After DatabaseBusy the flush is tried in parts, beside the flushes of the
    others, until the request is found whose row is locked; that one is tried again until its
    deadline, and later ones that share one of its `keys` wait for it. `locked` tells which keys'
    rows are, so that the request waits without disturbing, and others wait for these only. After
    any other error the flush is tried in halves, so that it reaches only the caller whose request
    it is.

    Up to `flushes_max` flushes are under way at a time; with more than one the order of two
    requests that wait at the same time is not kept.
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
        flushes_max: int = 1,
        keys: Callable[[Request], Iterable[Hashable]] = lambda _: (),
        locked: Callable[[Collection[Any]], Awaitable[Iterable[Hashable]]] | None = None,
    ) -> None:
        self._flush = flush
        self._name = name
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._deadline_seconds = deadline_seconds
        self._linger_seconds = linger_seconds
        self._flushes_max = flushes_max
        self._keys = keys
        self._locked = locked
        self._positions = count()
        self._queue: list[tuple[tuple[int, int], _Entry[Request, Answer]]] = []
        self._in_a_hurry = 0  # of the queue, those that may not linger
        self._flushes = 0  # under way, and how many requests they have
        self._flying = 0
        self._flush_count, self._flush_seconds = 0, 0.0
        self._silent_since = self._failed_at = 0.0  # 0: the last flush was answered
        self._aside = asyncio.Semaphore(_ASIDE_MAX)
        self._parked: dict[Hashable, list[_Entry[Request, Answer]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()  # something came, ended or stops
        self._hurry = asyncio.Event()  # somebody waits for the next flush, or it is full
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
        return await self._entered(request, priority, may_linger)  # the request outlives its caller

    def hand_in(self, request: Request) -> None:
        """Have `request` flushed without waiting for it; it may linger.

        Raises DatabaseUnavailable when it can't be taken; what comes later is only logged.
        """
        self._entered(request, 0, may_linger=True)

    def _entered(self, request: Request, priority: int, may_linger: bool) -> asyncio.Future[Answer]:
        if self._is_stopping or self.waiting >= self._queue_max:
            why = "is stopping" if self._is_stopping else f"has {self._queue_max} requests waiting"
            raise DatabaseUnavailable(f"the {self._name} {why}; nothing was done")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        give_up_at = clock.monotonic() + self._deadline_seconds
        rank = (priority, next(self._positions))
        self._enqueue(_Entry(request, answer, give_up_at, may_linger, rank))
        return answer

    @property
    def waiting(self) -> int:
        """How many requests wait for their flush."""
        parked = sum(map(len, self._parked.values())) if self._parked else 0
        return len(self._queue) + parked

    @property
    def load(self) -> Load:
        """For those who watch it."""
        now, silent_seconds = clock.monotonic(), 0.0
        is_tried = self._flushes > 0 or now - self._failed_at < _SILENT_SECONDS_MAX
        if self._silent_since and is_tried:
            silent_seconds = now - self._silent_since
        return Load(self.waiting, self._flush_count, self._flush_seconds, silent_seconds)

    # -- who goes when

    def _enqueue(self, entry: _Entry[Request, Answer]) -> None:
        heapq.heappush(self._queue, (entry.rank, entry))
        self._in_a_hurry += not entry.may_linger
        self._awake.set()
        if not entry.may_linger or len(self._queue) >= self._batch_max:
            self._hurry.set()

    async def _run(self) -> None:
        while self._queue or self._tasks or not self._is_stopping:
            if not (self._queue and self._has_room()):
                self._awake.clear()
                await self._awake.wait()
                continue
            await self._linger()
            batch = self._take()
            if batch:
                self._flushes += 1
                self._flying += len(batch)
                self._start(self._send(batch))

    def _has_room(self) -> bool:
        """Whether another flush may begin: the first at once, a further one when it is worth it."""
        if not self._flushes:
            return True
        return self._flushes < self._flushes_max and len(self._queue) >= _OVERLAP_MIN

    async def _linger(self) -> None:
        if not self._linger_seconds or self._in_a_hurry or self._is_stopping:
            return
        if len(self._queue) < self._batch_max:
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._linger_seconds):
                    await self._hurry.wait()

    def _take(self) -> list[_Entry[Request, Answer]]:
        """The next flush: the first of the queue, as many as leave the other flushes their part."""
        share = -(-(len(self._queue) + self._flying) // self._flushes_max)
        most = min(self._batch_max, max(share, _OVERLAP_MIN))
        batch: list[_Entry[Request, Answer]] = []
        while self._queue and len(batch) < most:
            _, entry = heapq.heappop(self._queue)
            self._in_a_hurry -= not entry.may_linger
            if not self._park(entry):
                batch.append(entry)
        return _without_overdue(batch, _WAITED)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"flush of {self._name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._awake.set()

    # -- what becomes of a flush

    async def _send(self, batch: list[_Entry[Request, Answer]]) -> None:
        try:
            busy = await self._answer(batch)
        finally:
            self._flushes -= 1
            self._flying -= len(batch)
        if busy:
            self._divide(busy)

    async def _answer(self, batch: list[_Entry[Request, Answer]]) -> list[_Entry[Request, Answer]]:
        """Flush until answered; those whose deadline has come get the error and leave.

        Returns those of which one has met a locked row: nothing was done for them.
        """
        failures = 0
        while batch:
            began = clock.monotonic()
            try:
                answers = await self._flush([entry.request for entry in batch])
                self._silent_since = 0.0
                self._flush_count += 1
                self._flush_seconds += clock.monotonic() - began
                _hand_out(batch, answers)
            except DatabaseBusy:
                self._silent_since = 0.0
                return batch
            except DatabaseUnavailable as error:
                self._silent_since, self._failed_at = self._silent_since or began, clock.monotonic()
                batch = _without_overdue(batch, str(error))
                delay = _BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS) - 1)]
                failures += 1
                _log.warning(
                    "flush_failed", batcher=self._name, requests=len(batch), error=str(error)
                )
                self._refuse_overdue()
                if batch:  # not beyond the first deadline, which is promised to the caller
                    left = min(entry.give_up_at for entry in batch) - clock.monotonic()
                    await clock.sleep(max(0.0, min(delay, left)))
            except Exception as error:  # noqa: BLE001 - it belongs to the callers, not to this task
                if len(batch) == 1:
                    _refuse(batch[0], error)
                    return []
                middle = len(batch) // 2  # one request poisons the flush: find it, spare the others
                return await self._answer(batch[:middle]) + await self._answer(batch[middle:])
            else:
                return []
        return []

    # -- rows that somebody else keeps locked

    def _divide(self, batch: list[_Entry[Request, Answer]]) -> None:
        """Try a flush that met a locked row in parts, down to those of one key that met it."""
        groups: dict[Hashable, list[_Entry[Request, Answer]]] = {}
        for entry in batch:
            key = next(iter(self._keys(entry.request)), entry.rank)
            groups.setdefault(key, []).append(entry)
        parts = list(groups.values())
        if len(parts) == 1:
            self._start(self._insist(*parts[0]))
            return
        size = -(-len(parts) // _PARTS)
        for begin in range(0, len(parts), size):
            self._start(self._send_aside(list(chain(*parts[begin : begin + size]))))

    async def _send_aside(self, batch: list[_Entry[Request, Answer]]) -> None:
        async with self._aside:
            batch = [entry for entry in batch if not self._park(entry)]
            busy = await self._answer(_without_overdue(batch, _WAITED))
        if busy:
            self._divide(busy)

    async def _insist(self, *group: _Entry[Request, Answer]) -> None:
        """Try one of them until it is answered or overdue; those that share its keys wait."""
        wanted = {key for entry in group for key in self._keys(entry.request)}
        locked = await self._look(wanted) or wanted
        entry, *others = sorted(group, key=lambda one: locked.isdisjoint(self._keys(one.request)))
        busy = [] if self._park(entry) else [entry]  # else somebody else insists by now
        keys = [key for key in self._keys(entry.request) if key in locked] if busy else []
        self._parked.update((key, []) for key in keys)
        _log.warning("row_locked", batcher=self._name, keys=keys)
        for other in others:
            if not self._park(other):
                self._enqueue(other)
        while busy:
            async with self._aside:
                if not await self._look(keys):
                    busy = await self._answer(busy)
            busy = _without_overdue(busy, "nothing was done: somebody else keeps its rows locked")
            self._refuse_overdue()
            if busy:
                await clock.sleep(_BUSY_SECONDS)
        for key in keys:
            for parked in self._parked.pop(key, ()):
                self._enqueue(parked)

    async def _look(self, keys: Collection[Hashable]) -> set[Hashable]:
        """Those of the keys whose rows are known to be locked."""
        return set(await self._locked(keys)) if self._locked and keys else set()

    def _park(self, entry: _Entry[Request, Answer]) -> bool:
        """Let the request wait if another with one of its keys has met a locked row."""
        if not self._parked:
            return False
        for key in self._keys(entry.request):
            if key in self._parked:
                self._parked[key].append(entry)
                return True
        return False

    def _refuse_overdue(self) -> None:
        """Refuse those whose deadline came while they waited; only a stall makes them wait."""
        now = clock.monotonic()
        if any(entry.give_up_at <= now for _, entry in self._queue):
            waiting = _without_overdue([entry for _, entry in self._queue], _WAITED)
            self._queue = [(entry.rank, entry) for entry in waiting]
            heapq.heapify(self._queue)
            self._in_a_hurry = sum(not entry.may_linger for entry in waiting)
        for key, entries in self._parked.items():
            self._parked[key] = _without_overdue(entries, _WAITED)


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
