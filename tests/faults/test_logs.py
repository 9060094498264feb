"""The disk of the log is full, or who reads it is stuck: calls notice neither."""

import fcntl
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from callctl import clock
from callctl.stack.processes import Child
from tests.demo.world import eventually
from tests.faults.site import Site

TALK, TALK_LINE = "4005550001", "01062000401"
SLICE_SECONDS, SECOND_MICROS = 2, 5_000
_COMMAND = (sys.executable, "-m", "callctl", "switch")
_ROOM_BYTES = 200  # the switch says more than this before its first call
_PIPE_BYTES = 4096
_STOP_SECONDS_MAX = 15.0
_HANDED_SECONDS = 20  # of paid time: longer than it takes to hand a talk over


@pytest.fixture(autouse=True)
def _renewing(site: Site) -> None:
    site.settings |= {"CALLCTL_SLICE_SECONDS": str(SLICE_SECONDS), "CALLCTL_LOG_LEVEL": "debug"}


async def _talks_and_pays(site: Site) -> None:
    """A call is set up, renewed, and charged as long as it was."""
    call = await site.talking(TALK, "01062001001", TALK_LINE)
    lasting = 2.0 * SLICE_SECONDS
    await call.hears(440, since=clock.monotonic(), lasting=lasting, seconds=2 * lasting)
    await call.hang_up()
    cdr = await site.cdr(call)
    assert cdr.ended_by == "caller"
    assert float(cdr.talk_seconds) > lasting - 0.5
    assert cdr.cost_micros == cdr.legs[0].billed_seconds * SECOND_MICROS


async def test_a_full_disk_costs_only_lines(site: Site) -> None:
    """Calls go on without a log; when there is room again it says how many lines are missing."""
    path = site.folder / "switch.log"
    limit = ("prlimit", f"--fsize={_ROOM_BYTES}:unlimited")  # EFBIG, as ENOSPC, in the write
    switch = Child("switch", (*limit, *_COMMAND), path)
    site._switches.append(switch)
    await site.start(switch)
    await _talks_and_pays(site)
    assert path.stat().st_size == _ROOM_BYTES
    assert "call_ended" not in path.read_text()

    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(switch.pid, resource.RLIMIT_FSIZE, unlimited)
    await _talks_and_pays(site)
    await site.logged(switch, "call_ended")
    whole = [_parsed(line) for line in path.read_text().splitlines()]
    [dropped] = [line for line in whole if line.get("event") == "log_lines_dropped"]
    assert dropped["lines"] >= 1
    torn = [line for line in whole if not line]
    assert len(torn) <= 1, "the one that the end of the disk cut"
    await site.invariants()
    site.tell(lines_dropped=dropped["lines"])


@pytest.fixture
def stuck(site: Site) -> Iterator[int]:
    """A full pipe in place of the log, whose reader does not read."""
    path = site.folder / "switch.log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    with suppress(BlockingIOError):
        while True:
            os.write(reader, b"\n" * _PIPE_BYTES)
    yield reader
    os.close(reader)


async def test_a_stuck_reader_stops_no_call(site: Site, stuck: int) -> None:
    """Calls are set up, renewed and charged; the log comes when it is read again."""
    switch = site.switch()
    await site.start(switch)
    await _talks_and_pays(site)
    text = ""

    async def look() -> bool | None:
        nonlocal text
        with suppress(BlockingIOError):
            text += os.read(stuck, 65536).decode()
        return True if "call_ended" in text else None

    await eventually(look, "the log of the call", 5)
    assert {"lease_taken", "ari_connected"} <= {
        _parsed(line).get("event") for line in text.splitlines()
    }
    await site.invariants()


@pytest.mark.usefixtures("stuck")
async def test_a_stuck_reader_does_not_keep_the_switch_from_its_end(site: Site) -> None:
    """SIGTERM hands a talk over in time, for another switch to go on with."""
    site.settings["CALLCTL_SLICE_SECONDS"] = str(_HANDED_SECONDS)
    switch, other = site.switch(), site.switch("other")
    await site.start(switch)
    await site.start(other)  # which stands by
    call = await site.talking(TALK, "01062001001", TALK_LINE)
    began = clock.monotonic()
    assert await switch.stop(signal.SIGTERM, deadline_seconds=_STOP_SECONDS_MAX) == 0
    site.tell(stop_seconds=clock.monotonic() - began)
    await site.logged(other, '"call_adopted"')
    await site.both_hear(call, TALK_LINE)
    await call.hang_up()
    assert (await site.cdr(call)).ended_by == "caller"
    await site.invariants()


def _parsed(line: str) -> dict[str, Any]:
    """The line; empty when it is none of ours, or was cut."""
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return found
