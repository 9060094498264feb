"""Child processes: how they start, and that none is left behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from callctl.errors import StackFailed
from callctl.stack.processes import Child, wait_until_ended

_READY = "from callctl.app.ready import tell_ready; import signal; tell_ready(); signal.pause()"
# A parent that starts a child and tells its process id.
_PARENT = f"""
import asyncio, pathlib, sys
from callctl.stack.processes import Child
async def main():
    child = Child("child", (sys.executable, "-c", {_READY!r}), pathlib.Path(sys.argv[1]))
    await child.start({{}})
    print(child.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    """After kill -9 of the parent its child ends by itself."""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PARENT, str(tmp_path / "log")), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(30):
        pid = int(await parent.stdout.readline())
        os.kill(pid, 0)

        parent.kill()

        await wait_until_ended(pid)
        await parent.wait()


async def test_child_runs_from_ready_to_stop_and_again(tmp_path: Path) -> None:
    """Ready, it runs; stop ends it and tells how; then it may start again."""
    child = Child("twice", (sys.executable, "-c", _READY), tmp_path / "log")
    for _ in range(2):
        await child.start({})
        assert child.is_running
        assert await child.stop() == -signal.SIGTERM
        assert not child.is_running


async def test_other_news_of_a_child_does_not_make_it_ready(tmp_path: Path) -> None:
    """One that only says what it waits for is not ready."""
    waits = _READY.replace("tell_ready", "notify").replace("notify()", "notify('STATUS=waits')")
    child = Child("waits", (sys.executable, "-c", waits), tmp_path / "log")

    with pytest.raises(StackFailed, match="not ready"):
        await child.start({}, deadline_seconds=2.0)


async def test_child_that_ends_while_starting_is_told_with_its_log(tmp_path: Path) -> None:
    """A process that fails at its start is an error that holds what it said last."""
    child = Child("broken", (sys.executable, "-c", "raise SystemExit('no way')"), tmp_path / "log")

    with pytest.raises(StackFailed, match="no way"):
        await child.start({})


async def test_child_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    """A process that does not say that it is ready is killed at the deadline."""
    child = Child("slow", ("sleep", "60"), tmp_path / "log")

    with pytest.raises(StackFailed, match="not ready"):
        await child.start({}, deadline_seconds=0.3)

    assert not child.is_running


async def test_child_that_ignores_the_request_to_end_is_made_to(tmp_path: Path) -> None:
    """A process deaf to SIGTERM is killed at the deadline of stop."""
    deaf = _READY.replace("tell_ready()", "signal.signal(signal.SIGTERM, signal.SIG_IGN)", 1)
    command = deaf.replace("signal.pause()", "tell_ready(); signal.pause()")
    child = Child("deaf", (sys.executable, "-c", command), tmp_path / "log")
    await child.start({})

    assert await child.stop(deadline_seconds=0.2) == -signal.SIGKILL
