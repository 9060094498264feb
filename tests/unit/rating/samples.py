"""Rates and moments for the tests of rating, and Hypothesis strategies of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from callctl.rating import Meter
from callctl.values.tariff import WEEKDAYS, Band, Calendar, DayKind, Rate

# 0.30 a minute, each started minute: the usual 400 number.
USUAL = Rate("", 0, 300_000, 0, 60, 60)
PER_SECOND = replace(USUAL, first_increment_seconds=1, next_increment_seconds=1)
START = datetime(2026, 10, 14, 4, 0, tzinfo=UTC)  # a Wednesday noon in China
ZONES = (
    *("UTC", "Asia/Shanghai", "Europe/Paris", "America/New_York", "Asia/Kathmandu"),
    *("Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns", "Pacific/Apia"),
)


def rate(like: Rate = PER_SECOND, **changes: Any) -> Rate:
    """A rate like another, but for `changes`."""
    return replace(like, **changes)


def band(name: str, hours: str, price: int, *days: str) -> Band:
    """A band from its hours as people write them: "21:00-07:00"."""
    begin, end = (int(text[:2]) * 60 + int(text[3:]) for text in hours.split("-"))
    return Band(name, days, begin, end, price)


def local(text: str, zone: str = "Asia/Shanghai", fold: int = 0) -> datetime:
    """The moment at which clocks in `zone` show `text`; fold 1: for the second time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def meter(of: Rate, at: datetime = START, zone: str = "Asia/Shanghai", **more: Any) -> Meter:
    """A meter, in China unless said."""
    return Meter(of, at, zone, more.get("calendar"))


# -- strategies

prices = st.one_of(st.just(0), st.integers(0, 2_000_000), st.integers(0, 10**12))
seconds = st.one_of(st.just(0), st.integers(0, 120), st.integers(0, 4_000))
days = st.lists(
    st.sampled_from([*WEEKDAYS, "workday", "restday", "holiday"]), max_size=3, unique=True
)
bands = st.builds(
    Band,
    st.sampled_from(["day", "night", "weekend"]),
    days.map(tuple),
    st.one_of(st.sampled_from([0, 60, 120, 180, 1260]), st.integers(0, 1439)),
    st.one_of(st.sampled_from([120, 150, 420, 1440]), st.integers(1, 1440)),
    prices,
)
plain_rates = st.builds(
    Rate,
    prefix=st.just(""),
    connect_fee_micros=prices,
    price_per_minute_micros=prices,
    minimum_seconds=seconds,
    first_increment_seconds=st.one_of(st.sampled_from([1, 60]), st.integers(1, 7_200)),
    next_increment_seconds=st.one_of(st.sampled_from([1, 6, 60]), st.integers(1, 7_200)),
    round_to_micros=st.one_of(st.sampled_from([1, 100, 10_000]), st.integers(1, 10**9)),
    free_seconds=seconds,
    first_step_seconds=seconds,
    first_step_price_micros=prices,
    maximum_cost_micros=st.one_of(st.none(), prices),
)
rates = st.builds(
    lambda plain, some: replace(plain, bands=tuple(some)),
    plain_rates,
    st.one_of(st.just([]), st.lists(bands, min_size=1, max_size=4)),
)
_TURNS = [  # when clocks change, years begin and leap days are
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 12, 31, 16, tzinfo=UTC),
    datetime(2028, 2, 28, 16, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
]
moments = st.one_of(
    st.builds(
        lambda later: START + timedelta(microseconds=later),
        st.integers(-20 * 31_556_952_000_000, 60 * 31_556_952_000_000),  # years
    ),
    st.builds(
        lambda turn, before_ms: turn - timedelta(milliseconds=before_ms),
        st.sampled_from(_TURNS),
        st.integers(-7_200_000, 21_600_000),
    ),
)
_listed = st.dates(date(2026, 1, 1), date(2028, 12, 31))
calendars = st.one_of(
    st.none(),
    st.builds(
        Calendar,
        st.just("holidays"),
        st.dictionaries(
            st.one_of(_listed, st.sampled_from([turn.date() for turn in _TURNS])),
            st.sampled_from(DayKind),
        ),
    ),
)
meters = st.builds(Meter, rates, moments, st.sampled_from(ZONES), calendars)
talks_ms = st.one_of(st.integers(-5, 200_000), st.integers(0, 20_000_000))
moneys = st.one_of(st.integers(-10, 10_000_000), st.integers(0, 10**15))
