"""The deadlines of the embedded PostgreSQL, with programs that do not do what they should."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from callctl.db import binaries, embedded
from callctl.db.embedded import EmbeddedPostgres
from callctl.errors import StackFailed
from tests.plugins.database import free_port

_SOON, _SECONDS_MAX = 0.2, 10.0
_INITDB = """#!/bin/sh
[ "$1" = --version ] || { mkdir -p "$2" && echo 15 > "$2/PG_VERSION"; }
"""
# A server that never gets ready, and hears no request to end.
_POSTGRES = """#!/bin/sh
[ "$1" = --version ] && { echo "postgres (PostgreSQL) 15.0"; exit; }
trap '' INT QUIT
echo $$ > "$2/../pid"
exec sleep 60
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedPostgres]:
    """A server of these programs; what is left of it in the end is ended."""
    monkeypatch.setattr(binaries, "server_user", lambda: None)
    monkeypatch.setattr(embedded, "_STOP_SECONDS_MAX", _SOON)
    for name, script in (("initdb", _INITDB), ("postgres", _POSTGRES)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    yield EmbeddedPostgres(tmp_path / "var", free_port(), durable=False, pg_bin=tmp_path)
    with suppress(OSError):
        os.kill(_pid(tmp_path), signal.SIGKILL)


def _pid(folder: Path) -> int:
    return int((folder / "var" / "pg" / "pid").read_text())


async def test_a_server_that_never_gets_ready_is_ended(
    server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its time to start, and each request to end has its own; in the end it is killed."""
    monkeypatch.setattr(embedded, "_READY_SECONDS_MAX", 1.0)  # initdb has as long
    async with asyncio.timeout(_SECONDS_MAX):
        with pytest.raises(StackFailed, match="not ready"):
            await server.start()
    with pytest.raises(ProcessLookupError):
        os.kill(_pid(tmp_path), 0)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[int]:
    """A process that serves the server's data folder, as far as its command line tells."""
    waits = "import signal, sys; print(flush=True); signal.pause()"
    data = tmp_path / "var" / "pg" / "data"
    with subprocess.Popen(
        [sys.executable, "-c", waits, str(data)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # by now the command line is its own
        yield process.pid
        process.kill()


async def test_the_server_of_a_parent_that_died_is_not_waited_for_for_ever(
    server: EmbeddedPostgres, other: int, tmp_path: Path
) -> None:
    """One that does not end by itself is named."""
    data = tmp_path / "var" / "pg" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    (data / "postmaster.pid").write_text(f"{other}\n")
    (data.parent / "password").write_text("x")
    async with asyncio.timeout(_SECONDS_MAX):
        with pytest.raises(StackFailed, match=f"in use by process {other}"):
            await server.start()


def test_a_program_that_does_not_end_is_ended() -> None:
    """A question such as for its version has a deadline."""
    with pytest.raises(StackFailed, match="sleep did not end in"):
        binaries.run_as(None, ["sleep", "60"], seconds=_SOON)


def test_a_path_too_long_for_a_socket_is_not_used() -> None:
    """The kernel takes 107 bytes: there the server listens on TCP alone."""
    fits = Path("/" + "x" * (107 - len("/" + "/.s.PGSQL.65535")))
    assert binaries.socket_dir_of(fits) == fits
    assert binaries.socket_dir_of(Path(f"{fits}x")) is None
