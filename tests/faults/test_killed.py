"""The switch killed in the midst of many calls: not started again, and started again.

Not started again, Asterisk alone ends each call when its paid time does. Started again, the switch
has all of them within seconds.
"""

import json
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callctl import clock
from callctl.cdr.asterisk_events import read_events
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import eventually
from tests.faults.forms import SECONDS_MAX, alone_when_long, pick
from tests.faults.many import held_calls
from tests.faults.site import Grounds, Site, grounds, open_site

pytestmark = alone_when_long

CALLS = pick(short=20, long=500)
SLICE_SECONDS = pick(short=18, long=30)  # half of it is left, at least, when the switch dies
ADOPTION_SECONDS_MAX = 3.0
_OFF_SECONDS_MAX = 1.0
_MICROS = 1_000_000
_PAID_THROUGH = """
SELECT l.a_channel_id, l.b_channel_id, (l.charges -> 0 ->> 'charged_from')::timestamptz
    + make_interval(secs => (r.held_micros + r.posted_micros) / 5000.0) AS paid_through
FROM live_calls AS l INNER JOIN reservations AS r ON r.id = l.reservations[1]
"""


@pytest.fixture(scope="module")
async def roomy() -> AsyncIterator[Grounds]:
    """The module's Asterisk and PostgreSQL."""
    async with grounds(is_for_hundreds=True) as made:
        yield made


@pytest.fixture
async def crowded(roomy: Grounds, tmp_path: Path) -> AsyncIterator[Site]:
    """A site whose carrier is SIPp."""
    async with open_site(roomy, tmp_path, carrier_port=0) as site:
        site.settings["CALLCTL_SLICE_SECONDS"] = str(SLICE_SECONDS)
        yield site


@pytest.mark.timeout(SECONDS_MAX)
async def test_calls_of_a_dead_switch_end_when_paid(crowded: Site) -> None:
    """Every leg ends with its paid time, not a second later or earlier; new callers are told."""
    site, switch = crowded, crowded.switch()
    await site.start(switch)
    async with held_calls(site, CALLS):
        await switch.kill()
        paid = await _paid_through(site)
        assert len(paid) >= 2 * CALLS
        await _a_new_caller_is_told(site)
        await _no_channels(site, SLICE_SECONDS + 30)
    off = _off_seconds(site, paid)
    site.tell(earliest_seconds=min(off), latest_seconds=max(off))
    assert len(off) == len(paid)
    assert max(off) <= _OFF_SECONDS_MAX, "beyond its paid time"
    assert min(off) >= -_OFF_SECONDS_MAX, "cut while paid"
    await site.start(switch)
    await site.invariants(seconds=30)


@pytest.mark.timeout(SECONDS_MAX)
async def test_live_calls_are_adopted_within_seconds(crowded: Site) -> None:
    """All of them at once, and each goes on beyond what was paid for when the switch died."""
    site, switch = crowded, crowded.switch()
    await site.start(switch)
    async with held_calls(site, CALLS):
        await switch.kill()
        paid = await _paid_through(site)
        began_at = clock.monotonic()
        await site.start(switch)
        start_seconds = clock.monotonic() - began_at
        taken_at, adopted = await _all_adoptions(switch.log_path, len(paid) // 2)
        assert len(adopted) == len(paid) // 2 >= CALLS
        adoption_seconds = (max(adopted) - taken_at).total_seconds()
        site.tell(start_seconds=start_seconds, adoption_seconds=adoption_seconds)
        assert adoption_seconds <= ADOPTION_SECONDS_MAX
        await _now_is(max(paid.values()) + timedelta(seconds=2), SLICE_SECONDS + 5)
        assert len(await site.ari.channels.list()) == len(paid), "paid on, none is cut"
        assert await switch.stop(signal.SIGINT, deadline_seconds=60) == 0, "which ends them"
    await site.invariants(seconds=30)


async def _all_adoptions(log_path: Path, count: int) -> tuple[datetime, list[datetime]]:
    """As `_adoptions`, once so many are in the log: it is written behind."""

    async def look() -> tuple[datetime, list[datetime]] | None:
        found = _adoptions(log_path)
        return found if len(found[1]) >= count else None

    return await eventually(look, f"{count} adoptions in the log", 5)


async def _paid_through(site: Site) -> dict[str, datetime]:
    """Until when the ledger has each leg paid, by channel."""
    rows = await site.database.fetch(_PAID_THROUGH)
    return {
        row[side]: row["paid_through"] for row in rows for side in ("a_channel_id", "b_channel_id")
    }


async def _a_new_caller_is_told(site: Site) -> None:
    """In early media, that nobody can serve him; his carrier may try elsewhere (SIP 503)."""
    call = await site.call("4005550001", "01062009001")
    await call.hears(PROMPT_HZ["", "unavailable"], seconds=5)
    assert call.answered_at is None
    assert (await call.ended(15)).status == 503


async def _no_channels(site: Site, seconds: float) -> None:
    async def look() -> bool | None:
        return None if await site.ari.channels.list() else True

    await eventually(look, "all channels to go", seconds)


async def _now_is(moment: datetime, seconds: float) -> None:
    async def look() -> bool | None:
        return True if clock.now() >= moment else None

    await eventually(look, f"{moment} to come", seconds)


def _off_seconds(site: Site, paid: dict[str, datetime]) -> list[float]:
    """How long after its paid time each leg hung up, by Asterisk's own record."""
    return [
        event.at_micros / _MICROS - paid[event.channel_id].timestamp()
        for event in read_events(site.asterisk.legs_path)
        if not event.is_answer and event.channel_id in paid
    ]


def _adoptions(log_path: Path) -> tuple[datetime, list[datetime]]:
    """When the last start took the lease, and when it adopted each call."""
    whole, _, _ = log_path.read_text().rpartition("\n")
    lines = [json.loads(line) for line in whole.splitlines() if line[:1] == "{"]
    taken = [line["timestamp"] for line in lines if line["event"] == "lease_taken"]
    adopted = [line["timestamp"] for line in lines if line["event"] == "call_adopted"]
    return _moment(taken[-1]), [_moment(one) for one in adopted]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
