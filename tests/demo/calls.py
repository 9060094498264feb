"""The demo's calls, each with what the SIP side, the CDR and the ledger must say about it.

Each is a coroutine that takes a World with deploy/example-tenant.yaml applied, places its calls,
and raises AssertionError where a witness disagrees. Run by tests.demo and by tests/sip.
"""

import asyncio

from callctl import clock
from callctl.values.money import parse_micros
from callctl.views import Cdr
from tests.agents import Answers, Busy, NoAnswer, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import World, eventually

BEIJING, SHANGHAI, HEADQUARTERS = "01062000001", "02162000002", "057162000003"
HOTLINE = ("01062000011", "01062000012", "01062000013")
COUNTER = "02062000021"
RINGBACK_HZ = PROMPT_HZ["", "ringback-demo"]
FINAL_HZ = PROMPT_HZ["zh", "final"]
WARNING_HZ = PROMPT_HZ["zh", "warning"]  # the example's tenants are Chinese
MINUTE_MICROS = 300_000  # 400-standard: ¥0.30 per started minute
SECOND_MICROS = 5_000  # 400-per-second: ¥0.30 a minute by the second
CASH_SECONDS = 24  # what shortcash can pay
_TALK_SECONDS = 1.0


async def callers_reach_the_line_of_their_area(world: World) -> None:
    """Beijing reaches the Beijing line, a Shanghai mobile Shanghai's, unknown the default line."""
    before = (await world.account("acme")).balance_micros
    cases = (
        ("01062001234", BEIJING, "beijing", "北京", 440),
        ("13901710001", SHANGHAI, "shanghai", "上海", 480),
        ("anonymous", HEADQUARTERS, "headquarters", "unknown", 520),
    )
    for _, number, _, _, hz in cases:
        world.carrier.line(number, Answers(after_seconds=0.8, voice_hz=hz))
    calls = await asyncio.gather(*(world.call("4001234567", case[0]) for case in cases))
    await asyncio.gather(
        *(_hears_ringback_then(call, hz) for call, (*_, hz) in zip(calls, cases, strict=True))
    )
    await asyncio.gather(*(call.hang_up() for call in calls))

    for call, (_, number, line, area, _) in zip(calls, cases, strict=True):
        cdr = await world.cdr(call)
        assert (cdr.line, cdr.area) == (line, area)
        assert (cdr.disposition, cdr.ended_by) == ("answered", "caller")
        assert cdr.cost_micros == MINUTE_MICROS, "one started minute"
        assert [leg.side for leg in cdr.legs] == ["a", "b"]
        assert cdr.legs[0].sip_call_id == call.sip_call_id
        assert cdr.legs[1].sip_call_id == world.carrier.calls_to(number)[-1].sip_call_id
    account = await world.account("acme")
    assert account.balance_micros == before - 3 * MINUTE_MICROS
    await world.nothing_left()


async def _hears_ringback_then(call: PlacedCall, voice_hz: int) -> None:
    """The tenant's ringback as unanswered early media, after the answer the line's voice."""
    await call.early_media()
    await call.hears(RINGBACK_HZ)
    assert call.answered_at is None, "the ringback must not be answered (A14)"
    await call.answered()
    await call.hears(voice_hz, lasting=_TALK_SECONDS)


async def a_blacklisted_caller_is_refused(world: World) -> None:
    """A blacklisted caller is refused with cause 21, costs nothing, and the CDR says why."""
    before = (await world.account("acme")).balance_micros
    call = await world.call("4001234567", "13900000000")
    outcome = await call.ended()

    assert (outcome.status, outcome.cause) == (403, 21), outcome
    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.hangup_cause, cdr.ended_by) == ("rejected", 21, "blacklisted")
    assert any(step["rule"] == "block list blacklist" and step["matched"] for step in cdr.trace)
    assert cdr.cost_micros == 0
    assert (await world.account("acme")).balance_micros == before
    await world.nothing_left()


async def the_third_line_answers(world: World) -> None:
    """The first line is busy, the second does not answer, the third does: one charge."""
    before = (await world.account("acme")).balance_micros
    world.carrier.line(HOTLINE[0], Busy())
    world.carrier.line(HOTLINE[1], NoAnswer())
    world.carrier.line(HOTLINE[2], Answers(voice_hz=440))
    call = await world.call("4007654321", "01062001234")
    await call.ringing()
    await call.answered(seconds=10)
    await call.hears(440, lasting=_TALK_SECONDS)
    await call.hang_up()

    cdr = await world.cdr(call)
    assert (cdr.line, cdr.cost_micros) == ("hotline-3", MINUTE_MICROS)
    b_legs = [(leg.line, leg.disposition, leg.cost_micros) for leg in cdr.legs if leg.side == "b"]
    assert b_legs == [
        ("hotline-1", "busy", 0),
        ("hotline-2", "no_answer", 0),
        ("hotline-3", "answered", 0),
    ]
    attempts = [step["rule"] for step in cdr.trace if step["rule"].startswith("attempt")]
    assert attempts == ["attempt hotline-1", "attempt hotline-2", "attempt hotline-3"]
    assert (await world.account("acme")).balance_micros == before - MINUTE_MICROS
    await world.nothing_left()


async def two_calls_share_the_last_money(world: World) -> None:
    """Two calls on money for one and a half: both warned, cut at their paid second, all spent."""
    world.carrier.line(COUNTER, Answers(voice_hz=440))
    calls = [await world.call("4009999999", caller) for caller in ("01062001234", "13901710001")]
    for call in calls:
        await call.answered()
    outcomes = await asyncio.gather(*(call.ended(CASH_SECONDS + 5) for call in calls))

    cdrs = [await world.cdr(call) for call in calls]
    for line_call in world.carrier.calls_to(COUNTER)[-2:]:
        assert line_call.heard(WARNING_HZ), f"the tenant's side is warned\n{line_call.told()}"
    for call, outcome, cdr in zip(calls, outcomes, cdrs, strict=True):
        assert not call.heard(WARNING_HZ), "the caller hears no warning"
        _ended_at_its_paid_second(outcome.talk_seconds, cdr)
    account = await world.account("shortcash")
    assert account.available_micros == 0, "the account ends at its limit, to the micro-unit"
    entries = await world.views.statement("tenant:shortcash", 100)
    debits = -sum(entry.amount_micros for entry in entries if entry.amount_micros < 0)
    assert debits == sum(cdr.cost_micros for cdr in cdrs) == parse_micros("0.12")
    assert sum(cdr.legs[0].billed_seconds for cdr in cdrs) == CASH_SECONDS
    await world.nothing_left()


def _ended_at_its_paid_second(talk_seconds: float | None, cdr: Cdr) -> None:
    paid_seconds = cdr.legs[0].billed_seconds
    assert talk_seconds is not None
    assert abs(talk_seconds - paid_seconds) < 1, (
        f"talked {talk_seconds:.3f} s, paid {paid_seconds} s"
    )
    assert cdr.ended_by == "money"
    assert cdr.cost_micros == paid_seconds * SECOND_MICROS


async def the_caller_hangs_up_while_it_rings(world: World) -> None:
    """A caller who gives up while the line rings pays nothing and leaves nothing behind."""
    before = await world.account("acme")
    world.carrier.line(HOTLINE[0], NoAnswer())
    call = await world.call("4007654321", "01062001234")
    await call.ringing()
    assert (await world.account("acme")).held_micros > 0, "money is held before it rings"
    outcome = await call.hang_up()

    assert outcome.status == 487
    rang = await world.carrier.called(HOTLINE[0])
    await rang.ended()
    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.ended_by, cdr.cost_micros) == ("cancelled", "caller", 0)
    after = await world.account("acme")
    assert (after.balance_micros, after.held_micros) == (before.balance_micros, 0)
    await world.nothing_left()


async def a_talk_outlives_the_switch(world: World) -> None:
    """The switch is killed in a talk and started again: the talk goes on, and is one charge."""
    before = (await world.account("acme")).balance_micros
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440))
    call = await world.call("4007654321", "01062001234")
    await call.hears(440, lasting=_TALK_SECONDS)
    await eventually(lambda: _is_noted(world), "the talk to be noted", 5)
    await world.kill_switch()
    killed_at = clock.monotonic()
    await call.hears(440, since=killed_at, lasting=_TALK_SECONDS)
    await world.start_switch()
    [line_call] = world.carrier.calls_to(HOTLINE[0])
    started_at = clock.monotonic()
    await asyncio.gather(call.hears(440, since=started_at), line_call.hears(700, since=started_at))
    await call.hang_up()

    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.ended_by) == ("answered", "caller")
    assert any(step["rule"] == "recovery" for step in cdr.trace), "it was taken up"
    assert call.ended_at is not None
    assert call.answered_at is not None
    talked = call.ended_at - call.answered_at
    assert abs(float(cdr.talk_seconds) - talked) < 1, f"talked {talked:.1f} s"
    assert (await world.account("acme")).balance_micros == before - MINUTE_MICROS
    await world.nothing_left()


async def _is_noted(world: World) -> bool | None:
    live = await world.views.live_calls()
    return True if live and live[0].stage == "talking" else None


DEMO_CALLS = (
    callers_reach_the_line_of_their_area,
    a_blacklisted_caller_is_refused,
    the_third_line_answers,
    two_calls_share_the_last_money,
    the_caller_hangs_up_while_it_rings,
    a_talk_outlives_the_switch,
)
