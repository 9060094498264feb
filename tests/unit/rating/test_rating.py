"""Rating: the grid of billed seconds, rounding, and the inverse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl import rating
from callctl.values.tariff import Rate, Tariff

PER_MINUTE = Rate("", 0, 300_000, 0, 60, 60)  # ¥0.30, 60/60: the 400 default
PER_SECOND = Rate("", 0, 150_000, 0, 1, 1)  # €0.15, 1/1: the French default

rates = st.builds(
    Rate,
    prefix=st.just(""),
    connect_fee_micros=st.integers(0, 5_000_000),
    price_per_minute_micros=st.integers(0, 100_000_000),
    minimum_seconds=st.integers(0, 120),
    first_increment_seconds=st.integers(1, 90),
    next_increment_seconds=st.integers(1, 90),
    round_to_micros=st.sampled_from([1, 100, 10_000]),
)


@pytest.mark.parametrize(
    ("talk_ms", "billed", "micros"),
    [
        (0, 0, 0),
        (1, 60, 300_000),
        (60_000, 60, 300_000),
        (60_001, 120, 600_000),
        (3_600_000, 3600, 18_000_000),
    ],
)
def test_cost_per_started_minute(talk_ms: int, billed: int, micros: int) -> None:
    """At 60/60 every started minute costs ¥0.30."""
    assert billed == rating.billed_seconds(PER_MINUTE, talk_ms)
    assert micros == rating.cost_micros(PER_MINUTE, talk_ms)


def test_cost_is_rounded_half_up_once_per_leg() -> None:
    """0.10 a minute for 31 s is 0.051666..., rounded once to four decimals: 0.0517."""
    rate = Rate("", 0, 100_000, 0, 1, 1)

    assert rating.cost_micros(rate, 31_000) == 51_700
    assert rating.cost_micros(Rate("", 0, 30_500, 0, 1, 1, 1_000), 1_000) == 1_000  # 508.3
    assert rating.cost_micros(Rate("", 0, 30_000, 0, 1, 1, 1_000), 1_000) == 1_000  # 500: up


def test_cost_with_connect_fee_and_minimum() -> None:
    """A connect fee is added once; the minimum stretches the first block along the grid."""
    rate = Rate("", 50_000, 60_000, 15, 10, 10)

    assert rating.billed_seconds(rate, 1) == 20
    assert rating.cost_micros(rate, 1) == 70_000
    assert rating.cost_micros(rate, 20_001) == 80_000


def test_rate_for_takes_the_longest_prefix() -> None:
    """The rate of the longest matching prefix is taken; none matching is None."""
    any_, china, beijing = (Rate(p, 0, 1, 0, 1, 1) for p in ("", "86", "8610"))
    tariff = Tariff("t", 1, "CNY", (any_, china, beijing))

    assert rating.rate_for(tariff, "861062001234") is beijing
    assert rating.rate_for(tariff, "8613900000000") is china
    assert rating.rate_for(tariff, "") is any_
    assert rating.rate_for(Tariff("t", 1, "CNY", (china,)), "44") is None


@given(rates, st.integers(0, 20_000_000), st.integers(0, 20_000_000))
def test_cost_never_falls_with_time(rate: Rate, one: int, other: int) -> None:
    """A longer talk never costs less."""
    shorter, longer = sorted((one, other))

    assert rating.cost_micros(rate, shorter) <= rating.cost_micros(rate, longer)


@given(rates, st.integers(0, 10**12), st.integers(1, rating.SECONDS_MAX))
def test_quota_is_the_inverse_of_cost(rate: Rate, money: int, seconds_max: int) -> None:
    """The quota is affordable, on the grid, within its bound; one increment more is not."""
    quota = rating.quota_seconds(rate, money, seconds_max)
    more = quota + rate.next_increment_seconds if quota else rating.billed_seconds(rate, 1)

    assert 0 <= quota <= seconds_max
    if quota:
        assert quota == rating.billed_seconds(rate, quota * 1000)
        assert rating.cost_micros(rate, quota * 1000) <= money
    assert more > seconds_max or rating.price_micros(rate, more) > money
