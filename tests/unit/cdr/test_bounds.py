"""The bounds of the spool: how long PostgreSQL is waited for, and how much waits for the disk."""

import asyncio
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from callctl.cdr import Cdr, Journal, LeftCdrs, Spool, spool
from callctl.db.pool import Database
from tests.unit.cdr_samples import refused_cdr

_SOON, _SECONDS_MAX = 0.05, 5.0


class _Silent:
    """A journal whose PostgreSQL never answers."""

    async def write(self, _: Cdr) -> None:
        await asyncio.Event().wait()


def _spool(folder: Path, *, is_up: bool) -> Spool:
    return Spool(cast(Journal, _Silent()), folder, is_up=lambda: is_up)


async def test_a_cdr_does_not_wait_for_a_silent_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not known to be away and not answering, it is waited for a moment; then the file has it."""
    monkeypatch.setattr(spool, "_PATIENCE_SECONDS", _SOON)
    made = _spool(tmp_path, is_up=True)
    await made.start()
    async with asyncio.timeout(_SECONDS_MAX):
        await made.write(refused_cdr())
    await made.stop()
    assert (made.waiting_count, made.lost_count) == (1, 0)


async def test_what_waits_for_the_disk_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a disk that does not take them so many wait; the one too many is in the log."""
    monkeypatch.setattr(spool, "_WAITING_MAX", 2)
    made = _spool(tmp_path, is_up=False)  # not started yet: its disk takes nothing
    waiting = [asyncio.create_task(made.write(refused_cdr(n))) for n in range(2)]
    await asyncio.sleep(0)
    with capture_logs() as logged:
        async with asyncio.timeout(_SECONDS_MAX):
            await made.write(refused_cdr(2))
    assert [one["event"] for one in logged] == ["cdr_not_written"]

    await made.start()
    await asyncio.gather(*waiting)
    await made.stop()
    assert (made.waiting_count, made.lost_count) == (2, 1)


async def test_what_the_dead_left_does_not_keep_the_living(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start it is written first, for a moment; calls that go on do not wait for more."""
    monkeypatch.setattr(spool, "_FIRST_SECONDS_MAX", _SOON)
    left = LeftCdrs(cast(Database, None), tmp_path)

    async def endless() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(left, "write", endless)
    async with asyncio.timeout(_SECONDS_MAX):
        await left.write_first()


def test_a_file_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its size, so much of it is in memory at a time."""
    monkeypatch.setattr(spool, "_READ_BYTES", 32)
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"call_id": 1}\n' * 100)
    with path.open("rb") as file:
        assert len(spool._read(file.fileno(), 0)) == 2
