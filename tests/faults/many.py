"""Many two-leg calls at once, held by SIPp on both sides until somebody hangs them up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from callctl import clock
from callctl.errors import StackFailed
from tests.bench.sipp import carrier, write_callers
from tests.demo.world import eventually
from tests.faults.site import Site

MANY_DID = "4005550010"
_SCENARIO = Path(__file__).parent / "scenarios" / "uac-hold.xml"
_RATE = 50  # calls a second
_SPARE = 20  # one more caller for so many
_PORT_OFFSET = 40  # from the stack's SIP port: the callers'


@asynccontextmanager
async def held_calls(site: Site, count: int) -> AsyncIterator[None]:
    """At least `count` callers who talk with their lines; the site has its carrier elsewhere.

    A few more call, as some may be lost where so many come at once on one machine. SIPp ends
    with the block; the calls do not, if Asterisk is not told.
    """
    placed = count + count // _SPARE
    port = site.asterisk.ports.sip + _PORT_OFFSET
    command = [
        *("setpriv", "--pdeathsig", "KILL", "sipp", "-sf", str(_SCENARIO), "-nostdin"),
        *("-i", "127.0.0.1", "-bind_local", "-p", str(port), "-mp", str(port + 20)),
        *("-inf", str(write_callers(site.folder)), "-s", MANY_DID),
        *("-r", str(_RATE), "-m", str(placed), "-l", str(placed)),
        f"127.0.0.1:{site.asterisk.ports.sip}",
    ]
    async with carrier(site.asterisk.ports.carrier, site.folder):
        with (site.folder / "callers.out").open("wb") as output:
            callers = await asyncio.create_subprocess_exec(
                *command,
                cwd=site.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            await _all_talk(site, count, placed, callers)
            yield
        finally:
            if callers.returncode is None:
                callers.kill()
            await callers.wait()


async def _all_talk(
    site: Site, count: int, placed: int, callers: asyncio.subprocess.Process
) -> None:
    """All are there, and none is on its way."""
    earliest_at = clock.monotonic() + placed / _RATE + 1

    async def look() -> list[str] | None:
        if callers.returncode is not None:
            raise StackFailed(f"SIPp ended; see {site.folder / 'callers.out'}")
        stages = await site.stages()
        is_done = len(stages) >= count and set(stages) == {"talking"}
        return stages if is_done and clock.monotonic() > earliest_at else None

    stages = await eventually(look, f"{count} calls to talk", 60 + 2 * count / _RATE)
    site.tell(calls=len(stages))
