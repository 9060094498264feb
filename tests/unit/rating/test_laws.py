"""What holds for every rate, moment and zone: laws of the meter, and an oracle beside it."""

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from callctl.rating import SECONDS_MAX, Meter
from callctl.values.tariff import Rate
from tests.unit.rating import oracle
from tests.unit.rating.samples import (
    START,
    band,
    meter,
    meters,
    moments,
    moneys,
    plain_rates,
    prices,
    rate,
    talks_ms,
)

_HUGE = rate(price_per_minute_micros=10**12, minimum_seconds=3_600)


def _next(meter: Meter, billed_seconds: int) -> int:
    """The grid's value after `billed_seconds`."""
    return meter.billed_seconds(billed_seconds * 1000 + 1)


@given(meters, talks_ms)
@settings(max_examples=400)
def test_cost_is_the_oracles(meter: Meter, talk_ms: int) -> None:
    """The cost is what the definition of each term, followed minute by minute, comes to."""
    assert meter.cost_micros(talk_ms) == oracle.cost_micros(meter, talk_ms)


@given(meters, talks_ms, st.integers(0, 100_000))
def test_a_longer_talk_never_costs_less(meter: Meter, talk_ms: int, more_ms: int) -> None:
    """Cost and billed seconds are monotone in the talk, and never negative."""
    longer_ms = talk_ms + more_ms
    assert 0 <= meter.cost_micros(talk_ms) <= meter.cost_micros(longer_ms)
    assert 0 <= meter.billed_seconds(talk_ms) <= meter.billed_seconds(longer_ms)


@given(meters, talks_ms)
def test_billed_seconds_are_on_the_grid(meter: Meter, talk_ms: int) -> None:
    """Billed seconds cover the talk, and a talk that long is billed and costs the same."""
    billed = meter.billed_seconds(talk_ms)
    assert billed * 1000 >= talk_ms
    assert meter.billed_seconds(billed * 1000) == billed
    assert meter.cost_micros(billed * 1000) == meter.cost_micros(talk_ms)


@given(meters, moneys, st.one_of(st.just(SECONDS_MAX), st.integers(-5, 2 * SECONDS_MAX)))
@example(meter(_HUGE), 1_000_000, SECONDS_MAX)
@settings(max_examples=400)
def test_quota_is_the_inverse_of_cost(meter: Meter, money: int, seconds_max: int) -> None:
    """The quota lies on the grid and is affordable; the grid's next value is not, or too long."""
    quota = meter.quota_seconds(money, seconds_max)

    assert 0 <= quota <= max(seconds_max, 0)
    assert quota == meter.billed_seconds(quota * 1000)
    assert quota == 0 or meter.cost_micros(quota * 1000) <= money
    more = _next(meter, quota)
    assert more > seconds_max or meter.cost_micros(more * 1000) > money


@given(meters, talks_ms)
def test_quota_of_a_cost_pays_the_talk(meter: Meter, talk_ms: int) -> None:
    """Who has what a talk costs can talk so long."""
    talk_ms = min(talk_ms, SECONDS_MAX * 1000)
    billed = meter.billed_seconds(talk_ms)
    assert meter.quota_seconds(meter.cost_micros(talk_ms), max(SECONDS_MAX, billed)) >= billed


@given(meters, st.lists(st.integers(0, 4_000_000), min_size=1, max_size=8).map(sorted))
def test_slices_sum_to_the_whole(meter: Meter, cuts_ms: list[int]) -> None:
    """However a talk is cut, the slices' prices are never negative and sum to the whole."""
    costs = [0, *(meter.cost_micros(cut_ms) for cut_ms in cuts_ms)]
    slices = [after - before for before, after in pairwise(costs)]
    fresh = Meter(meter.rate, meter.started_at, meter.timezone, meter.calendar)
    assert min(slices) >= 0
    assert sum(slices) == fresh.cost_micros(cuts_ms[-1])


@given(meters, st.lists(talks_ms, min_size=1, max_size=6))
def test_what_was_asked_before_changes_nothing(meter: Meter, talks: list[int]) -> None:
    """A meter that has answered long and short talks still gives the price of a fresh one."""
    for talk_ms in talks:
        fresh = Meter(meter.rate, meter.started_at, meter.timezone, meter.calendar)
        assert meter.cost_micros(talk_ms) == fresh.cost_micros(talk_ms)


@given(meters, talks_ms)
def test_explanation_adds_up_to_the_cost(meter: Meter, talk_ms: int) -> None:
    """Steps, rounding and maximum sum to the cost; the steps fill the billed time in order."""
    told = meter.explain(talk_ms)

    total = sum(step.money_micros for step in told.steps)
    assert told.cost_micros == meter.cost_micros(talk_ms)
    assert total + told.rounding_micros - told.spared_micros == told.cost_micros
    assert told.spared_micros >= 0
    assert -meter.rate.round_to_micros <= 2 * told.rounding_micros
    assert 2 * (told.rounding_micros - 1) < meter.rate.round_to_micros
    assert sum(step.length_ms for step in told.steps) == told.billed_seconds * 1000
    for before, after in pairwise(told.steps):
        assert (after.starts_at - before.starts_at).total_seconds() * 1000 == before.length_ms
    charged = told.billed_seconds - meter.rate.free_seconds
    assert sum(step.increments for step in told.steps) == _increments(meter, charged)


def _increments(meter: Meter, charged_seconds: int) -> int:
    if charged_seconds <= 0:
        return 0
    beyond = charged_seconds - meter.rate.first_increment_seconds
    assert beyond % meter.rate.next_increment_seconds == 0
    return 1 + beyond // meter.rate.next_increment_seconds


@given(meters, talks_ms)
def test_what_is_free_costs_nothing(meter: Meter, talk_ms: int) -> None:
    """A meter that says it is free has cost 0 for every talk."""
    if meter.is_free:
        assert meter.cost_micros(talk_ms) == 0


@given(plain_rates, st.booleans())
def test_what_is_not_free_costs_something(of: Rate, has_no_price: bool) -> None:
    """Without bands, a meter that does not say it is free costs something, if only in the end."""
    if has_no_price:
        of = replace(of, price_per_minute_micros=0)
    endless_ms = 10**18
    assert meter(of).is_free == (meter(of).cost_micros(endless_ms) == 0)


@given(plain_rates, prices, moments, moments, talks_ms)
def test_without_bands_the_hour_does_not_matter(
    of: Rate, price: int, at: datetime, later: datetime, talk_ms: int
) -> None:
    """A rate without bands costs the same at any time, and so does one whose band has its price."""
    one = meter(of, at)
    banded = replace(of, bands=(band("same", "21:00-07:00", of.price_per_minute_micros),))
    assert one.cost_micros(talk_ms) == one.starting_at(later).cost_micros(talk_ms)
    assert one.cost_micros(talk_ms) == meter(banded, at).cost_micros(talk_ms)


def test_a_rate_without_bands_reads_no_time_zone() -> None:
    """The zone of a rate without bands may be anything."""
    nowhere = Meter(rate(), START, "Nowhere/At_All")
    assert nowhere.cost_micros(60_000) == 300_000
    assert nowhere.quota_seconds(300_000) == 60
    assert nowhere.explain(60_000).cost_micros == 300_000
