"""A PostgreSQL that has one of its folders on a small disk of its own, which a test may fill.

The disk is a tmpfs in a mount namespace of the server's user: it takes no root, nobody else sees
it, and it goes with the last process that is in there, however the tests end.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from callctl.db.binaries import ServerUser, find_binaries, server_user
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.migrate import migrate
from tests.plugins.database import free_port, scratch_folder

_SECONDS_MAX = 20
_MOUNT = """
set -e
mount -t tmpfs -o size=$2m,mode=0700 tmpfs "$1"
cp -a "$0/." "$1"
mount --bind "$1" "$0"
echo mounted
exec cat
"""
_WRAPPER = """#!/bin/sh
exec nsenter --user --mount --preserve-credentials --target {inside} \
    setpriv --pdeathsig INT {program} "$@"
"""


class SmallDisk:
    """The server, and the disk under its folder `name`: "base" has the tables, "pg_wal" the log."""

    def __init__(
        self,
        name: str,
        postgres: EmbeddedPostgres,
        user: ServerUser | None,
        mounted: Path,
        inside: int,
    ) -> None:
        self.name = name
        self.postgres = postgres
        self._user = user
        self._file = mounted / "filler"
        self._inside = inside

    async def fill(self) -> None:
        """Take all the room that is left, to the last page."""
        await self._run("dd", "if=/dev/zero", f"of={self._file}", "bs=4k")
        words = await self._run("df", "--output=avail", str(self._file.parent))
        assert words.split()[-1] == "0", words

    async def free(self) -> None:
        """Give the room back."""
        await self._run("rm", "-f", str(self._file))

    async def _run(self, *command: str) -> str:
        enter = ("nsenter", "--user", "--mount", "--preserve-credentials")
        process = await _spawn(self._user, *enter, f"--target={self._inside}", *command)
        async with asyncio.timeout(_SECONDS_MAX):
            output, _ = await process.communicate()
        return output.decode()


@asynccontextmanager
async def small_disk(name: str, *, megabytes: int) -> AsyncIterator[SmallDisk]:
    """Start such a server; the test is skipped where nothing can be mounted."""
    scratch, user = scratch_folder(), server_user()
    holder = None
    try:
        port = free_port()
        async with EmbeddedPostgres(scratch, port) as usual:
            await migrate(usual.dsn)
        home = (scratch / "pg").resolve()
        mounted = home / "disk"
        mounted.mkdir()
        if user is not None:
            shutil.chown(mounted, user.uid, user.gid)
        unshare = ("unshare", "--user", "--map-current-user", "--keep-caps", "--mount")
        place = str(home / "data" / name)
        holder = await _spawn(
            user, *unshare, "sh", "-c", _MOUNT, place, str(mounted), str(megabytes)
        )
        await _mounted(holder)
        programs = _wrapped(scratch / "programs", find_binaries(user, None, None).folder, holder)
        async with EmbeddedPostgres(scratch, port, pg_bin=programs) as postgres:
            yield SmallDisk(name, postgres, user, mounted, holder.pid)
    finally:
        if holder is not None and holder.stdin is not None:
            holder.stdin.close()  # which ends it
            await holder.wait()
        shutil.rmtree(scratch, ignore_errors=True)


async def _spawn(user: ServerUser | None, *command: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    owner: dict[str, Any] = {}
    if user is not None:
        owner = {"user": user.uid, "group": user.gid, "extra_groups": []}
    return await asyncio.create_subprocess_exec(
        *command, cwd="/", stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, **owner
    )


async def _mounted(holder: asyncio.subprocess.Process) -> None:
    assert holder.stdout is not None
    async with asyncio.timeout(_SECONDS_MAX):
        told = (await holder.stdout.readline()).decode().strip()
    if told != "mounted":
        pytest.skip(f"no file system can be mounted here ({told}): no disk is filled")


def _wrapped(folder: Path, programs: Path, holder: asyncio.subprocess.Process) -> Path:
    """The server's programs, run where the disk is seen."""
    folder.mkdir()
    for name in ("postgres", "initdb"):
        path = folder / name
        path.write_text(_WRAPPER.format(inside=holder.pid, program=programs / name))
        path.chmod(0o755)
    return folder
