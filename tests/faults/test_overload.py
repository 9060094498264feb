"""More calls than can be carried: refused early, while those that are up go on unharmed.

Callers by the hundred are SIPp's, who reach a menu and hang up; people at agents talk meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from math import inf

import pytest

from callctl import clock
from callctl.stack.processes import Child
from tests.agents import AgentFailure, Answers, PlacedCall
from tests.bench.sipp import Side, place_calls
from tests.bench.trace import CallSeen, Step
from tests.faults.forms import IS_LONG, SECONDS_MAX, pick
from tests.faults.site import Grounds, Site, freeze, grounds, thaw

pytestmark = pytest.mark.timeout(SECONDS_MAX)

TALK, TALK_LINE = "4005550001", "01062000401"
MENU = "4005550005"
SLICE_SECONDS = 4  # renewed in the midst of it
CALLS_MAX = 100
REFUSED_SECONDS_MAX = 1.0  # nearly all of them
_RATES = (20, 40, 80, 160, 320) if IS_LONG else (40, 80, 160)
_RATE_SECONDS = pick(1, 3)
_PORT_OFFSET = 40
_LATE_SECONDS = 2.5


@pytest.fixture(scope="module", name="grounds")
async def _grounds() -> AsyncIterator[Grounds]:
    """Audio is not what there is too little of: Asterisk would refuse with 488."""
    async with grounds(is_for_hundreds=True) as made:
        yield made


@pytest.fixture(params=[CALLS_MAX])
async def switch(site: Site, request: pytest.FixtureRequest) -> Child:
    """A switch that takes a hundred calls at once, or as many as shipped, and renews often."""
    site.settings["CALLCTL_SLICE_SECONDS"] = str(SLICE_SECONDS)
    if request.param is not None:
        site.settings["CALLCTL_CALLS_MAX"] = str(request.param)
    child = site.switch()
    await site.start(child)
    return child


async def _place(site: Site, rate: int, seconds: float) -> Step:
    sip = site.asterisk.ports.sip
    side = Side("menu", MENU, "127.0.0.1", sip + _PORT_OFFSET)
    step = await place_calls(side, sip, rate, seconds, site.folder)
    assert step.calls, f"SIPp placed no calls; see {site.folder}/menu.out"
    return step


async def _capacity(site: Site) -> int:
    """The highest rate tried that is carried now, in calls a second."""
    carried = _RATES[0]
    for rate in _RATES:
        if (await _place(site, rate, _RATE_SECONDS)).why_not_held():
            break
        carried = rate
    return carried


async def _served(site: Site) -> PlacedCall:
    """The next caller who hears the line: those who come within moments of the rush may not."""
    for number in range(1, 50):
        call = await site.call(TALK, f"0106200{2000 + number}")
        try:
            await call.hears(440, seconds=10)
        except AgentFailure:
            assert call.outcome is not None
            assert call.outcome.status == 503
            await clock.sleep(0.05)
        else:
            return call
    pytest.fail("nobody is served any more")


def _talks_on(call: PlacedCall) -> None:
    """He has heard the line from the answer until now, but for moments."""
    assert call.outcome is None, call.timeline
    assert call.answered_at is not None
    heard = sum(tone.seconds for tone in call.heard(440))
    assert heard > 0.95 * (clock.monotonic() - call.answered_at) - 0.5, call.told()


async def _talk(site: Site, call: PlacedCall) -> tuple[float, int]:
    """How long it was by its CDR, and how often its money was renewed."""
    row = await site.database.fetchrow(
        "SELECT c.talk_seconds, count(t.id) AS renewals FROM cdrs AS c"
        " JOIN cdr_legs AS l ON l.call_id = c.call_id AND l.side = 'a'"
        " LEFT JOIN transfers AS t ON t.reservation_id = l.reservation_id AND t.kind = 'renew'"
        " WHERE c.sip_call_id = $1 GROUP BY c.call_id, c.talk_seconds",
        call.sip_call_id,
    )
    return float(row["talk_seconds"]), row["renewals"]


def _refused_ms(refused: list[CallSeen]) -> list[float]:
    """From their INVITE to the 503, as the callers saw it, in order."""
    ends = [(call.ended_at or inf, call.invited_at) for call in refused]
    return sorted((ended_at - invited_at) * 1000 for ended_at, invited_at in ends)


@pytest.mark.alone
@pytest.mark.parametrize("switch", [CALLS_MAX, None], ids=["few", "shipped"], indirect=True)
@pytest.mark.usefixtures("switch")
async def test_three_times_what_can_be_carried(site: Site) -> None:
    """What is too much is refused with 503 within moments; talks and later calls are well."""
    site.carrier.line(TALK_LINE, Answers(voice_hz=440))
    talking = [await site.talking(TALK, f"0106200100{n}", TALK_LINE) for n in range(3)]
    capacity = await _capacity(site)
    step = await _place(site, 3 * capacity, pick(4, 20))

    began = clock.monotonic()
    new = await _served(site)
    back_seconds = clock.monotonic() - began
    assert back_seconds < 1.0
    for call in talking:
        await call.hears(440, since=began)
        _talks_on(call)
    refused = [call for call in step.calls.values() if call.refused_with == 503]
    whole = [call for call in step.calls.values() if call.is_whole]
    assert refused
    assert len(whole) >= len(step.calls) / 10, "as many as can be carried are"
    others = [
        call for call in step.calls.values() if not call.is_whole and call.refused_with != 503
    ]
    assert not others, f"nobody is left without an answer, or gets another: {others[:9]}"

    await asyncio.gather(*(call.hang_up() for call in (*talking, new)))
    await site.invariants(seconds=30)
    for call in talking:
        seconds, renewals = await _talk(site, call)
        assert renewals >= (seconds - SLICE_SECONDS) / SLICE_SECONDS
    refused_ms = _refused_ms(refused)
    assert refused_ms[len(refused_ms) * 95 // 100] < REFUSED_SECONDS_MAX * 1000
    site.tell(
        carried_a_second=capacity,
        asked_a_second=step.pace,
        carried=len(whole),
        refused=len(refused),
        repeated_invites=step.repeated,
        refused_median_ms=refused_ms[len(refused_ms) // 2],
        refused_p95_ms=refused_ms[len(refused_ms) * 95 // 100],
        back_seconds=back_seconds,
    )


async def test_a_caller_who_waited_too_long_is_refused(site: Site, switch: Child) -> None:
    """What came to a switch that stood still is old when it wakes: 503; who talks talks on."""
    call = await site.talking(TALK, "01062001001", TALK_LINE)
    freeze([switch.pid])
    late = await site.call(TALK, "01062001002")
    heard_seconds = call.heard(440)[-1].seconds
    lasting = heard_seconds + _LATE_SECONDS
    await call.hears(440, lasting=lasting, seconds=2 * _LATE_SECONDS)
    thaw([switch.pid])
    assert (await late.ended()).status == 503
    fresh = await site.talking(TALK, "01062001003", TALK_LINE)
    _talks_on(call)
    await asyncio.gather(call.hang_up(), fresh.hang_up())
    cdr = await site.cdr(late)
    assert (cdr.ended_by, cdr.cost_micros) == ("overloaded", 0)
    assert cdr.ended_at - cdr.setup_at > timedelta(seconds=_LATE_SECONDS - 0.5)
    await site.invariants()
