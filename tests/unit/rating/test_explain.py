"""How a cost is told: its steps, in order, with what each adds."""

from datetime import UTC, datetime, timedelta

from callctl.rating import Step
from callctl.values.tariff import Rate
from tests.unit.rating.samples import START, USUAL, band, local, meter, rate

_EVERYTHING = Rate(
    *("", 50_000, 300_000, 0, 60, 60, 100),
    free_seconds=5,
    first_step_seconds=10,
    first_step_price_micros=600_000,
    bands=(band("night", "21:00-07:00", 100_000),),
)


def test_steps_of_a_call_across_an_edge() -> None:
    """Fee, free seconds, first step, and each price from the very moment at which it begins."""
    start = local("2026-10-14 20:59:30.500")
    told = meter(_EVERYTHING, start).explain(70_000)

    def at(seconds: float) -> datetime:
        return start + timedelta(seconds=seconds)

    assert told.steps == (
        Step("connect fee", start, 0, 0, 0, 50_000),
        Step("free seconds", start, 5_000, 0, 0, 0),
        Step("first step", at(5), 10_000, 1, 600_000, 100_000),
        Step("price per minute", at(15), 14_500, 0, 300_000, 72_500),
        Step("band night", at(29.5), 95_500, 1, 100_000, 159_166),
    )
    assert (told.talk_ms, told.billed_seconds, told.cost_micros) == (70_000, 125, 381_700)
    assert (told.rounding_micros, told.spared_micros) == (34, 0)
    assert (told.rate, told.started_at) == (_EVERYTHING, start)


def test_maximum_is_told_as_spared() -> None:
    """What the maximum takes off stands beside the rounding."""
    told = meter(rate(USUAL, maximum_cost_micros=1_000_000)).explain(300_000)
    assert [step.money_micros for step in told.steps] == [1_500_000]
    assert (told.rounding_micros, told.spared_micros, told.cost_micros) == (0, 500_000, 1_000_000)


def test_bands_that_go_on_are_one_step() -> None:
    """A price that goes on over midnight is one line; another price at the same name is another."""
    night = rate(bands=(band("night", "21:00-07:00", 100_000),))
    told = meter(night, local("2026-10-14 23:59:00")).explain(120_000)
    assert [(step.what, step.length_ms) for step in told.steps] == [("band night", 120_000)]

    twins = rate(bands=(band("x", "00:00-12:00", 1), band("x", "12:00-24:00", 2)))
    told = meter(twins, local("2026-10-14 11:59:00")).explain(120_000)
    assert [step.price_per_minute_micros for step in told.steps] == [1, 2]


def test_increments_are_counted_where_they_begin() -> None:
    """A minimum of several increments is several, and each counts where its time begins."""
    of = rate(USUAL, minimum_seconds=150, first_step_seconds=60, first_step_price_micros=0)
    told = meter(of).explain(1)
    assert [(step.length_ms, step.increments) for step in told.steps] == [(60_000, 1), (120_000, 2)]


def test_increment_over_an_edge_counts_before_it() -> None:
    """An increment in which the price changes has begun at the first price."""
    of = rate(USUAL, first_step_seconds=90, first_step_price_micros=0)
    told = meter(of).explain(100_000)
    assert [(step.length_ms, step.increments) for step in told.steps] == [(90_000, 2), (30_000, 0)]


def test_less_than_a_micro_unit_goes_to_the_next_step() -> None:
    """Two steps of half a micro-unit are none and one, and nothing is left to round."""
    of = rate(
        price_per_minute_micros=1,
        first_step_seconds=30,
        first_step_price_micros=1,
        round_to_micros=1,
    )
    told = meter(of).explain(60_000)
    assert [step.money_micros for step in told.steps] == [0, 1]
    assert (told.rounding_micros, told.cost_micros) == (0, 1)


def test_no_talk_has_no_steps() -> None:
    """A call that was not answered costs nothing, and there is nothing to tell."""
    told = meter(_EVERYTHING).explain(0)
    assert (told.steps, told.billed_seconds, told.cost_micros) == ((), 0, 0)
    assert meter(_EVERYTHING).explain(-1) == told


def test_free_talk_is_told() -> None:
    """A talk within the free seconds is one step at no price."""
    told = meter(rate(free_seconds=60)).explain(10_000)
    assert told.steps == (Step("free seconds", START, 10_000, 0, 0, 0),)


def test_steps_follow_real_time_over_a_changed_clock() -> None:
    """Where the clock goes back, the moments of the steps are still one after the other."""
    of = rate(first_step_seconds=60, first_step_price_micros=0)
    start = local("2026-10-25 02:59:30", "Europe/Paris")
    second = meter(of, start, "Europe/Paris").explain(90_000).steps[1]
    assert second.starts_at.astimezone(UTC) - start.astimezone(UTC) == timedelta(seconds=60)
    assert (second.starts_at.hour, second.starts_at.fold) == (2, 1)
