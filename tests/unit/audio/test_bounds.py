"""The bounds in which sox runs, with a program of the test's in its place."""

import asyncio
import resource
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from callctl.audio import sox, uploading
from callctl.audio.converting import Converted
from callctl.audio.sox import readable_formats, run_sox
from callctl.audio.uploading import add_audio
from callctl.db.pool import Database
from callctl.errors import InvalidInput

_SECONDS_MAX = 5.0
Program = Callable[[str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Puts a shell script in sox's place."""
    path = tmp_path / "sox"

    def put(script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sox, "require_sox", lambda: str(path))

    return put


def test_sox_has_little_time_memory_room_and_files(program: Program) -> None:
    """The process itself has the limits: seconds, KB, blocks of 512 bytes, files, no core."""
    program("for one in t v f n c; do ulimit -$one; done")
    ours = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (ours[1], ours[1]))  # so that 0 is not what we have
    try:
        found = run_sox(()).decode().split()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, ours)
    assert found == ["30", str(1 << 20), str((64 << 20) // 512), "64", "0"]


def test_sox_that_does_not_end_is_ended(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits uses no processor time: it has a deadline too."""
    program("exec sleep 60")
    monkeypatch.setattr(sox, "_DEADLINE_SECONDS", 0.2)
    with pytest.raises(InvalidInput, match="did not end within"):
        run_sox(())


def test_sox_that_does_not_tell_its_formats_is_ended(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question which formats it reads has the same deadline."""
    program("exec sleep 60")
    monkeypatch.setattr(sox, "_DEADLINE_SECONDS", 0.2)
    with pytest.raises(InvalidInput, match="did not end within"):
        readable_formats()


def test_soxs_complaint_is_cut(program: Program) -> None:
    """It may quote the file, which is a stranger's."""
    program("printf 'sox FAIL %01000d' 0 >&2; exit 2")
    with pytest.raises(InvalidInput) as met:
        run_sox(())
    assert str(met.value) == "sox: " + "0" * 160


async def test_conversions_are_two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many upload at once; the others wait for their turn."""
    entered, go = threading.Semaphore(0), threading.Event()

    def convert(_data: bytes, _ending: str) -> Converted:
        entered.release()
        go.wait(_SECONDS_MAX)
        raise InvalidInput

    monkeypatch.setattr(uploading, "convert", convert)
    nobody = cast(Database, None)
    adding = [asyncio.create_task(add_audio(nobody, "t", "n", b"", "x.wav")) for _ in range(5)]
    for _ in range(2):
        assert await asyncio.to_thread(entered.acquire, timeout=_SECONDS_MAX)
    assert uploading._converting.locked()
    go.set()
    results = await asyncio.gather(*adding, return_exceptions=True)
    assert all(isinstance(result, InvalidInput) for result in results)
