"""The file in which CDRs wait: whole lines or none, bounded, locked while its process lives."""

import os
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from structlog.testing import capture_logs

from callctl.cdr import Cdr, Journal, Spool
from callctl.cdr.spool import _claim, _File, _read
from callctl.errors import DatabaseUnavailable, LedgerError
from tests.unit.cdr_samples import refused_cdr

LINES = [b'{"call_id": 1}\n', b'{"call_id": 2}\n']


class _Silent:
    """A journal whose PostgreSQL does not answer, or answers with an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def write(self, _: Cdr) -> None:
        raise self.error


def _spool(folder: Path, error: Exception | None = None, **settings: Any) -> Spool:
    journal = cast(Journal, _Silent(error or DatabaseUnavailable("away")))
    return Spool(journal, folder, is_up=lambda: error is not None, **settings)


def _waiting(folder: Path) -> list[str]:
    return [
        str(orjson.loads(line)["call_id"])
        for path in folder.glob("*.jsonl")
        for line in path.read_bytes().splitlines()
    ]


@pytest.mark.parametrize("is_known", [True, False])
async def test_what_can_not_be_written_waits_in_the_file(tmp_path: Path, *, is_known: bool) -> None:
    """At once when PostgreSQL is known to be away, else when it does not take the CDR."""
    cdrs = [refused_cdr(n) for n in range(5)]
    spool = _spool(tmp_path, None if is_known else DatabaseUnavailable("away"))
    await spool.start()
    for cdr in cdrs:
        await spool.write(cdr)
    assert _waiting(tmp_path) == [str(cdr.call_id) for cdr in cdrs]
    assert (spool.waiting_count, spool.lost_count) == (5, 0)
    await spool.stop()
    assert len(_waiting(tmp_path)) == 5, "it is for the next run"


async def test_nothing_waits_nothing_is_left(tmp_path: Path) -> None:
    """Without an outage there is no file, and no folder either."""
    spool = _spool(tmp_path / "cdrs")
    await spool.start()
    await spool.stop()
    assert not (tmp_path / "cdrs").exists()


async def test_what_has_no_room_is_in_the_log(tmp_path: Path) -> None:
    """The file has a bound; beyond it the whole CDR is a line of the log, and is counted."""
    cdrs = [refused_cdr(n) for n in range(4)]
    size = len(orjson.dumps(cdrs[0])) + 50
    spool = _spool(tmp_path, bytes_max=2 * size)
    await spool.start()
    with capture_logs() as logged:
        for cdr in cdrs:
            await spool.write(cdr)
    await spool.stop()
    lost = [orjson.loads(one["cdr"]) for one in logged if one["event"] == "cdr_not_written"]
    assert [one["call_id"] for one in lost] == [str(cdr.call_id) for cdr in cdrs[2:]]
    assert lost[0]["legs"][0]["number"] == cdrs[2].legs[0].number
    assert (spool.waiting_count, spool.lost_count) == (2, 2)


async def test_what_postgresql_refuses_is_in_the_log(tmp_path: Path) -> None:
    """It would be refused again: it does not wait."""
    spool = _spool(tmp_path, LedgerError("no such column"))
    await spool.start()
    with capture_logs() as logged:
        await spool.write(refused_cdr())
    await spool.stop()
    assert [one["event"] for one in logged] == ["cdr_not_written"]
    assert (spool.waiting_count, spool.lost_count) == (0, 1)


async def test_a_full_disk_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be made durable is taken back; what comes later is whole."""
    spool = _spool(tmp_path)
    await spool.start()
    first, lost, later = (refused_cdr(n) for n in range(3))
    await spool.write(first)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        await spool.write(lost)
    await spool.write(later)
    assert _waiting(tmp_path) == [str(first.call_id), str(later.call_id)]
    assert (spool.waiting_count, spool.lost_count) == (2, 1)
    await spool.stop()


def test_whole_lines_are_read(tmp_path: Path) -> None:
    """A line that a crash cut short is none; a long one is read in one piece."""
    path = tmp_path / "x.jsonl"
    long_line = b"x" * 1_000_000 + b"\n"
    path.write_bytes(b"".join([*LINES, long_line, b'{"call']))
    with path.open("rb") as file:
        found, offset = [], 0
        while lines := _read(file.fileno(), offset):
            found += lines
            offset += sum(map(len, lines))
    assert found == [*LINES, long_line]


def test_a_living_process_keeps_its_file(tmp_path: Path) -> None:
    """Nobody else takes it before its end."""
    file = _File(tmp_path, 1000)
    file.append(LINES)
    assert _claim(file.path) is None
    file.close()
    descriptor = _claim(file.path)
    assert descriptor is not None
    os.close(descriptor)
    assert _claim(tmp_path / "gone.jsonl") is None


def test_what_comes_while_it_is_emptied_stays(tmp_path: Path) -> None:
    """It is emptied only of what was read."""
    file = _File(tmp_path, 1000)
    file.append(LINES[:1])
    offset = len(b"".join(file.read(0)))
    file.append(LINES[1:])
    assert not file.clear(offset)
    assert file.read(offset) == LINES[1:]
    assert file.clear(offset + len(LINES[1]))
    assert file.read(0) == []
    file.close()
    assert not file.path.exists()
