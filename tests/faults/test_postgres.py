"""PostgreSQL stopped, killed, frozen, crowded, full, slow, locked: who talks notices nothing.

New callers hear at once that the service is unavailable, and are refused with SIP 503; when it is
back all is settled to the last micro-unit.
"""

import asyncio
import math
import signal

import pytest

from callctl import clock
from callctl.stack.processes import Child
from tests.agents import Answers, NoAnswer, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.demo.calls import HOTLINE
from tests.demo.world import eventually
from tests.faults import outages
from tests.faults.forms import IS_LONG, SECONDS_MAX, pick
from tests.faults.outages import Outage
from tests.faults.site import Site

pytestmark = pytest.mark.timeout(SECONDS_MAX)

OUTAGE_SECONDS = pick(8, 60)
SLICE_SECONDS = 3 * OUTAGE_SECONDS  # half of it, at least, is held whenever an outage begins
SORRY_HZ = PROMPT_HZ["", "unavailable"]
SECOND_MICROS = 5_000
MANY, MANY_LINE = "4005550010", "01062000407"
SILENT, SILENT_LINE = "4005550002", "01062000402"
MENU, MENU_LINE = "4005550005", "01062000401"
SHY, SHY_LINE = "4005550012", "01062000408"
OTHER = "4007654321"
TOLD_SECONDS_MAX, KNOWN_SECONDS_MAX = 2.8, 0.5  # from the INVITE to the first announcement packet
_BACK_SECONDS_MAX = 5.0
_SETTLED_SECONDS_MAX = 25.0  # a request under way when it went may last to its deadline
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


async def _told(call: PlacedCall) -> float:
    """The caller is told, unanswered, and refused; seconds from his INVITE to the announcement."""
    outcome = await call.ended(20)
    assert outcome.status == 503, call.timeline
    assert call.answered_at is None
    invited_at = call.timeline.at("sent INVITE")
    heard = call.heard(SORRY_HZ)
    assert heard, f"{call.timeline}\n{call.told()}"
    assert invited_at is not None
    return heard[0].started_at - invited_at


async def _refused(site: Site, did: str = MANY) -> float:
    return await _told(await site.call(did, "01062001999"))


async def _talk_again(site: Site, did: str, line: str) -> tuple[PlacedCall, float]:
    """A new call that is connected, and after how long that works again."""
    began = clock.monotonic()
    site.carrier.line(line, Answers(voice_hz=440))

    async def look() -> PlacedCall | None:
        call = await site.call(did, "01062001888")

        async def settled() -> bool | None:
            return True if call.answered_at or call.outcome or call.heard(SORRY_HZ) else None

        await eventually(settled, "an answer, an announcement or an end", 20)
        if call.answered_at:
            return call
        await call.hang_up()
        return None

    call = await eventually(look, "a call to be connected", 30)
    await call.hears(440, seconds=5)
    return call, clock.monotonic() - began


async def _talk_on(calls: list[PlacedCall], seconds: float) -> None:
    """Each hears the line for so long from now on, without a gap."""
    sounding = [(call, call.heard(440)[-1].seconds + seconds) for call in calls]
    await asyncio.gather(
        *(
            call.hears(440, since=clock.monotonic(), lasting=lasting, seconds=seconds + 5)
            for call, lasting in sounding
        )
    )


async def _charged_exactly(site: Site, call: PlacedCall) -> None:
    """The talk that the caller had is what his CDR says and costs."""
    cdr = await site.cdr(call, _SETTLED_SECONDS_MAX)
    assert call.ended_at is not None
    assert call.answered_at is not None
    assert cdr.ended_by == "caller"
    assert float(cdr.talk_seconds) == pytest.approx(call.ended_at - call.answered_at, abs=0.7)
    assert cdr.cost_micros == math.ceil(cdr.talk_seconds) * SECOND_MICROS


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
        told_seconds = await _told(first)
        assert told_seconds < TOLD_SECONDS_MAX
        later = [await site.call(MANY, f"0106200120{n}") for n in range(3)]
        known_seconds = max(await asyncio.gather(*(_told(call) for call in later)))
        assert known_seconds < KNOWN_SECONDS_MAX
        await _told(shy)
        await _talk_on(talking, max(0.5, OUTAGE_SECONDS - (clock.monotonic() - began)))
        away_seconds = clock.monotonic() - began

    new, back_seconds = await _talk_again(site, MANY, MANY_LINE)
    assert back_seconds < _BACK_SECONDS_MAX
    since = clock.monotonic()
    up = [*talking, in_menu, ringing, new]
    await asyncio.gather(
        *(call.hears(480 if call in (in_menu, ringing) else 440, since=since) for call in up)
    )
    await asyncio.gather(*(call.hang_up() for call in up))
    for call in (*talking, leaving, ringing, new):
        await _charged_exactly(site, call)
    for call in (first, shy, *later):
        cdr = await site.cdr(call, _SETTLED_SECONDS_MAX)
        assert (cdr.ended_by, cdr.cost_micros) == ("database-unavailable", 0)
    await site.invariants(seconds=_SETTLED_SECONDS_MAX)
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
    new, back_seconds = await _talk_again(site, MANY, MANY_LINE)
    await restarting
    since = clock.monotonic()
    up = [one for one in (call, came, new) if one.answered_at]
    await asyncio.gather(*(one.hears(440, since=since) for one in up))
    await asyncio.gather(*(one.hang_up() for one in up))
    for one in up:
        await _charged_exactly(site, one)
    if came not in up:
        await _told(came)
    await site.invariants(seconds=_SETTLED_SECONDS_MAX)
    site.tell(back_after_seconds=back_seconds)


@pytest.mark.usefixtures("switch")
async def test_a_slow_ledger_makes_calls_slower_and_then_refuses_them(site: Site) -> None:
    """Half a second is waited for, more than two are too many; who talks notices neither."""
    call = await site.talking(MANY, "01062001001", MANY_LINE)
    async with outages.slow(site, 0.5):
        slowly, seconds = await _talk_again(site, MANY, MANY_LINE)
        assert 0.5 < seconds < 2.5
        await slowly.hang_up()
    async with outages.slow(site, 2.2):
        assert await _refused(site) < TOLD_SECONDS_MAX
        await _talk_on([call], 2.0)
    await call.hang_up()
    for one in (call, slowly):
        await _charged_exactly(site, one)
    await site.invariants(seconds=_SETTLED_SECONDS_MAX)
    site.tell(setup_seconds=seconds)


@pytest.mark.usefixtures("switch")
async def test_a_locked_account_holds_up_only_its_own_new_calls(site: Site) -> None:
    """They are refused with the announcement; its talks go on, and others' calls are set up."""
    call = await site.talking(MANY, "01062001001", MANY_LINE)
    leaving = await site.talking(MANY, "01062001002", MANY_LINE)
    async with outages.locked(site, "tenant:faults"):
        began = clock.monotonic()
        refused, (other, seconds), _ = await asyncio.gather(
            _refused(site), _talk_again(site, OTHER, HOTLINE[0]), leaving.hang_up()
        )
        assert refused < TOLD_SECONDS_MAX
        assert seconds < 1.5
        await _talk_on([call, other], max(0.5, OUTAGE_SECONDS - (clock.monotonic() - began)))
    new, back_seconds = await _talk_again(site, MANY, MANY_LINE)
    assert back_seconds < _BACK_SECONDS_MAX
    await asyncio.gather(*(one.hang_up() for one in (call, new, other)))
    for one in (call, leaving, new):
        await _charged_exactly(site, one)
    await site.invariants(seconds=_SETTLED_SECONDS_MAX)
    site.tell(told_seconds=refused, other_setup_seconds=seconds, back_after_seconds=back_seconds)


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
        await site.logged(switch, "waiting_for_database")
        fallback = await site.call(MANY, "01062001003")  # the dialplan's, without callctl
        await fallback.hears(SORRY_HZ, seconds=5)
        await call.hears(440, since=clock.monotonic())
        assert not starting.done()
    await starting
    await site.both_hear(call, MANY_LINE)
    new, back_seconds = await _talk_again(site, MANY, MANY_LINE)
    await asyncio.gather(call.hang_up(), new.hang_up())
    for one in (call, leaving, new):
        cdr = await site.cdr(one, _SETTLED_SECONDS_MAX)
        assert one.answered_at is not None
        assert one.ended_at is not None
        talk_seconds = pytest.approx(one.ended_at - one.answered_at, abs=1.0)
        assert float(cdr.talk_seconds) == talk_seconds
    await site.invariants(seconds=_SETTLED_SECONDS_MAX)
    site.tell(stop_seconds=stop_seconds, back_after_seconds=back_seconds)
