"""The whole stack as `callctl run` starts it: found by other commands, watched, stopped."""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from callctl.settings import ENVIRONMENT_FILE
from callctl.stack.processes import wait_until_ended
from tests.plugins.asterisk import place
from tests.plugins.database import scratch_folder


@pytest.fixture
def var_dir() -> Iterator[Path]:
    """An instance's folder, fresh, where PostgreSQL's user can reach it."""
    folder = scratch_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def port_base() -> Iterator[int]:
    """The first of the run's own ports."""
    with place() as (_, ports):
        yield ports.sip


@pytest.fixture
async def running(var_dir: Path, port_base: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """`callctl run` as a process, everything started; stopped hard if the test leaves it so."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callctl", "run", "--port-base", str(port_base)),
        env={**os.environ, "CALLCTL_VAR_DIR": str(var_dir)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(90):
                said = await process.stdout.readuntil(b"Ctrl-C stops it all.\n")
        except asyncio.IncompleteReadError as error:
            pytest.fail(f"callctl run ended: {error.partial.decode()}")
        assert str(port_base).encode() in said
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _callctl(var_dir: Path, *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callctl", *arguments),
        env={**os.environ, "CALLCTL_VAR_DIR": str(var_dir)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


def _pid_of(var_dir: Path, command: str) -> int:
    """The process of this stack that runs `callctl <command>`."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        is_ours = f"CALLCTL_VAR_DIR={var_dir}".encode() in environment.split(b"\0")
        if is_ours and arguments[-3:-1] == [b"callctl", command.encode()]:
            return int(folder.name)
    raise AssertionError(f"no callctl {command} runs")


async def test_run_serves_other_commands_and_ends_on_ctrl_c(
    running: asyncio.subprocess.Process, var_dir: Path, port_base: int
) -> None:
    """Commands beside it find it, a second one is refused, Ctrl-C stops every part in order."""
    applied = await _callctl(var_dir, "apply", "deploy/example-tenant.yaml")
    doctor = await _callctl(var_dir, "doctor")
    second = await _callctl(var_dir, "run", "--port-base", str(port_base + 1))
    children = [_pid_of(var_dir, "switch"), _pid_of(var_dir, "web")]
    running.send_signal(signal.SIGINT)
    async with asyncio.timeout(60):
        output, _ = await running.communicate()

    assert applied[0] == 0, applied[1]
    assert doctor[0] == 0, doctor[1]
    assert second[0] == 1
    assert "another callctl runs in" in second[1]
    assert running.returncode == 0
    assert re.findall(r"stopping (\w+)", output.decode()) == [
        *("web", "switch", "Asterisk", "PostgreSQL")
    ]
    assert not (var_dir / ENVIRONMENT_FILE).exists()
    async with asyncio.timeout(1):
        for pid in children:
            await wait_until_ended(pid)


async def test_part_that_dies_is_told_and_ends_the_run(
    running: asyncio.subprocess.Process, var_dir: Path
) -> None:
    """When the switch dies, run stops the rest, names it, and exits with 1."""
    os.kill(_pid_of(var_dir, "switch"), signal.SIGKILL)
    async with asyncio.timeout(60):
        output, _ = await running.communicate()

    assert running.returncode == 1
    assert b"stopping PostgreSQL" in output
    assert b"switch ended unexpectedly" in output
