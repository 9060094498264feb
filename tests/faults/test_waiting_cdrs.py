"""CDRs while PostgreSQL is away: in a file, whatever ends the switch; each call has its own."""

import asyncio
import signal

import pytest

from tests.demo.world import eventually
from tests.faults import outages
from tests.faults.forms import SECONDS_MAX, pick
from tests.faults.site import Site

CALLS = pick(short=20, long=500)
AT_ONCE = 20
DID = "4005550010"


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_every_refused_call_has_its_cdr(site: Site, end: signal.Signals) -> None:
    """Refused while PostgreSQL is away, the switch then ended; the next run writes them all."""
    switch = site.switch()
    await site.start(switch)
    async with outages.killed(site):
        calls = [await site.call(DID, "01062001999")]  # whose money is asked for
        assert (await calls[0].ended(20)).status == 503
        for begin in range(0, CALLS, AT_ONCE):
            some = await asyncio.gather(
                *(site.call(DID, f"0106390{n:04}") for n in range(begin, begin + AT_ONCE))
            )
            for call in some:
                assert (await call.ended(20)).status == 503
            calls += some
        await _waiting(site, CALLS + 1)
        if end is signal.SIGKILL:
            await switch.kill()
        else:
            assert await switch.stop(end, deadline_seconds=40) == 0
    await site.start(switch)
    await _written(site, len(calls))
    await site.invariants()
    assert list((site.folder / "cdrs").glob("*")) == []
    site.tell(calls=len(calls))


async def _written(site: Site, count: int) -> None:
    """Each caller has one CDR, which says why and costs nothing."""

    async def look() -> bool | None:
        rows = await site.database.fetch(
            "SELECT ended_by, cost_micros, count(DISTINCT caller), count(*) FROM cdrs GROUP BY 1, 2"
        )
        wanted = [("database-unavailable", 0, count, count)]
        return True if [tuple(row) for row in rows] == wanted else None

    await eventually(look, f"{count} CDRs", 20)


async def _waiting(site: Site, count: int) -> None:
    """At least so many lines are in the file."""

    async def look() -> bool | None:
        texts = [path.read_bytes() for path in (site.folder / "cdrs").glob("*")]
        return True if sum(text.count(b"\n") for text in texts) >= count else None

    await eventually(look, f"{count} CDRs to wait in the file", 10)
