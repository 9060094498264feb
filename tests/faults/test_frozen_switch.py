"""The switch is stopped where it is (SIGSTOP) and woken: alone, or with one that stands by."""

import asyncio

import pytest

from callctl import clock
from tests.agents import PlacedCall
from tests.faults.forms import IS_LONG, SECONDS_MAX
from tests.faults.people import TALK_DID, charged_throughout, flows_again
from tests.faults.site import Site, freeze, thaw
from tests.faults.stages import TALK

_SECONDS = (1, 10, 60) if IS_LONG else (1,)
_TAKEN_SECONDS = (10, 60) if IS_LONG else (6,)  # longer than a lease

pytestmark = pytest.mark.timeout(SECONDS_MAX)


async def _ends_well(site: Site, talk: PlacedCall, caller: str) -> None:
    """He hears his line still; the whole talk is one CDR and one charge."""
    await talk.hears(440, since=clock.monotonic())
    await talk.hang_up()
    await charged_throughout(site, talk)
    number = f"+86{caller.removeprefix('0')}"
    cdrs = await site.database.fetch("SELECT call_id FROM cdrs WHERE caller = $1", number)
    assert len(cdrs) == 1
    await site.invariants()


@pytest.mark.parametrize("seconds", _SECONDS)
async def test_alone_it_goes_on_where_it_was(site: Site, seconds: int) -> None:
    """Who talks hears nothing of it; who came meanwhile is answered, or refused if that is late."""
    switch, caller = site.switch(), "01063270001"
    site.settings["CALLCTL_SLICE_SECONDS"] = str(2 * seconds + 20)
    await site.start(switch)
    talk = await site.talking(TALK_DID, caller, TALK)
    await site.database.fetch("SELECT pg_sleep(0.3)")
    freeze([switch.pid])
    meanwhile = await site.call(TALK_DID, "01063270002")
    await clock.sleep(seconds)
    thaw([switch.pid])
    if seconds > 2:
        assert (await meanwhile.ended(5)).status == 503
    else:
        await meanwhile.answered(5)
        await meanwhile.hang_up()
    site.tell(back_seconds=await flows_again(site))
    assert switch.is_running
    await _ends_well(site, talk, caller)


@pytest.mark.parametrize("seconds", _TAKEN_SECONDS)
async def test_replaced_meanwhile_it_ends_itself(site: Site, seconds: int) -> None:
    """The one that stood by has the calls; the other wakes, touches none, and ends."""
    switch, other, caller = site.switch(), site.switch("other"), "01063270003"
    site.settings["CALLCTL_SLICE_SECONDS"] = "30"
    await site.start(switch)
    await site.start(other, CALLCTL_METRICS_PORT=str(site.asterisk.ports.metrics + 1))
    talk = await site.talking(TALK_DID, caller, TALK)
    freeze([switch.pid])
    frozen_at = clock.monotonic()
    await site.logged(other, "call_adopted")
    site.tell(takeover_seconds=clock.monotonic() - frozen_at)
    await clock.sleep(max(0.0, frozen_at + seconds - clock.monotonic()))
    thaw([switch.pid])
    async with asyncio.timeout(10):
        await switch.wait()
    await flows_again(site)
    await _ends_well(site, talk, caller)
