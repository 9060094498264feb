"""SIPp as the carrier that answers and as the callers that call; used by tests.bench.__main__."""

import asyncio
import random
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from callctl import clock
from callctl.errors import StackFailed
from tests.bench.trace import Step, read_trace

SCENARIOS = Path(__file__).parent / "scenarios"
_READY_SECONDS = 5.0
_LOOK_SECONDS = 0.02
_OVERTIME_SECONDS = 45  # for the calls that queue when a rate was too much
_CALLERS = 1000
_PREFIXES = ("0106200", "0216300", "0205500", "1390171", "1381001", "1355888", "0571870")


@dataclass(frozen=True, slots=True)
class Side:
    """One way of a call through Asterisk, told by the address it comes from."""

    name: str
    number: str
    address: str
    port: int


@asynccontextmanager
async def carrier(port: int, folder: Path) -> AsyncIterator[int]:
    """The carrier's side of the lines on 127.0.0.1:`port`; yields SIPp's process id."""
    command = _sipp("uas-answer.xml", "127.0.0.1", port, 3000)
    with (folder / "carrier.out").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        deadline = clock.monotonic() + _READY_SECONDS
        while _is_free(port):
            if process.returncode is not None or clock.monotonic() > deadline:
                raise StackFailed(f"SIPp did not start; see {folder / 'carrier.out'}")
            await clock.sleep(_LOOK_SECONDS)
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def place_calls(side: Side, sip_port: int, rate: int, seconds: float, folder: Path) -> Step:
    """Place `rate` calls a second for `seconds`, and wait until the last has ended."""
    wanted = max(1, round(rate * seconds))
    trace = folder / f"{side.name}.trace"
    trace.unlink(missing_ok=True)
    callers = write_callers(folder)
    command = [
        *_sipp("uac-talk.xml", side.address, side.port, 4000),
        *("-inf", str(callers), "-s", side.number),
        *("-r", str(rate), "-m", str(wanted), "-l", str(wanted)),
        *("-timer_resol", "1"),  # ms; begin calls evenly, not in bursts
        *("-timeout", f"{round(seconds) + _OVERTIME_SECONDS}s"),
        *("-trace_shortmsg", "-shortmessage_file", str(trace)),
        f"127.0.0.1:{sip_port}",
    ]
    before = _children_cpu_seconds()
    with (folder / f"{side.name}.out").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        exit_code = await asyncio.wait_for(process.wait(), seconds + 2 * _OVERTIME_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    cpu_seconds = _children_cpu_seconds() - before
    with trace.open(encoding="utf-8", errors="replace") as lines:
        calls = read_trace(lines)
    return Step(rate, wanted, calls, exit_code, sipp_cpu_seconds=cpu_seconds)


def _sipp(scenario: str, address: str, port: int, media_offset: int) -> list[str]:
    return [
        *("setpriv", "--pdeathsig", "KILL", "sipp", "-sf", str(SCENARIOS / scenario)),
        *("-i", address, "-bind_local", "-p", str(port), "-mp", str(port + media_offset)),
        "-nostdin",
    ]


def write_callers(folder: Path) -> Path:
    """A file of callers from several places, the same ones in every run."""
    path = folder / "callers.csv"
    if not path.exists():
        chance = random.Random(400)
        numbers = [
            f"{chance.choice(_PREFIXES)}{chance.randrange(10_000):04}" for _ in range(_CALLERS)
        ]
        path.write_text("SEQUENTIAL\n" + "".join(f"{number};\n" for number in numbers))
    return path


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _children_cpu_seconds() -> float:
    """CPU time of our children that have ended: of SIPp, while nothing else of ours ends."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
