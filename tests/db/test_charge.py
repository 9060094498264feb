"""The money of a call on the real ledger, in simulated time: slices, shares, warnings, ends."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from callctl.charging import Bill, open_charge
from callctl.db.pool import Database
from callctl.values.tariff import Band, Rate
from tests.db.till import BEGIN, PER_MINUTE, PER_SECOND, Till, talk_of


async def test_a_slice_is_held_then_renewed_at_half(till: Till) -> None:
    """While money is plentiful the leg holds a slice and renews when half of it is left."""
    await till.top_up(10_000_000)
    charge = till.charge()
    await charge.reserve_first(Bill((till.payer(PER_SECOND),)))
    assert (charge.paid_seconds, await till.available()) == (120, 10_000_000 - 600_000)

    till.start(charge)
    assert charge.seconds_to_act() == pytest.approx(60, abs=0.01)
    till.time.now += 60
    assert (await charge.advance()).is_extended
    assert charge.paid_seconds == 240
    assert await till.available() == 10_000_000 - 1_200_000

    await charge.close({})


async def test_the_sum_of_posts_is_the_price_of_the_talk(till: Till) -> None:
    """However the talk is sliced, what was posted equals the cost of its whole length."""
    await till.top_up(10_000_000)
    charge, payer = till.charge(30), till.payer(PER_MINUTE)
    talk: dict[uuid.UUID, int] = {}
    async with open_charge(charge, Bill((payer,)), beside=[], talk_times=talk_of(talk)):
        till.start(charge)
        for _ in range(7):
            till.time.now += charge.seconds_to_act()
            await charge.advance()
        talk[payer.leg_id] = 125_300
    assert [cost.cost_micros for cost in charge.costs] == [900_000]
    assert [cost.billed_seconds for cost in charge.costs] == [180]
    assert await till.available() == 10_000_000 - 900_000


async def test_a_post_beyond_the_end_is_given_back(till: Till) -> None:
    """When the end proves to be earlier than what was posted, the difference is refunded."""
    await till.top_up(10_000_000)
    charge, payer = till.charge(60), till.payer(PER_SECOND)
    talk: dict[uuid.UUID, int] = {}
    async with open_charge(charge, Bill((payer,)), beside=[], talk_times=talk_of(talk)):
        till.start(charge)
        till.time.now += 40
        await charge.advance()
        assert charge.posted_micros(payer.reservation_id) == 39 * 5_000
        talk[payer.leg_id] = 20_000
    assert charge.costs[0].cost_micros == 100_000
    assert await till.available() == 10_000_000 - 100_000


async def test_no_money_for_the_first_block_is_denied(till: Till) -> None:
    """An account that can't pay the first block gets no call, and nothing is held."""
    await till.top_up(299_999)
    charge = till.charge()
    async with open_charge(
        charge, Bill((till.payer(PER_MINUTE),)), beside=[], talk_times=talk_of({})
    ):
        assert charge.denial == "no_credit"
    assert await till.available() == 299_999


async def test_a_talk_longer_than_paid_is_charged_as_paid(till: Till) -> None:
    """The milliseconds between timer and hang-up are ours: never more is posted than was held."""
    await till.top_up(60_000)
    charge, payer = till.charge(12), till.payer(PER_SECOND)
    talk = {payer.leg_id: 12_007}
    async with open_charge(charge, Bill((payer,)), beside=[], talk_times=talk_of(talk)):
        assert charge.paid_seconds == 12
    assert charge.costs[0].cost_micros == 60_000
    assert await till.available() == 0


@pytest.mark.parametrize("legs", [2, 7, 20])
async def test_legs_on_one_account_run_dry_together(till: Till, legs: int) -> None:
    """Legs that start together end within one small step of each other, and all money is used."""
    money_seconds = legs * 100 + 3
    await till.top_up(money_seconds * 5_000)
    charges = [till.charge(20) for _ in range(legs)]
    payers = [till.payer(PER_SECOND) for _ in range(legs)]
    for charge, payer in zip(charges, payers, strict=True):
        await charge.reserve_first(Bill((payer,)))
        till.start(charge)
    started = till.time.now
    live = list(charges)
    while live:
        step = min(*(c.seconds_to_act() for c in live), *(c.seconds_left() for c in live))
        till.time.now += max(step, 0.01)
        live = [c for c in live if c.seconds_left() > 0]
        for charge in live:
            await charge.advance()
    ends = [charge.paid_seconds for charge in charges]
    for charge, payer in zip(charges, payers, strict=True):
        await charge.close({payer.leg_id: charge.paid_seconds * 1000})

    assert sum(ends) == money_seconds
    assert max(ends) - min(ends) <= 3
    assert await till.available() == 0
    assert till.time.now - started == pytest.approx(max(ends), abs=1)


async def test_a_leg_that_holds_too_much_gives_back_when_others_come(till: Till) -> None:
    """One that reserved a whole slice while it was alone shares it: both end together."""
    await till.top_up(131 * 5_000)
    first, second = till.charge(), till.charge()
    payers = [till.payer(PER_SECOND), till.payer(PER_SECOND)]
    await first.reserve_first(Bill((payers[0],)))
    till.start(first)
    assert first.paid_seconds == 120
    await second.reserve_first(Bill((payers[1],)))
    till.start(second)
    assert first.seconds_to_act() == 0.0, "it has been told"
    live = {0: first, 1: second}
    while live:
        acts = [min(c.seconds_to_act(), max(c.seconds_left(), 0.0)) for c in live.values()]
        till.time.now += max(min(acts), 0.01)
        live = {n: c for n, c in live.items() if c.seconds_left() > 0}
        for charge in live.values():
            advance = await charge.advance()
            if advance.shrink_to is not None:
                await charge.shrink(advance.shrink_to)
    ends = [first.paid_seconds, second.paid_seconds]
    for charge, payer in zip((first, second), payers, strict=True):
        await charge.close({payer.leg_id: charge.paid_seconds * 1000})

    assert sum(ends) == 131
    assert max(ends) - min(ends) <= 1
    assert await till.available() == 0


async def test_warnings_come_once_each_at_their_time(till: Till) -> None:
    """60 s and 15 s before the money ends, by the account's standing, and never twice."""
    await till.top_up(200 * 5_000)
    charge = till.charge(120)
    await charge.reserve_first(Bill((till.payer(PER_SECOND),)))
    till.start(charge)
    started, warnings = till.time.now, []
    while charge.seconds_left() > 0:
        till.time.now += max(min(charge.seconds_to_act(), charge.seconds_left()), 0.05)
        advance = await charge.advance()
        if advance.warning_seconds is not None:
            warnings.append((advance.warning_seconds, round(till.time.now - started)))
    await charge.close({})

    assert [warning for warning, _ in warnings] == [60, 15]
    assert [at for _, at in warnings] == pytest.approx([140, 185], abs=2)


async def test_a_top_up_in_the_last_seconds_lets_the_call_go_on(till: Till) -> None:
    """A leg that ran dry asks again each second and takes what has come."""
    await till.top_up(10 * 5_000)
    charge = till.charge(10)
    await charge.reserve_first(Bill((till.payer(PER_SECOND),)))
    till.start(charge)
    while not charge.exhaustion:
        till.time.now += max(charge.seconds_to_act(), 0.05)
        assert not (await charge.advance()).is_extended
    assert 0 < charge.seconds_left() <= 2

    await till.top_up(1_000_000)
    till.time.now += 1.0
    assert charge.seconds_to_act() <= 0.01
    assert (await charge.advance()).is_extended
    await charge.close({})


async def test_a_forwarding_leg_is_paid_beside_the_service_leg(till: Till) -> None:
    """Each leg has its own rate and reservation; an unanswered one gives its money back."""
    await till.top_up(10_000_000)
    charge, service = till.charge(60), till.payer(PER_SECOND)
    busy, answered = till.payer(PER_MINUTE), till.payer(PER_MINUTE)
    talk = {service.leg_id: 61_000, answered.leg_id: 61_000}
    async with open_charge(charge, Bill((service,)), beside=[], talk_times=talk_of(talk)):
        assert await charge.add([busy])
        await charge.drop(busy.leg_id)
        assert await charge.add([answered])
        assert await till.available() == 10_000_000 - 300_000 - 300_000
        till.start(charge)
        till.time.now += 31
        assert (await charge.advance()).is_extended
    costs = {cost.payer.leg_id: cost.cost_micros for cost in charge.costs}
    assert costs == {busy.leg_id: 0, service.leg_id: 305_000, answered.leg_id: 600_000}


async def test_a_leg_that_begins_later_is_charged_from_there(till: Till) -> None:
    """A line that answers into a charged menu pays for its own time only."""
    await till.top_up(10_000_000)
    charge, caller, line = till.charge(60), till.payer(PER_SECOND), till.payer(PER_SECOND)
    talk = {caller.leg_id: 45_000, line.leg_id: 15_000}
    async with open_charge(charge, Bill((caller,)), beside=[], talk_times=talk_of(talk)):
        till.start(charge)
        till.time.now += 20
        assert await charge.add([line])
        assert await till.available() == 10_000_000 - (60 + 40) * 5_000
        till.time.now += 10  # it rings; the caller's slice is renewed at its half
        assert (await charge.advance()).is_extended
        assert charge.paid_seconds == 120
        assert charge.posted_micros(line.reservation_id) == 0
        assert await till.available() == 10_000_000 - (120 + 91) * 5_000  # one second unproven
        charge.begin([line.leg_id], till.time.now, BEGIN)
        till.time.now += 15
    costs = {cost.payer.leg_id: (cost.talk_ms, cost.cost_micros) for cost in charge.costs}
    assert costs == {caller.leg_id: (45_000, 225_000), line.leg_id: (15_000, 75_000)}


async def test_what_asterisk_is_not_there_to_prove_is_not_posted_yet(till: Till) -> None:
    """A renewal while it is away posts what was talked before; its return tells the rest."""
    await till.top_up(10_000_000)
    charge, payer = till.charge(60), till.payer(PER_SECOND)
    async with open_charge(
        charge, Bill((payer,)), beside=[], talk_times=talk_of({payer.leg_id: 45_000})
    ):
        till.start(charge)
        till.time.now += 30
        till.unheard_seconds = 7.0
        assert (await charge.advance()).is_extended
        assert charge.posted_micros(payer.reservation_id) == (30 - 7 - 1) * 5_000
        assert charge.paid_seconds == 120
        till.time.now += 60
        till.unheard_seconds = 0.0
        assert (await charge.advance()).is_extended
        assert charge.posted_micros(payer.reservation_id) == (90 - 1) * 5_000
    assert [cost.cost_micros for cost in charge.costs] == [45 * 5_000]


async def test_a_price_that_rises_before_the_answer_shortens_the_paid_time(till: Till) -> None:
    """Money was held at the hour of the INVITE; the talk begins in a dearer one."""
    await till.top_up(10_000_000)
    day = Band("day", (), 10 * 60 + 1, 20 * 60, 600_000)  # from 10:01, one minute after BEGIN
    rate = replace(PER_SECOND, bands=(day,))
    charge, payer = till.charge(60), till.payer(rate)
    await charge.reserve_first(Bill((payer,)))
    assert charge.paid_seconds == 60
    charge.begin([payer.leg_id], till.time.now, BEGIN + timedelta(seconds=60))
    assert charge.paid_seconds == 30
    await charge.close({})


async def test_a_free_leg_touches_no_money(till: Till) -> None:
    """A leg at price 0 needs no money and holds none."""
    charge, payer = till.charge(), till.payer(Rate("", 0, 0, 0, 1, 1))
    talk = {payer.leg_id: 5_000}
    async with open_charge(charge, Bill((payer,)), beside=[], talk_times=talk_of(talk)):
        assert charge.denial == ""
        assert charge.paid_seconds == 14_400
    assert (charge.costs[0].billed_seconds, charge.costs[0].cost_micros) == (5, 0)


async def test_a_call_that_is_over_is_nobody_s_neighbour(till: Till) -> None:
    """A switch that runs for years keeps none of them in mind."""
    await till.top_up(10_000_000)
    charge, payer = till.charge(60), till.payer(PER_SECOND)
    async with open_charge(
        charge, Bill((payer,)), beside=[], talk_times=talk_of({payer.leg_id: 1000})
    ):
        assert till.neighbours._by_account
    assert not till.neighbours._by_account


async def test_what_is_held_outlives_the_paid_time(till: Till, database: Database) -> None:
    """By hours: a call of an outage, or of a dead switch, is settled later out of its own money."""
    await till.top_up(10_000_000)
    await till.charge(60).reserve_first(Bill((till.payer(PER_SECOND),)))
    seconds = await database.fetchval(
        "SELECT extract(epoch FROM expires_at - opened_at)::integer FROM reservations"
    )
    assert seconds >= 60 + 3600
