"""How callctl logs: one JSON object a line, by structlog; set up once by each process's entry.

One `call_ended` line per call with everything; all else is debug. `call_id` is bound by the
exchange. Telephone numbers are masked by a processor (the last four digits stay off the log).
Calls never wait for the log: a disk that is full or a reader that is stuck costs lines.
"""

import atexit
import logging
import queue
import sys
import threading
from io import FileIO
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

_LINES_MAX = 10_000  # that wait to be written; more are dropped and counted
_LAST_SECONDS_MAX = 1.0  # for what is left at the end of the process
_DROPPED = '{"event": "log_lines_dropped", "level": "error", "lines": %d}\n'
_NUMBER_KEYS = ("caller", "dialled", "number", "digits")


def mask_numbers(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Replace the last four characters of telephone numbers by stars."""
    for key in _NUMBER_KEYS:
        value = event.get(key)
        if isinstance(value, str) and len(value) > 4:
            event[key] = value[:-4] + "****"
    return event


class PatientStream:
    """A stream whose `write` never waits and never fails: a thread of its own writes.

    What could not be written is counted; the next line that can be is after one that tells how
    many were lost. `stream` is a file, pipe or terminal; it is written without its buffer, which
    would keep parts of lines and, at the end of a process whose reader is stuck, its lock.
    """

    def __init__(self, stream: TextIO) -> None:
        self._file = FileIO(stream.fileno(), "w", closefd=False)
        self._lines: queue.Queue[str] = queue.Queue(_LINES_MAX)
        self._refused = 0  # counted by who writes: no room in the queue
        self._failed = 0  # by the thread, as is how many of both it has told of
        self._told = 0
        self._is_torn = False  # the disk was full in the midst of a line
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.drain)

    def write(self, text: str) -> int:
        """Have `text` written soon."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._refused += 1
        return len(text)

    def flush(self) -> None:
        """Nothing: who writes must not wait."""

    def drain(self) -> None:
        """Wait, for a second at most, until all is written."""
        lines = self._lines
        with lines.all_tasks_done:
            lines.all_tasks_done.wait_for(lambda: not lines.unfinished_tasks, _LAST_SECONDS_MAX)

    def _run(self) -> None:
        while True:
            text = self._lines.get()
            dropped = self._refused + self._failed - self._told
            try:
                self._put((_DROPPED % dropped if dropped else "") + text)
            except OSError:  # no room, no reader
                self._failed += 1
            else:
                self._told += dropped
            self._lines.task_done()

    def _put(self, text: str) -> None:
        data = (("\n" if self._is_torn else "") + text).encode()
        written = 0
        while written < len(data):
            count = self._file.write(data[written:])
            if count is None:
                raise BlockingIOError("its reader is stuck, and it does not wait")
            written += count
            self._is_torn = True
        self._is_torn = False


class _StandardError:
    """Whatever sys.stderr is at the moment: a command may run in a process that changes it."""

    def write(self, text: str) -> int:
        """Write to it."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush it."""
        sys.stderr.flush()


def configure(
    level: str = "info", stream: TextIO | None = None, *, is_patient: bool = False
) -> None:
    """Set structlog up for this process; `level` is a name of the logging module's levels.

    `is_patient`: the process has calls, which must not wait for its log.
    """
    target: Any = stream or _StandardError()
    if is_patient:
        target = PatientStream(stream or sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            mask_numbers,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=True,
    )
