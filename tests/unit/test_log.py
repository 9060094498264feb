"""A log that calls do not wait for: what is lost while nobody reads it, and what is told."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

import pytest

from callctl import clock, log
from callctl.log import PatientStream

_PIPE_BYTES = 4096
_LINES_MAX = 10
_SECONDS_MAX = 5.0


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A pipe with a name, so that its reader may go and come again."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def reader(fifo: Path) -> Iterator[int]:
    """A reader of the pipe, which reads when the test says so."""
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def stream(fifo: Path, reader: int) -> Iterator[TextIO]:
    """What a process writes its log to."""
    with fifo.open("w") as opened:
        yield opened


def _line(number: int, size: int = 0) -> str:
    return json.dumps({"event": "line", "number": number, "size": "x" * size}) + "\n"


def _read_until(descriptor: int, number: int) -> list[dict[str, Any]]:
    """Each line up to that of this number; every one must be whole."""
    text, deadline = "", clock.monotonic() + _SECONDS_MAX
    while f'"number": {number},' not in text or not text.endswith("\n"):
        assert clock.monotonic() < deadline, text
        try:
            text += os.read(descriptor, 65536).decode()
        except BlockingIOError:
            continue
    return [json.loads(line) for line in text.splitlines() if line]


def test_who_writes_does_not_wait_and_hears_later_what_was_lost(
    stream: TextIO, reader: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stuck reader costs lines; what was kept comes in order, then how many were not."""
    monkeypatch.setattr(log, "_LINES_MAX", _LINES_MAX)
    patient = PatientStream(stream)
    began = clock.monotonic()
    for number in range(100):
        patient.write(_line(number, 200))
    assert clock.monotonic() - began < 0.5
    patient.drain()  # the pipe and the queue are full, and stay so

    kept = _read_until(reader, 0)
    patient.drain()
    patient.write(_line(100))
    kept += _read_until(reader, 100)
    [told] = [one for one in kept if one["event"] == "log_lines_dropped"]
    numbers = [one["number"] for one in kept if one["event"] == "line"]
    assert numbers == [*range(len(numbers) - 1), 100]
    assert told == {"event": "log_lines_dropped", "level": "error", "lines": 101 - len(numbers)}


def test_all_that_failed_is_told_at_once_when_there_is_a_reader_again(
    fifo: Path, reader: int, stream: TextIO
) -> None:
    """However often the writing failed meanwhile."""
    patient = PatientStream(stream)
    patient.write(_line(0))
    _read_until(reader, 0)
    null = os.open(os.devnull, os.O_RDONLY)
    with closing(os.fdopen(null)):
        os.dup2(null, reader)  # nobody reads the pipe any more
        for number in range(1, 51):
            patient.write(_line(number))
        patient.drain()
    again = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    patient.write(_line(51))
    told, last = _read_until(again, 51)
    os.close(again)
    assert told["lines"] == 50
    assert last["number"] == 51


def test_a_line_that_the_end_of_the_disk_cut_does_not_spoil_the_next(tmp_path: Path) -> None:
    """What follows begins on a line of its own."""

    class Disk:
        """Takes five bytes of one write, none of the next, then all."""

        def __init__(self) -> None:
            self.written = b""
            self.rooms = [5, 0]

        def write(self, data: bytes) -> int:
            room = self.rooms.pop(0) if self.rooms else len(data)
            if not room:
                raise OSError(28, "No space left on device")
            self.written += data[:room]
            return min(room, len(data))

    disk = Disk()
    with (tmp_path / "log").open("w") as opened:
        patient = PatientStream(opened)
        patient._file = disk  # type: ignore[assignment]
        patient.write(_line(1))
        patient.write(_line(2))
        patient.drain()
    lines = disk.written.decode().splitlines()
    assert [json.loads(one)["event"] for one in lines[1:]] == ["log_lines_dropped", "line"]


def test_the_end_of_a_process_does_not_wait_for_a_stuck_reader(
    stream: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment at most: what is not read by then is lost."""
    monkeypatch.setattr(log, "_LAST_SECONDS_MAX", 0.1)
    patient = PatientStream(stream)
    for number in range(100):
        patient.write(_line(number, 200))
    ending = threading.Thread(target=patient.drain, daemon=True)
    ending.start()
    ending.join(_SECONDS_MAX)
    assert not ending.is_alive()
