"""Asterisk killed, restarted, frozen, reloaded, out of channels.

What is left of a talk then: it is settled to its last proven moment, never beyond what was paid.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from callctl import clock
from callctl.charging import SlicePolicy
from tests.agents import AgentFailure, PlacedCall
from tests.faults.forms import IS_LONG, SECONDS_MAX, pick
from tests.faults.harms import parties_lost
from tests.faults.other_asterisk import reconfigured
from tests.faults.people import HOLD_HZ, TALK_DID, flows_again, others
from tests.faults.site import Site
from tests.faults.stages import SECOND_MICROS, TALK

TALKS = pick(short=3, long=50)
SLICES = {"CALLCTL_SLICE_SECONDS": "4", "CALLCTL_RENEW_LEAD_SECONDS": "1"}
AWAY_SECONDS = pick(short=5, long=60)  # longer than what is paid when Asterisk dies
WAYS = ("killed", "restarted") if IS_LONG else ("killed",)
FREEZES = (1, 10) if IS_LONG else (1,)
LONGER_SECONDS = pick(short=6, long=30)  # than the slices of SLICES
RELOADS = ("core reload", "module reload", "module reload res_pjsip.so", "dialplan reload")
CALLS_MAX = 3
LEGS_MAX = 7  # audio ports for so many
_PROVEN_SECONDS = 1.5  # a second is begun, and somebody looks at a clock


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("how", WAYS)
async def test_talks_are_settled_to_the_end_of_their_asterisk(site: Site, how: str) -> None:
    """Talks cost what they lasted until Asterisk was gone; without a restart new calls flow."""
    switch = site.switch()
    await site.start(switch, **SLICES)
    talks = [await site.talking(TALK_DID, f"0106320{n:04}", TALK) for n in range(TALKS)]
    rest = await others(site)
    ended_at = clock.monotonic()
    await (site.asterisk.kill() if how == "killed" else site.asterisk.stop())
    gone_at = clock.monotonic()
    parties_lost(site.caller, site.carrier)
    await site.logged(switch, "ari_not_connected")
    await clock.sleep(AWAY_SECONDS)
    await site.asterisk.start()
    back_seconds = await flows_again(site)
    late = []
    for talk in talks:
        cdr = await site.cdr(talk)
        [leg] = [leg for leg in cdr.legs if leg.billed_seconds]
        assert talk.answered_at is not None
        assert cdr.disposition == "answered"
        assert cdr.cost_micros == leg.billed_seconds * SECOND_MICROS
        late.append(leg.billed_seconds - (ended_at - talk.answered_at))
        assert -_PROVEN_SECONDS <= late[-1] <= gone_at - ended_at + _PROVEN_SECONDS
    for other in rest:
        cdr = await site.cdr(other)
        assert cdr.cost_micros == SECOND_MICROS * sum(leg.billed_seconds for leg in cdr.legs)
    site.tell(talks=TALKS, away_seconds=AWAY_SECONDS, back_seconds=back_seconds)
    site.tell(charged_too_long_seconds=max(late))
    await site.invariants()


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("seconds", FREEZES)
async def test_a_frozen_asterisk_cuts_no_talk(site: Site, seconds: int) -> None:
    """Talks go on when it wakes, charged throughout; who called meanwhile is served, or told."""
    await site.start(site.switch())
    talks = [await site.talking(TALK_DID, f"0106321{n:04}", TALK) for n in range(TALKS)]
    ringing, waiting, served = await others(site)
    await site.grounds.freeze_asterisk()
    meanwhile = await site.call(TALK_DID, "01063219999")
    await clock.sleep(seconds)
    await site.grounds.thaw_asterisk()
    woken_at = clock.monotonic()
    await asyncio.gather(*(talk.hears(440, since=woken_at + 0.5) for talk in talks))
    back_seconds = await flows_again(site)
    assert ringing.outcome is None
    await waiting.hears(HOLD_HZ)
    with suppress(AgentFailure):  # before the switch was back he hears that it is away
        await meanwhile.hears(440, seconds=10)
    assert meanwhile.outcome is None or meanwhile.outcome.status == 503
    site.tell(talks=TALKS, frozen_seconds=seconds, back_seconds=back_seconds)
    site.tell(caller_meanwhile="served" if meanwhile.outcome is None else meanwhile.outcome.status)
    for call in (*talks, ringing, waiting, served, meanwhile):
        await call.hang_up()
    for talk in talks:
        cdr = await site.cdr(talk)
        assert talk.answered_at is not None
        assert talk.ended_at is not None
        lasted = talk.ended_at - talk.answered_at
        assert cdr.legs[0].billed_seconds == pytest.approx(lasted, abs=_PROVEN_SECONDS)
        assert cdr.cost_micros == cdr.legs[0].billed_seconds * SECOND_MICROS
    await site.invariants()


async def _goes_on(talk: PlacedCall, since: float) -> bool:
    """Whether he hears his line still; False when Asterisk has ended the call."""
    try:
        await talk.hears(440, 10, since=since)
    except AgentFailure:
        if talk.outcome is None:
            raise
        return False
    return True


async def test_a_freeze_longer_than_what_is_paid_costs_nothing_more(site: Site) -> None:
    """Asterisk ends, as it wakes, whose paid time is over then; whoever talks on is charged on."""
    await site.start(site.switch(), **SLICES)
    talks = [await site.talking(TALK_DID, f"0106322{n:04}", TALK) for n in range(TALKS)]
    await site.grounds.freeze_asterisk()
    await clock.sleep(LONGER_SECONDS)
    await site.grounds.thaw_asterisk()
    back_seconds = await flows_again(site)
    since = clock.monotonic()
    went_on = await asyncio.gather(*(_goes_on(talk, since) for talk in talks))
    for talk in talks:
        talk.start_hanging_up()
    await asyncio.gather(*(talk.ended(10) for talk in talks))
    site.tell(talks=TALKS, cut=TALKS - sum(went_on), back_seconds=back_seconds)
    for talk in talks:
        cdr = await site.cdr(talk)
        assert talk.answered_at is not None
        assert talk.ended_at is not None
        billed = cdr.legs[0].billed_seconds
        assert billed <= talk.ended_at - talk.answered_at + _PROVEN_SECONDS
        assert cdr.cost_micros == billed * SECOND_MICROS
    await site.invariants()


async def test_a_freeze_at_the_end_of_the_money_is_not_charged(site: Site) -> None:
    """Asterisk can't end a leg while it stands still: what is beyond the money is free."""
    line, seconds = "01062000421", 2
    await site.start(site.switch())
    await site.pay_out("thirsty", "0.18")  # four seconds are left
    talk = await site.talking("4005550021", "01063229999", line)
    assert talk.answered_at is not None
    await talk.hears(440, since=talk.answered_at + 2.5, seconds=5)
    await site.grounds.freeze_asterisk()
    await clock.sleep(seconds)
    await site.grounds.thaw_asterisk()
    await talk.ended(5)
    cdr = await site.cdr(talk)
    assert cdr.cost_micros == 4 * SECOND_MICROS
    assert (await site.account("thirsty")).balance_micros == 0
    await site.invariants()


@pytest.mark.timeout(SECONDS_MAX)
async def test_a_reload_touches_no_call(site: Site) -> None:
    """Who talks, rings or waits goes on, timers run on, and new calls are taken."""
    await site.start(site.switch())
    talk = await site.talking(TALK_DID, "01063230000", TALK)
    ringing, waiting, served = await others(site)
    longest = SlicePolicy().slice_seconds + 5
    for command in RELOADS:
        await asyncio.gather(site.asterisk.cli(command), flows_again(site))
        since = clock.monotonic()
        await asyncio.gather(talk.hears(440, since=since), waiting.hears(HOLD_HZ, since=since))
        assert ringing.outcome is None
        for channel in await site.ari.channels.list():
            assert 0 < await site.ari.channels.get_timeout_absolute(channel.id) <= longest
        await flows_again(site, seconds=3)
    for call in (talk, ringing, waiting, served):
        await call.hang_up()
    site.tell(reloads=len(RELOADS))
    await site.invariants()


async def test_callers_beyond_what_asterisk_carries_are_refused(site: Site, tmp_path: Path) -> None:
    """With all its channels taken the next caller is refused at once, and those up talk on."""
    async with reconfigured(site.grounds, tmp_path, options=f"maxcalls = {CALLS_MAX}"):
        await _is_full_and_recovers(site, CALLS_MAX)


@pytest.mark.skipif(not IS_LONG, reason="refused as by the one before: make faults")
async def test_callers_of_a_machine_that_is_too_busy_are_refused(
    site: Site, tmp_path: Path
) -> None:
    """With a load beyond maxload Asterisk takes no caller, and nothing is left of him."""
    async with reconfigured(site.grounds, tmp_path, options="maxload = 0.01"):
        await site.start(site.switch())
        refused = await site.call(TALK_DID, "01063249998")
        outcome = await refused.ended(5)
        assert outcome.status >= 480
        assert outcome.talk_seconds is None
        await site.invariants()
    await site.start(site.switch("later"))
    await flows_again(site)
    await site.invariants()


@pytest.mark.skipif(not IS_LONG, reason="like the one before, at the lines: make faults")
async def test_lines_beyond_what_asterisk_carries_cost_nothing(site: Site, tmp_path: Path) -> None:
    """With no audio port left for a line its caller is told so, pays nothing, others talk on."""
    first = site.asterisk.ports.rtp_first
    ports = f"rtpstart = {first}\nrtpend = {first + 2 * LEGS_MAX - 1}\n"
    async with reconfigured(site.grounds, tmp_path, files={"rtp.conf": ports}):
        await _is_full_and_recovers(site, LEGS_MAX // 2)


async def _is_full_and_recovers(site: Site, calls_max: int) -> None:
    await site.start(site.switch())
    talks = [await site.talking(TALK_DID, f"0106324{n:04}", TALK) for n in range(calls_max)]
    begun_at = clock.monotonic()
    refused = await site.call(TALK_DID, "01063249999")
    outcome = await refused.ended(5)
    refused_seconds = clock.monotonic() - begun_at
    assert outcome.status >= 480
    assert outcome.talk_seconds is None
    since = clock.monotonic()
    await asyncio.gather(*(talk.hears(440, since=since) for talk in talks))
    await talks[0].hang_up()
    await flows_again(site, seconds=5)
    for talk in talks[1:]:
        await talk.hang_up()
    site.tell(calls=calls_max, status=outcome.status, refused_seconds=refused_seconds)
    await site.invariants()
    costs = await site.database.fetch("SELECT cost_micros, answered_at FROM cdrs")
    assert all(row["answered_at"] or not row["cost_micros"] for row in costs)
