"""PostgreSQL stopped, killed, frozen, crowded, full, slow, locked: who talks notices nothing.

New callers hear at once that the service is unavailable, and are refused with SIP 503; when it is
back all is settled to the last micro-unit.
"""

import asyncio
import signal
from functools import partial

import pytest

from callctl import clock
from callctl.charging import SlicePolicy
from callctl.stack.processes import Child
from tests.agents import Answers, NoAnswer
from tests.demo.calls import HOTLINE
from tests.demo.world import eventually
from tests.faults import outages
from tests.faults.callers import (
    BACK_SECONDS_MAX,
    KNOWN_SECONDS_MAX,
    MANY,
    MANY_LINE,
    SETTLED_SECONDS_MAX,
    SORRY_HZ,
    TOLD_SECONDS_MAX,
    charged_exactly,
    refused,
    talk_again,
    talk_on,
    told,
)
from tests.faults.forms import IS_LONG, SECONDS_MAX, pick
from tests.faults.outages import Outage
from tests.faults.site import Site

pytestmark = pytest.mark.timeout(SECONDS_MAX)

OUTAGE_SECONDS = pick(8, 60)
SLICE_SECONDS = pick(24, SlicePolicy().slice_seconds)  # in the long form what is shipped
SILENT, SILENT_LINE = "4005550002", "01062000402"
MENU, MENU_LINE = "4005550005", "01062000401"
SHY, SHY_LINE = "4005550012", "01062000408"
OTHER = "4007654321"
AT_ONCE_SECONDS_MAX = 0.3
OTHER_SECONDS_MAX, FREE_SECONDS_MAX = 1.5, 2.0  # to be connected: others meanwhile, all afterwards
_OUTAGES: list[Outage] = [
    outages.frozen,
    *([outages.killed, outages.stopped, outages.crowded_out, outages.disk_full] if IS_LONG else []),
]


@pytest.fixture
async def switch(site: Site) -> Child:
    """A switch whose calls hold money for an outage."""
    site.settings["CALLCTL_SLICE_SECONDS"] = str(SLICE_SECONDS)
    child = site.switch()
    await site.start(child)
    return child


@pytest.mark.usefixtures("switch")
@pytest.mark.parametrize("outage", _OUTAGES, ids=lambda outage: outage.__name__)
async def test_calls_ride_through_an_outage(site: Site, outage: Outage) -> None:
    """Who talks goes on, who rings gets to talk or is told, who is new is told at once."""
    site.carrier.line(MANY_LINE, Answers(voice_hz=440))
    talking = [await site.talking(MANY, f"0106200100{n}", MANY_LINE) for n in range(pick(3, 9))]
    leaving = talking.pop()
    site.carrier.line(SILENT_LINE, Answers(after_seconds=4.0, voice_hz=480))
    site.carrier.line(MENU_LINE, Answers(voice_hz=480))
    site.carrier.line(SHY_LINE, NoAnswer())
    in_menu = await site.call(MENU, "01062001101")
    ringing, shy = await asyncio.gather(
        site.call(SILENT, "01062001102"), site.call(SHY, "01062001103")
    )
    await asyncio.gather(in_menu.answered(), ringing.ringing(), shy.ringing())

    async with outage(site):
        began = clock.monotonic()
        first = await site.call(MANY, "01062001999")
        await asyncio.gather(leaving.hang_up(), in_menu.send_dtmf("1"))
        await asyncio.gather(in_menu.hears(480, 10), ringing.hears(480, 10))
        told_seconds = await told(first)
        assert told_seconds < TOLD_SECONDS_MAX
        later = [await site.call(MANY, f"0106200120{n}") for n in range(3)]
        known_seconds = max(await asyncio.gather(*(told(call) for call in later)))
        assert known_seconds < KNOWN_SECONDS_MAX
        await told(shy)
        await talk_on(talking, max(0.5, OUTAGE_SECONDS - (clock.monotonic() - began)))
        away_seconds = clock.monotonic() - began

    new, back_seconds = await talk_again(site, MANY, MANY_LINE)
    assert back_seconds < BACK_SECONDS_MAX
    since = clock.monotonic()
    up = [*talking, in_menu, ringing, new]
    await asyncio.gather(
        *(call.hears(480 if call in (in_menu, ringing) else 440, since=since) for call in up)
    )
    await asyncio.gather(*(call.hang_up() for call in up))
    for call in (*talking, leaving, ringing, new):
        await charged_exactly(site, call)
    for call in (first, shy, *later):
        cdr = await site.cdr(call, SETTLED_SECONDS_MAX)
        assert (cdr.ended_by, cdr.cost_micros) == ("database-unavailable", 0)
    await site.invariants(seconds=SETTLED_SECONDS_MAX)
    site.tell(
        away_seconds=away_seconds,
        first_told_seconds=told_seconds,
        then_told_seconds=known_seconds,
        back_after_seconds=back_seconds,
    )


@pytest.mark.usefixtures("switch")
async def test_a_restart_disturbs_nobody(site: Site) -> None:
    """Who talks talks on; a caller who comes while it starts is connected, or told."""
    call = await site.talking(MANY, "01062001001", MANY_LINE)
    restarting = asyncio.create_task(site.grounds.restart_postgres())
    came = await site.call(MANY, "01062001002")
    new, back_seconds = await talk_again(site, MANY, MANY_LINE)
    await restarting
    since = clock.monotonic()
    up = [one for one in (call, came, new) if one.answered_at]
    await asyncio.gather(*(one.hears(440, since=since) for one in up))
    await asyncio.gather(*(one.hang_up() for one in up))
    for one in up:
        await charged_exactly(site, one)
    if came not in up:
        await told(came)
    await site.invariants(seconds=SETTLED_SECONDS_MAX)
    site.tell(back_after_seconds=back_seconds)


@pytest.mark.usefixtures("switch")
async def test_a_slow_ledger_makes_calls_slower_and_then_refuses_them(site: Site) -> None:
    """Half a second is waited for, more than two are too many; who talks notices neither."""
    call = await site.talking(MANY, "01062001001", MANY_LINE)
    async with outages.slow(site, 0.5):
        slowly, seconds = await talk_again(site, MANY, MANY_LINE)
        assert 0.5 < seconds < 2.5
        await slowly.hang_up()
    async with outages.slow(site, 2.2):
        assert await refused(site) < TOLD_SECONDS_MAX
        await talk_on([call], 2.0)
    await call.hang_up()
    for one in (call, slowly):
        await charged_exactly(site, one)
    await site.invariants(seconds=SETTLED_SECONDS_MAX)
    site.tell(setup_seconds=seconds)


@pytest.mark.usefixtures("switch")
async def test_a_locked_account_holds_up_only_its_own_new_calls(site: Site) -> None:
    """The first caller hears so after 2 s, later ones at once; talks and others' calls go on."""
    call = await site.talking(MANY, "01062001001", MANY_LINE)
    leaving = await site.talking(MANY, "01062001002", MANY_LINE)
    async with outages.locked(site, "tenant:faults"):
        began = clock.monotonic()
        first, (other, seconds), _ = await asyncio.gather(
            refused(site), talk_again(site, OTHER, HOTLINE[0]), leaving.hang_up()
        )
        assert first < TOLD_SECONDS_MAX
        then, others = 0.0, [seconds]
        while clock.monotonic() - began < OUTAGE_SECONDS:
            then = max(then, *await asyncio.gather(*(refused(site) for _ in range(3))))
            one, seconds = await talk_again(site, OTHER, HOTLINE[0])
            others.append(seconds)
            await one.hang_up()
        assert then < AT_ONCE_SECONDS_MAX
        assert max(others) < OTHER_SECONDS_MAX
        await talk_on([call, other], 0.5)
    new, back_seconds = await talk_again(site, MANY, MANY_LINE)
    assert back_seconds < FREE_SECONDS_MAX
    await asyncio.gather(*(one.hang_up() for one in (call, new, other)))
    for one in (call, leaving, new):
        await charged_exactly(site, one)
    await site.invariants(seconds=SETTLED_SECONDS_MAX)
    site.tell(
        first_told_seconds=first,
        then_told_seconds=then,
        other_setup_seconds=max(others),
        back_after_seconds=back_seconds,
    )


async def test_the_switch_is_stopped_and_started_during_an_outage(
    site: Site, switch: Child
) -> None:
    """It ends in time, hands its talks over, and once started waits for PostgreSQL, with them."""
    call = await site.talking(MANY, "01062001001", MANY_LINE)
    leaving = await site.talking(MANY, "01062001002", MANY_LINE)
    async with outages.killed(site):
        await leaving.hang_up()
        began = clock.monotonic()
        assert await switch.stop(signal.SIGTERM, deadline_seconds=40) == 0
        stop_seconds = clock.monotonic() - began
        starting = asyncio.create_task(site.start(switch))
        await site.logged(switch, "waiting_for_database", seconds=30)
        fallback = await site.call(MANY, "01062001003")  # the dialplan's, without callctl
        await fallback.hears(SORRY_HZ, seconds=5)
        await call.hears(440, since=clock.monotonic())
        assert not starting.done()
    await starting
    await site.both_hear(call, MANY_LINE)
    new, back_seconds = await talk_again(site, MANY, MANY_LINE)
    await asyncio.gather(call.hang_up(), new.hang_up())
    for one in (call, leaving, new):
        cdr = await site.cdr(one, SETTLED_SECONDS_MAX)
        assert one.answered_at is not None
        assert one.ended_at is not None
        talk_seconds = pytest.approx(one.ended_at - one.answered_at, abs=1.0)
        assert float(cdr.talk_seconds) == talk_seconds
    await site.invariants(seconds=SETTLED_SECONDS_MAX)
    site.tell(stop_seconds=stop_seconds, back_after_seconds=back_seconds)


async def _all_talk(site: Site, count: int) -> bool | None:
    return True if await site.stages() == ["talking"] * count else None


@pytest.mark.parametrize("goes_first", ["postgresql", "switch"])
async def test_the_switch_is_killed_during_an_outage(site: Site, goes_first: str) -> None:
    """Both killed, whichever first: once both are back the talks go on, charged without a gap."""
    switch = site.switch()
    await site.start(switch, CALLCTL_SLICE_SECONDS=str(10 * OUTAGE_SECONDS))
    calls = [await site.talking(MANY, f"0106200100{n}", MANY_LINE) for n in range(pick(2, 9))]
    leaving, late = [await site.talking(MANY, f"0106200110{n}", MANY_LINE) for n in range(2)]
    await eventually(partial(_all_talk, site, len(calls) + 2), "each call's row", 10)
    if goes_first == "switch":
        await switch.kill()
    async with outages.killed(site):
        if goes_first == "postgresql":
            await leaving.hang_up()
            await refused(site)
            await switch.kill()
        else:
            await leaving.hang_up()
        starting = asyncio.create_task(site.start(switch))
        await site.logged(switch, "waiting_for_database", seconds=30)
        await late.hang_up()
        await talk_on(calls, min(OUTAGE_SECONDS / 2, 10))  # it is waited for 30 s to be ready
    await starting
    since = clock.monotonic()
    await asyncio.gather(*(call.hears(440, since=since) for call in calls))
    new, back_seconds = await talk_again(site, MANY, MANY_LINE)
    assert back_seconds < BACK_SECONDS_MAX
    await asyncio.gather(*(call.hang_up() for call in (*calls, new)))
    for call in (*calls, leaving, late, new):
        await charged_exactly(site, call)
    await site.invariants(seconds=SETTLED_SECONDS_MAX)
    site.tell(calls=len(calls), back_after_seconds=back_seconds)
