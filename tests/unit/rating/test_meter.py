"""Each term of a rate by itself: what a talk costs with it, and how long a sum lasts."""

from datetime import timedelta

import pytest

from callctl.rating import SECONDS_MAX
from callctl.values.tariff import Rate
from tests.unit.rating.samples import PER_SECOND, START, USUAL, band, meter, rate

_FEE = rate(connect_fee_micros=50_000)
_MINIMUM = rate(minimum_seconds=20)
_30_6 = rate(first_increment_seconds=30, next_increment_seconds=6)
_STRETCHED = rate(_30_6, minimum_seconds=31)
_LONG_FIRST = rate(first_increment_seconds=60, minimum_seconds=20)
_FREE = rate(USUAL, free_seconds=10)
_FREE_WITH_FEE = rate(_FREE, connect_fee_micros=100_000)
_STEP = rate(first_step_seconds=180, first_step_price_micros=100_000)
_STEP_60 = rate(USUAL, first_step_seconds=90, first_step_price_micros=600_000)
_CAPPED = rate(USUAL, connect_fee_micros=50_000, maximum_cost_micros=1_000_000)
_ALL = Rate(
    *("", 50_000, 300_000, 0, 60, 60, 100),
    free_seconds=5,
    first_step_seconds=90,
    first_step_price_micros=600_000,
    maximum_cost_micros=2_000_000,
)


@pytest.mark.parametrize(
    ("of", "talk_ms", "billed", "micros"),
    [
        pytest.param(USUAL, -1, 0, 0, id="no talk"),
        pytest.param(_FEE, 0, 0, 0, id="no talk has no connect fee"),
        pytest.param(USUAL, 1, 60, 300_000, id="started minute"),
        pytest.param(USUAL, 60_000, 60, 300_000, id="whole minute"),
        pytest.param(USUAL, 60_001, 120, 600_000, id="minute and a millisecond"),
        pytest.param(PER_SECOND, 1, 1, 5_000, id="started second"),
        pytest.param(PER_SECOND, 61_000, 61, 305_000, id="61 s by the second"),
        pytest.param(_FEE, 1_000, 1, 55_000, id="connect fee"),
        pytest.param(_FEE, 60_000, 60, 350_000, id="connect fee only once"),
        pytest.param(_MINIMUM, 1, 20, 100_000, id="minimum"),
        pytest.param(_MINIMUM, 20_001, 21, 105_000, id="beyond the minimum"),
        pytest.param(_30_6, 1, 30, 150_000, id="first increment"),
        pytest.param(_30_6, 30_001, 36, 180_000, id="next increment"),
        pytest.param(_30_6, 42_000, 42, 210_000, id="end of the second next increment"),
        pytest.param(_STRETCHED, 1, 36, 180_000, id="minimum lies on the grid"),
        pytest.param(_LONG_FIRST, 1, 60, 300_000, id="minimum below the first increment"),
        pytest.param(_FREE, 1, 1, 0, id="free second"),
        pytest.param(_FREE, 9_001, 10, 0, id="last free second"),
        pytest.param(_FREE, 10_000, 10, 0, id="end of the free seconds"),
        pytest.param(_FREE, 10_001, 70, 300_000, id="grid begins after the free seconds"),
        pytest.param(_FREE, 70_001, 130, 600_000, id="second increment after the free seconds"),
        pytest.param(_FREE_WITH_FEE, 1_000, 1, 100_000, id="free seconds are not without fee"),
        pytest.param(_STEP, 180_000, 180, 300_000, id="first step"),
        pytest.param(_STEP, 181_000, 181, 305_000, id="a second beyond the first step"),
        pytest.param(_STEP_60, 61_000, 120, 1_050_000, id="first step ends in an increment"),
        pytest.param(_CAPPED, 180_000, 180, 950_000, id="below the maximum"),
        pytest.param(_CAPPED, 180_001, 240, 1_000_000, id="maximum"),
        pytest.param(_CAPPED, 36_000_000, 36_000, 1_000_000, id="maximum of ten hours"),
        pytest.param(_ALL, 5_000, 5, 50_000, id="everything: free"),
        pytest.param(_ALL, 66_000, 125, 1_100_000, id="everything: first step and next price"),
        pytest.param(_ALL, 600_000, 605, 2_000_000, id="everything: maximum"),
    ],
)
def test_cost(of: Rate, talk_ms: int, billed: int, micros: int) -> None:
    """Billed seconds and cost of a talk."""
    assert meter(of).billed_seconds(talk_ms) == billed
    assert meter(of).cost_micros(talk_ms) == micros


@pytest.mark.parametrize(
    ("price", "unit", "talk_s", "micros"),
    [
        pytest.param(100_000, 100, 31, 51_700, id="51666.7 to four decimals"),
        pytest.param(890_000, 100, 37, 548_800, id="548833.3 to four decimals"),
        pytest.param(3_000, 100, 1, 100, id="exactly half is up"),
        pytest.param(2_999, 100, 1, 0, id="less than half is down"),
        pytest.param(300_000, 10_000, 31, 160_000, id="0.155 to cents is up"),
        pytest.param(300_000, 1_000_000, 99, 0, id="0.495 to whole units is down"),
        pytest.param(300_000, 1_000_000, 100, 1_000_000, id="0.5 to whole units is up"),
        pytest.param(1, 1, 30, 1, id="half a micro-unit is up"),
        pytest.param(10**12, 100, 1, 16_666_666_700, id="a huge price"),
    ],
)
def test_rounding_is_half_up_and_once(price: int, unit: int, talk_s: int, micros: int) -> None:
    """The exact sum is rounded, whatever each increment would have been rounded to."""
    of = rate(price_per_minute_micros=price, round_to_micros=unit)
    assert meter(of).cost_micros(talk_s * 1000) == micros


def test_maximum_is_a_price_and_is_not_rounded() -> None:
    """A maximum between two values of the rounding is kept to the micro-unit, never exceeded."""
    of = rate(price_per_minute_micros=600_000, maximum_cost_micros=150, round_to_micros=100)
    assert meter(of).cost_micros(60_000) == 150


@pytest.mark.parametrize(
    ("of", "money", "seconds_max", "quota"),
    [
        pytest.param(USUAL, 299_999, SECONDS_MAX, 0, id="not one block"),
        pytest.param(USUAL, 300_000, SECONDS_MAX, 60, id="one block to the last micro-unit"),
        pytest.param(USUAL, 899_999, SECONDS_MAX, 120, id="almost three"),
        pytest.param(USUAL, 10**15, SECONDS_MAX, 14_400, id="bound of the talk"),
        pytest.param(USUAL, 10**15, 100, 60, id="bound off the grid"),
        pytest.param(USUAL, 10**15, 60, 60, id="bound of one block"),
        pytest.param(USUAL, 10**15, 59, 0, id="bound below the first block"),
        pytest.param(USUAL, -1, SECONDS_MAX, 0, id="less than no money"),
        pytest.param(_FEE, 349_999, SECONDS_MAX, 59, id="connect fee first"),
        pytest.param(_FREE, 0, SECONDS_MAX, 10, id="free seconds without money"),
        pytest.param(_FREE, 299_999, SECONDS_MAX, 10, id="free seconds and not one block"),
        pytest.param(_FREE, 300_000, SECONDS_MAX, 70, id="free seconds and a block"),
        pytest.param(_FREE, 300_000, 69, 10, id="free seconds, block beyond the bound"),
        pytest.param(_FREE, 300_000, 4, 4, id="bound within the free seconds"),
        pytest.param(_FREE_WITH_FEE, 99_999, SECONDS_MAX, 0, id="free seconds cost the fee"),
        pytest.param(_FREE_WITH_FEE, 100_000, SECONDS_MAX, 10, id="the fee for free seconds"),
        pytest.param(_STEP, 304_999, SECONDS_MAX, 180, id="first step"),
        pytest.param(_STEP, 305_000, SECONDS_MAX, 181, id="first step and a second"),
        pytest.param(_CAPPED, 999_999, SECONDS_MAX, 180, id="below the maximum"),
        pytest.param(_CAPPED, 1_000_000, SECONDS_MAX, 14_400, id="the maximum pays all"),
        pytest.param(rate(USUAL, price_per_minute_micros=0), 0, 100, 60, id="no price"),
        pytest.param(rate(minimum_seconds=3_600), 10_000_000, SECONDS_MAX, 0, id="long minimum"),
        pytest.param(
            rate(price_per_minute_micros=10**12), 10**12, SECONDS_MAX, 60, id="a huge price"
        ),
    ],
)
def test_quota(of: Rate, money: int, seconds_max: int, quota: int) -> None:
    """How long a sum lasts, in billed seconds."""
    assert meter(of).quota_seconds(money, seconds_max) == quota


_NOTHING = rate(price_per_minute_micros=0)
_NIGHT = band("night", "21:00-07:00", 1)


@pytest.mark.parametrize(
    ("of", "is_free"),
    [
        pytest.param(_NOTHING, True, id="no price"),
        pytest.param(PER_SECOND, False, id="price"),
        pytest.param(rate(_NOTHING, connect_fee_micros=50), False, id="fee that rounds up"),
        pytest.param(rate(_NOTHING, connect_fee_micros=49), True, id="fee that rounds to nothing"),
        pytest.param(rate(_NOTHING, first_step_price_micros=10**6), True, id="step of no length"),
        pytest.param(
            rate(_NOTHING, first_step_seconds=1, first_step_price_micros=10**6), False, id="step"
        ),
        pytest.param(rate(maximum_cost_micros=0), True, id="maximum of nothing"),
        pytest.param(rate(_NOTHING, bands=(_NIGHT,)), False, id="price of a band"),
        pytest.param(rate(free_seconds=10**6), False, id="very long free time ends"),
        pytest.param(rate(price_per_minute_micros=1), False, id="price that rounds to 0 for long"),
    ],
)
def test_is_free(of: Rate, is_free: bool) -> None:
    """Free is what never costs anything, however long it lasts."""
    assert meter(of).is_free is is_free


def test_starting_at_is_the_same_rate_at_another_moment() -> None:
    """What changes is the talk's start alone."""
    one = meter(USUAL)
    other = one.starting_at(START + timedelta(hours=1))

    assert other.started_at == START + timedelta(hours=1)
    assert (other.rate, other.timezone, other.calendar) == (one.rate, one.timezone, one.calendar)
    assert other != one
    assert other.starting_at(START) == one
