"""Charging on real calls: many legs on little money, warnings, limits, menus, resellers."""

import asyncio
from pathlib import Path

import pytest

from callctl import clock
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.values.money import parse_micros
from tests.agents import Answers, NoAnswer, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.agents.timeline import AgentFailure
from tests.demo.world import World, billed_as_talked, eventually

SECOND_MICROS = 5_000
CROWD = 20
BLOCK_SECONDS = 6
TIMER_SECONDS = 0.2  # Asterisk's timer, the BYE, and the telephone that notes it


@pytest.fixture
def switch_settings(switch_settings: dict[str, str]) -> dict[str, str]:
    """Slices that end within a test."""
    return switch_settings | {"CALLCTL_SLICE_SECONDS": "12"}


@pytest.fixture
async def charged(world: World) -> World:
    """The world with the tenants of charging.yaml, once the switch follows it."""
    document = read_document(Path(__file__).with_name("charging.yaml").read_bytes())
    await apply(world.database, document)

    async def is_known() -> bool | None:
        call = await world.call("4001110003", "01062001234")
        try:
            await call.ringing()
        except AgentFailure:
            return None  # 404: not yet
        await call.hang_up()
        return True

    world.carrier.line("02062000033", NoAnswer())
    await eventually(is_known, "the switch to follow the file", 3)
    await world.nothing_left()
    return world


async def test_twenty_calls_on_one_account_end_together(charged: World) -> None:
    """They end within one increment of each other, each at its paid second, all money used."""
    world = charged
    world.carrier.line("02062000031", Answers(voice_hz=440))
    callers = [f"0106200{n:04d}" for n in range(CROWD)]
    calls = await asyncio.gather(*(world.call("4001110001", one) for one in callers))
    for call in calls:
        await call.answered()
    outcomes = await asyncio.gather(*(call.ended(60) for call in calls))

    cdrs = [await world.cdr(call) for call in calls]
    for outcome, cdr in zip(outcomes, cdrs, strict=True):
        assert cdr.ended_by == "money"
        assert outcome.talk_seconds == pytest.approx(cdr.legs[0].billed_seconds, abs=1)
    billed = [cdr.legs[0].billed_seconds for cdr in cdrs]
    assert max(billed) - min(billed) <= BLOCK_SECONDS
    begins = [call.answered_at for call in calls if call.answered_at is not None]
    ends = [call.ended_at for call in calls if call.ended_at is not None]
    assert len(ends) == CROWD
    started_apart = max(begins) - min(begins)  # who came first may be a block ahead
    assert max(ends) - min(ends) <= BLOCK_SECONDS + started_apart + TIMER_SECONDS
    account = await world.account("crowd")
    assert account.available_micros == 0
    assert sum(cdr.cost_micros for cdr in cdrs) == parse_micros("2.01")
    await world.nothing_left()


async def test_the_tenant_is_warned_in_its_language_while_both_go_on_talking(
    charged: World,
) -> None:
    """The line hears warning and end in French, over the caller's voice; the caller neither."""
    world = charged
    world.carrier.line("02062000032", Answers(voice_hz=440))
    call = await world.call("4001110002", "01062001234")
    await call.answered()
    line_call = await world.carrier.called("02062000032")
    await line_call.hears(PROMPT_HZ["fr", "warning"], seconds=6)
    warned_at = clock.monotonic()
    await line_call.hears(PROMPT_HZ["fr", "final"], seconds=6)
    await call.hears(440, since=warned_at)
    outcome = await call.ended(10)

    assert outcome.talk_seconds == pytest.approx(8, abs=1)
    for prompt in ("warning", "final"):
        assert not call.heard(PROMPT_HZ["fr", prompt]), "the caller hears no warning"
        assert not line_call.heard(PROMPT_HZ["zh", prompt])
    cdr = await world.cdr(call)
    assert (cdr.ended_by, cdr.legs[0].billed_seconds) == ("money", 8)
    assert [s["rule"] for s in cdr.trace][-2:] == ["warning", "final announcement"]
    await world.nothing_left()


async def test_an_account_without_warnings_hears_none(charged: World) -> None:
    """warn_seconds [] means silence to the end; the call is cut at its paid second all the same."""
    world = charged
    world.carrier.line("02062000033", Answers(voice_hz=440))
    call = await world.call("4001110003", "01062001234")
    await call.answered()
    line_call = await world.carrier.called("02062000033")
    outcome = await call.ended(10)

    assert outcome.talk_seconds == pytest.approx(6, abs=1)
    assert not any(line_call.heard(hz) for hz in PROMPT_HZ.values())
    assert (await world.cdr(call)).ended_by == "money"
    await world.nothing_left()


async def test_a_top_up_in_the_last_seconds_lets_the_call_go_on(charged: World) -> None:
    """After the final announcement has begun, money arrives: nobody is cut."""
    world = charged
    world.carrier.line("02062000032", Answers(voice_hz=440))
    call = await world.call("4001110002", "01062001234")
    await call.answered()
    line_call = await world.carrier.called("02062000032")
    await line_call.hears(PROMPT_HZ["fr", "final"], seconds=12)
    await world.top_up("pressed", "1.00")
    await call.hears(440, since=clock.monotonic() + 5, seconds=8)
    assert call.outcome is None
    await call.hang_up()

    cdr = await world.cdr(call)
    assert cdr.ended_by == "caller"
    assert cdr.legs[0].billed_seconds > 8
    await world.nothing_left()


async def test_a_refused_call_names_the_limit(charged: World) -> None:
    """With one call at a time the second is refused; when the first has ended, there is room."""
    world = charged
    world.carrier.line("02062000034", Answers(voice_hz=440))
    first = await world.call("4001110004", "01062001234")
    await first.answered()
    second = await world.call("4001110004", "13901710001")
    refused = await second.ended()
    await first.hang_up()

    assert (refused.status, refused.cause) == (403, 21)
    cdr = await world.cdr(second)
    assert (cdr.disposition, cdr.ended_by) == ("rejected", "limit_concurrent_calls")
    assert "limit:did:4001110004:concurrent_calls" in str(cdr.trace)
    await world.cdr(first)
    third = await world.call("4001110004", "13901710001")
    await third.answered()
    await third.hang_up()
    await world.nothing_left()


@pytest.mark.parametrize(
    ("did", "seconds", "ended_by"),
    [("4001110005", 3, "limit_longest_call"), ("4001110006", 4, "limit_cost_per_day")],
)
async def test_a_limit_ends_the_call_at_its_second(
    charged: World, did: str, seconds: int, ended_by: str
) -> None:
    """The longest call, and a day's cost, end a call as exactly as money does, and say so."""
    world = charged
    world.carrier.line("02062000034", Answers(voice_hz=440))
    call = await world.call(did, "01062001234")
    await call.answered()
    outcome = await call.ended(10)

    assert outcome.talk_seconds == pytest.approx(seconds, abs=1)
    cdr = await world.cdr(call)
    assert (cdr.ended_by, cdr.cost_micros) == (ended_by, seconds * SECOND_MICROS)
    await world.nothing_left()


async def test_a_menu_is_charged_from_the_answer_though_nobody_picks_up(charged: World) -> None:
    """The greeting answers (A16): the caller's time from there on is charged (ambiguity 22)."""
    world = charged
    world.carrier.line("02062000035", NoAnswer())
    call = await world.call("4001110007", "01062001234")
    await call.answered()
    await call.hears(PROMPT_HZ["", "unavailable"])
    await call.hears(PROMPT_HZ["", "ringback-demo"], seconds=8)
    await call.ended(10)

    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.ended_by) == ("no_answer", "no_line")
    billed_as_talked(cdr.legs[0], call)
    assert cdr.cost_micros == cdr.legs[0].billed_seconds * SECOND_MICROS > 0
    await world.nothing_left()


async def test_a_menu_hands_over_to_a_line(charged: World) -> None:
    """After greeting and ringback the line is heard; the whole is one charge from the answer."""
    world = charged
    world.carrier.line("02062000035", Answers(after_seconds=1.0, voice_hz=440))
    call = await world.call("4001110007", "01062001234")
    await call.answered()
    await call.hears(440, seconds=10)
    line_call = await world.carrier.called("02062000035")
    await line_call.hears(700)
    await call.hang_up()

    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.ended_by) == ("answered", "caller")
    billed_as_talked(cdr.legs[0], call)
    assert cdr.legs[0].billed_seconds > cdr.talk_seconds
    await world.nothing_left()


async def test_a_reseller_pays_beside_the_tenant_and_bounds_the_call(charged: World) -> None:
    """The reseller's money for eight seconds ends the call; both were charged for the same time."""
    world = charged
    world.carrier.line("02062000036", Answers(voice_hz=440))
    call = await world.call("4001110008", "01062001234")
    await call.answered()
    outcome = await call.ended(12)

    assert outcome.talk_seconds == pytest.approx(8, abs=1)
    cdr = await world.cdr(call)
    assert (cdr.ended_by, cdr.cost_micros) == ("reseller_money", 8 * SECOND_MICROS)
    dealer = await world.views.account("reseller:dealer")
    assert (dealer.balance_micros, dealer.available_micros) == (0, 0)
    income = await world.views.account("revenue:reseller:dealer")
    assert income.balance_micros == 8 * SECOND_MICROS
    [charge] = await world.database.fetch("SELECT account, cost_micros FROM cdr_charges")
    assert tuple(charge) == ("reseller:dealer", 16_000)
    await world.nothing_left()


async def test_live_calls_tell_rate_cost_and_paid_through(charged: World) -> None:
    """Each leg of a live call has its rate, seconds, cost, end of paid time, and what is left."""
    from callctl.api.answers import LiveCallAnswer  # noqa: PLC0415 - here alone

    world = charged
    world.carrier.line("02062000034", Answers(voice_hz=440))
    call: PlacedCall = await world.call("4001110004", "01062001234")
    await call.hears(440, seconds=5)

    async def charged_one() -> LiveCallAnswer | None:
        live = [LiveCallAnswer.of(one, clock.now()) for one in await world.views.live_calls()]
        return live[0] if live and live[0].charges[0].seconds >= 1 else None

    live = await eventually(charged_one, "a charged second", 5)
    [charge] = live.charges
    assert (charge.account, charge.rate) == ("tenant:bounded", "0.30/min 1/1")
    assert charge.cost_micros in {
        charge.seconds * SECOND_MICROS,
        (charge.seconds + 1) * SECOND_MICROS,
    }
    assert charge.paid_through is not None
    assert 0 < (charge.paid_through - clock.now()).total_seconds() <= 12
    assert charge.available_micros == parse_micros("10.00") - charge.paid_seconds * SECOND_MICROS
    await call.hang_up()
    await world.nothing_left()
