"""CDRs that PostgreSQL can't take wait in a file, however long it is away; opened by app.

Each process adds to a file of its own, a line of JSON for each CDR, and keeps it locked; it writes
them to PostgreSQL when that is back. What a dead process left is written by any switch that has
the same folder. One that is written twice is one: callctl_journal_v3.
"""

import asyncio
import errno
import fcntl
import os
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg
import orjson
import structlog

from callctl import clock
from callctl.cdr.journal import Journal, WaitedCdr
from callctl.cdr.record import Cdr
from callctl.db.batch import Batcher
from callctl.db.pool import Database
from callctl.errors import CallctlError, DatabaseUnavailable, Superseded
from callctl.values.ids import new_id

_PATIENCE_SECONDS = 3.0  # for PostgreSQL, while it is not known to be away
_BYTES_MAX = 512 << 20  # some 300,000 refused calls
_WAITING_MAX = 1000  # for the disk
_READ_BYTES = 256 << 10  # at a time
_LOOK_SECONDS = 1.0
_LEFT_SECONDS = 10.0  # how often one looks for what dead processes left
_FIRST_SECONDS_MAX = 1.0  # who talks waits for the switch meanwhile, and his paid time runs
_SUFFIX = ".jsonl"
_log = structlog.get_logger()


class Spool:
    """The way of this process's CDRs to PostgreSQL. `is_up` says whether that has answered lately.

    `waiting_count` CDRs are in the file; `lost_count` are in the log and nowhere else, because
    the disk or the file was full, or because PostgreSQL refused them.
    """

    def __init__(
        self,
        journal: Journal,
        folder: Path,
        *,
        is_up: Callable[[], bool],
        bytes_max: int = _BYTES_MAX,
    ) -> None:
        self._journal = journal
        self._is_up = is_up
        self._file = _File(folder, bytes_max)
        self._batcher: Batcher[bytes, None] = Batcher(
            self._append, name="spool", queue_max=_WAITING_MAX
        )
        self._offset = 0  # of the file, what PostgreSQL has
        self.waiting_count = 0
        self.lost_count = 0

    async def start(self) -> None:
        """Begin to take CDRs."""
        await self._batcher.start()

    async def stop(self) -> None:
        """Have on disk what was handed in; what is left in the file is the next run's."""
        await self._batcher.stop()
        await asyncio.to_thread(self._file.close)

    async def write(self, cdr: Cdr) -> None:
        """Return once `cdr` is durable: in PostgreSQL, or, while that is silent, in the file."""
        if self._is_up():
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    return await self._journal.write(cdr)
            except (DatabaseUnavailable, TimeoutError):
                pass
            except (CallctlError, asyncpg.PostgresError) as error:
                return self._lose(_to_line(cdr), error)
        line = _to_line(cdr)
        try:
            await self._batcher.submit(line)
        except (OSError, DatabaseUnavailable) as error:
            self._lose(line, error)

    async def run(self) -> None:
        """Write to PostgreSQL what waits, until cancelled; raises Superseded."""
        while True:
            await clock.sleep(_LOOK_SECONDS)
            if self.waiting_count and self._is_up():
                try:
                    await self._empty()
                except (DatabaseUnavailable, OSError) as error:
                    _log.warning("cdrs_wait", cdrs=self.waiting_count, error=str(error))

    async def _empty(self) -> None:
        written = 0
        while lines := await asyncio.to_thread(self._file.read, self._offset):
            self.lost_count += await _write(self._journal, lines)
            self._offset += sum(map(len, lines))
            self.waiting_count -= len(lines)
            written += len(lines)
        if await asyncio.to_thread(self._file.clear, self._offset):
            self._offset = 0
        _log.info("waiting_cdrs_written", cdrs=written)

    async def _append(self, lines: Sequence[bytes]) -> list[None]:
        await asyncio.to_thread(self._file.append, lines)
        if not self.waiting_count:
            _log.warning("cdrs_wait", path=str(self._file.path))
        self.waiting_count += len(lines)
        return [None] * len(lines)

    def _lose(self, line: bytes, error: Exception) -> None:
        self.lost_count += 1
        _lost(line, error)


class LeftCdrs:
    """What processes that are dead have left in the folder."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._busy = asyncio.Lock()

    async def write_first(self) -> None:
        """Write it before abandoned calls are ended anew; a long file goes on being written."""
        with suppress(OSError):  # in time or not, the calls that live come first
            async with asyncio.timeout(_FIRST_SECONDS_MAX):
                await self.write()

    async def write(self) -> None:
        """Write it to PostgreSQL, and delete the files; raises DatabaseUnavailable, OSError."""
        async with self._busy:
            paths = await asyncio.to_thread(lambda: sorted(self._folder.glob(f"*{_SUFFIX}")))
            for path in paths:
                descriptor = await asyncio.to_thread(_claim, path)
                if descriptor is not None:
                    await self._write(path, descriptor)

    async def keep_writing(self) -> None:
        """Do so now and then until cancelled, also while another switch owns the Asterisk."""
        while True:
            try:
                await self.write()
            except (DatabaseUnavailable, OSError) as error:
                _log.warning("left_cdrs_wait", error=str(error))
            await clock.sleep(_LEFT_SECONDS)

    async def _write(self, path: Path, descriptor: int) -> None:
        journal = Journal(self._database)  # of no owner: anybody may write what has ended
        await journal.start()
        try:
            offset, written = 0, 0
            while lines := await asyncio.to_thread(_read, descriptor, offset):
                await _write(journal, lines)
                offset, written = offset + sum(map(len, lines)), written + len(lines)
            await asyncio.to_thread(path.unlink, missing_ok=True)
        finally:
            os.close(descriptor)
            await journal.stop()
        _log.info("waiting_cdrs_written", cdrs=written, path=str(path))


async def _write(journal: Journal, lines: Sequence[bytes]) -> int:
    """Have lines written; how many are in the log instead. Raises what another try may mend."""
    refused, entries = 0, []
    for line in lines:
        try:
            entries.append((line, WaitedCdr(uuid.UUID(orjson.loads(line)["call_id"]), line)))
        except (ValueError, TypeError, KeyError) as error:  # the disk has damaged it
            refused += 1
            _lost(line, error)
    answers = await asyncio.gather(
        *(journal.write(entry) for _, entry in entries), return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, DatabaseUnavailable | Superseded):
            raise answer
    for (line, _), answer in zip(entries, answers, strict=True):
        if isinstance(answer, Exception):
            refused += 1
            _lost(line, answer)
    return refused


def _to_line(cdr: Cdr) -> bytes:
    return orjson.dumps(cdr, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _lost(line: bytes, error: Exception) -> None:
    text = line.decode(errors="replace").rstrip("\n")
    _log.error("cdr_not_written", error=str(error), cdr=text)


class _File:
    """This process's file, made when it is needed. Its methods are for threads: they wait."""

    def __init__(self, folder: Path, bytes_max: int) -> None:
        self.path = folder / f"{new_id().hex}{_SUFFIX}"
        self._bytes_max = bytes_max
        self._descriptor: int | None = None
        self._size = 0
        self._busy = threading.Lock()

    def append(self, lines: Sequence[bytes]) -> None:
        """Add all of them durably, or none; raises OSError."""
        data = b"".join(lines)
        with self._busy:
            if self._size + len(data) > self._bytes_max:
                raise OSError(errno.EFBIG, f"{self.path} has {self._size} bytes, as many as it may")
            if self._descriptor is None:
                self._descriptor = _make(self.path)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
                os.fsync(self._descriptor)
            except OSError:
                os.ftruncate(self._descriptor, self._size)
                raise
            self._size += len(data)

    def read(self, offset: int) -> list[bytes]:
        """Some lines from there on, or none."""
        with self._busy:
            return [] if self._descriptor is None else _read(self._descriptor, offset)

    def clear(self, offset: int) -> bool:
        """Empty it, unless there is more than so many bytes; whether it is empty."""
        with self._busy:
            if self._descriptor is None or self._size != offset:
                return False
            os.ftruncate(self._descriptor, 0)
            self._size = 0
            return True

    def close(self) -> None:
        """Leave it to the next run, if there is something in it."""
        with self._busy:
            if self._descriptor is not None:
                if not self._size:
                    self.path.unlink(missing_ok=True)
                os.close(self._descriptor)
                self._descriptor = None


def _make(path: Path) -> int:
    """A new file, locked by us before anybody else can take it for a dead one's."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    unseen = path.with_suffix(".new")
    descriptor = os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unseen.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return descriptor


def _claim(path: Path) -> int | None:
    """The file, now locked by us; None while its process lives."""
    with suppress(FileNotFoundError, BlockingIOError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise
        return descriptor
    return None


def _read(descriptor: int, offset: int) -> list[bytes]:
    """Whole lines from there on; one that a crash has cut short was promised to nobody."""
    size = _READ_BYTES
    while True:
        data = os.pread(descriptor, size, offset)
        end = data.rfind(b"\n") + 1
        if end or len(data) < size:
            return data[:end].splitlines(keepends=True)
        size *= 2  # a long line
