"""Prices by the hour and the day: edges, midnight, weeks, holidays, and clocks that are changed."""

from datetime import UTC, date, datetime

import pytest

from callctl.rating import Meter
from callctl.values.tariff import Band, Calendar, DayKind, Rate
from tests.unit.rating.samples import band, local, rate

# By the second, 0.60 a minute (0.01 a second), so that each second of a band shows in the cost.
_PLAIN = rate(price_per_minute_micros=600_000)
_NIGHT = band("night", "21:00-07:00", 60_000)  # 0.001 a second
_CHINA = Calendar(
    "China",
    {
        date(2026, 10, 1): DayKind.HOLIDAY,  # a Thursday
        date(2026, 10, 3): DayKind.HOLIDAY,  # a Saturday
        date(2026, 10, 10): DayKind.WORKDAY,  # a Saturday
    },
)


def _cost(
    bands: tuple[Band, ...] | Band,
    at: datetime,
    talk_s: int,
    zone: str = "Asia/Shanghai",
    calendar: Calendar | None = None,
    like: Rate = _PLAIN,
) -> int:
    """The cost in thousandths, of a plain price of 10 a second and bands of fewer."""
    of = rate(like, bands=bands if isinstance(bands, tuple) else (bands,), round_to_micros=1)
    cost = Meter(of, at, zone, calendar).cost_micros(talk_s * 1000)
    assert cost % 10 == 0
    return cost // 1000


@pytest.mark.parametrize(
    ("begin", "talk_s", "expected"),
    [
        pytest.param("2026-10-14 20:59:00", 60, 600, id="until the edge"),
        pytest.param("2026-10-14 20:59:50", 20, 110, id="across the edge into the band"),
        pytest.param("2026-10-14 21:00:00", 10, 10, id="from the edge on"),
        pytest.param("2026-10-15 06:59:50", 20, 110, id="across the edge out of the band"),
        pytest.param("2026-10-15 07:00:00", 10, 100, id="after the band"),
        pytest.param("2026-10-14 23:59:50", 20, 20, id="across midnight within the band"),
        pytest.param("2026-10-14 20:59:50", 36_020, 36_200, id="the whole night and more"),
        pytest.param("2026-10-14 12:00:00", 172_800, 1_080_000, id="two days"),
        pytest.param("2026-10-31 23:59:50", 20, 20, id="across the month's end"),
        pytest.param("2026-12-31 23:59:50", 20, 20, id="across the year's end"),
        pytest.param("2028-02-28 23:59:50", 20, 20, id="into the leap day"),
        pytest.param("2028-02-29 20:59:50", 20, 110, id="edge on the leap day"),
        pytest.param("2028-02-29 23:59:50", 20, 20, id="out of the leap day"),
    ],
)
def test_night(begin: str, talk_s: int, expected: int) -> None:
    """A band that wraps midnight, from 21:00 to 07:00."""
    assert _cost(_NIGHT, local(begin), talk_s) == expected


@pytest.mark.parametrize(
    ("begin", "micros"),
    [
        pytest.param("2026-10-14 20:59:58.500", 15_000 + 500, id="half a second"),
        pytest.param("2026-10-14 20:59:59.999", 10 + 1_999, id="the last millisecond"),
        pytest.param("2026-10-14 20:59:58.001", 19_990 + 1, id="all but a millisecond"),
        pytest.param("2026-10-14 20:59:59.999999", 10 + 1_999, id="less counts as the millisecond"),
    ],
)
def test_edge_splits_the_second(begin: str, micros: int) -> None:
    """Two seconds across 21:00 are priced to the millisecond on each side."""
    of = rate(_PLAIN, bands=(_NIGHT,), round_to_micros=1)
    assert Meter(of, local(begin), "Asia/Shanghai", None).cost_micros(2_000) == micros


def test_edge_splits_an_increment() -> None:
    """Of a started minute across the edge, each part has the price of its own hour."""
    of = rate(_PLAIN, first_increment_seconds=60, next_increment_seconds=60)
    assert _cost(_NIGHT, local("2026-10-14 20:59:30"), 1, like=of) == 300 + 30


_WEEKDAYS_DAYTIME = band("busy", "09:00-18:00", 60_000, "mon", "tue", "wed", "thu", "fri")
_FRIDAY_NIGHT = band("friday night", "22:00-06:00", 60_000, "fri")
_WORKDAY = band("work", "00:00-24:00", 60_000, "workday")
_RESTDAY = band("rest", "00:00-24:00", 60_000, "restday")
_HOLIDAY = band("holiday", "00:00-24:00", 60_000, "holiday")
_THURSDAY = band("thursday", "00:00-24:00", 60_000, "thu")
_FROM_TEN = band("from ten", "10:00-10:00", 60_000, "wed")
_HOLIDAY_EVE = band("eve", "18:00-12:00", 60_000, "holiday")


@pytest.mark.parametrize(
    ("of", "begin", "is_in_band"),
    [
        pytest.param(_WEEKDAYS_DAYTIME, "2026-10-16 10:00", True, id="Friday"),
        pytest.param(_WEEKDAYS_DAYTIME, "2026-10-17 10:00", False, id="Saturday"),
        pytest.param(_WEEKDAYS_DAYTIME, "2026-10-16 18:00", False, id="the end is outside"),
        pytest.param(_FRIDAY_NIGHT, "2026-10-16 23:00", True, id="night begins on Friday"),
        pytest.param(_FRIDAY_NIGHT, "2026-10-17 05:00", True, id="Friday's night on Saturday"),
        pytest.param(_FRIDAY_NIGHT, "2026-10-16 05:00", False, id="Thursday's night on Friday"),
        pytest.param(_FRIDAY_NIGHT, "2026-10-17 23:00", False, id="Saturday's night"),
        pytest.param(_FROM_TEN, "2026-10-14 09:59", False, id="before the 24 hours"),
        pytest.param(_FROM_TEN, "2026-10-14 10:00", True, id="the first of 24 hours"),
        pytest.param(_FROM_TEN, "2026-10-15 09:59", True, id="the last of 24 hours"),
        pytest.param(_FROM_TEN, "2026-10-15 10:00", False, id="after the 24 hours"),
        pytest.param(_WORKDAY, "2026-10-14 12:00", True, id="Wednesday is a workday"),
        pytest.param(_WORKDAY, "2026-10-01 12:00", False, id="holiday is no workday"),
        pytest.param(_WORKDAY, "2026-10-10 12:00", True, id="make-up Saturday is a workday"),
        pytest.param(_WORKDAY, "2026-10-11 12:00", False, id="Sunday is no workday"),
        pytest.param(_RESTDAY, "2026-10-11 12:00", True, id="Sunday is a restday"),
        pytest.param(_RESTDAY, "2026-10-10 12:00", False, id="make-up Saturday is none"),
        pytest.param(_RESTDAY, "2026-10-03 12:00", True, id="Saturday that is a holiday is"),
        pytest.param(_RESTDAY, "2026-10-01 12:00", False, id="Thursday that is a holiday is not"),
        pytest.param(_HOLIDAY, "2026-10-01 00:00", True, id="holiday from its first moment"),
        pytest.param(_HOLIDAY, "2026-10-01 23:59:59", True, id="holiday to its last second"),
        pytest.param(_HOLIDAY, "2026-10-02 00:00", False, id="day after the holiday"),
        pytest.param(_THURSDAY, "2026-10-08 12:00", True, id="Thursday"),
        pytest.param(_THURSDAY, "2026-10-01 12:00", False, id="listed Thursday is none"),
        pytest.param(_HOLIDAY_EVE, "2026-10-02 11:00", True, id="holiday's night, next morning"),
        pytest.param(_HOLIDAY_EVE, "2026-10-01 11:00", False, id="morning before it"),
    ],
)
def test_days(of: Band, begin: str, is_in_band: bool) -> None:
    """On which days a band is, with a holiday calendar; a wrapping one belongs to its first day."""
    cost = _cost(of, local(begin), 1, calendar=_CHINA)
    assert cost == (1 if is_in_band else 10)


def test_week_begins_and_ends_at_midnight() -> None:
    """From Friday to Saturday, the price changes at 00:00 and not before."""
    of = (band("weekend", "00:00-24:00", 60_000, "sat", "sun"),)
    assert _cost(of, local("2026-10-16 23:59:50"), 20) == 100 + 10
    assert _cost(of, local("2026-10-18 23:59:50"), 20) == 10 + 100


def test_holiday_without_calendar_is_never() -> None:
    """Without a calendar, days are what the week says."""
    assert _cost(_HOLIDAY, local("2026-10-01 12:00"), 1) == 10
    assert _cost(_WORKDAY, local("2026-10-01 12:00"), 1) == 1


def test_first_band_that_fits_counts() -> None:
    """Where two bands overlap, the first one written wins."""
    noon = band("noon", "12:00-13:00", 120_000)
    day = band("day", "08:00-18:00", 60_000)
    at = local("2026-10-14 12:59:59")
    assert _cost((noon, day), at, 2) == 2 + 1
    assert _cost((day, noon), at, 2) == 1 + 1


def test_hours_are_those_of_the_payers_zone() -> None:
    """The same moment is night in China and day in France."""
    at = datetime(2026, 10, 14, 15, 0, tzinfo=UTC)
    assert _cost(_NIGHT, at, 1, "Asia/Shanghai") == 1
    assert _cost(_NIGHT, at, 1, "Europe/Paris") == 10


def test_zone_of_the_start_does_not_matter() -> None:
    """A start written in any zone is the same moment."""
    at = local("2026-10-14 20:59:50")
    assert _cost(_NIGHT, at, 20) == _cost(_NIGHT, at.astimezone(UTC), 20) == 110


def test_free_seconds_and_first_step_pass_before_the_hour_counts() -> None:
    """The band's price begins after the free seconds and the first step, at the clock's time."""
    of = rate(_PLAIN, free_seconds=5, first_step_seconds=10, first_step_price_micros=1_200_000)
    # 20:59:40 + 5 free + 10 at 20 + 5 at 10 until 21:00 + 10 at 1
    assert _cost(_NIGHT, local("2026-10-14 20:59:40"), 30, like=of) == 200 + 50 + 10
    # the first step across 21:00 keeps its price
    assert _cost(_NIGHT, local("2026-10-14 20:59:50"), 17, like=of) == 200 + 2


_SPRING = band("early", "02:00-03:00", 60_000)  # the hour that is skipped, or comes twice
_HALF = band("half", "02:30-03:30", 60_000)
_LATE = band("late", "22:00-06:00", 60_000)
_SUNDAY = band("sunday", "00:00-24:00", 60_000, "sun")
_NEXT = band("next", "02:30-06:00", 120_000)
_UNTIL = band("until", "22:00-02:30", 60_000)


@pytest.mark.parametrize(
    ("of", "begin", "fold", "talk_s", "expected"),
    [
        # 2026-03-29 in Paris: 01:59:59 is followed by 03:00:00.
        pytest.param(_SPRING, "2026-03-29 01:59:50", 0, 20, 200, id="skipped hour is never"),
        pytest.param(_HALF, "2026-03-29 01:59:50", 0, 20, 110, id="band begins by the jump"),
        pytest.param(_HALF, "2026-03-29 03:29:50", 0, 20, 110, id="and ends by the clock"),
        pytest.param(_LATE, "2026-03-28 21:59:50", 0, 25_220, 25_400, id="night is 7 hours"),
        pytest.param(_SUNDAY, "2026-03-29 00:00", 0, 82_810, 82_900, id="day is 23 hours"),
        pytest.param((_UNTIL, _NEXT), "2026-03-29 01:59:50", 0, 20, 30, id="neighbours meet"),
        # 2026-10-25 in Paris: 02:59:59 is followed by 02:00:00.
        pytest.param(_SPRING, "2026-10-25 01:59:50", 0, 7_220, 7_400, id="hour is there twice"),
        pytest.param(_HALF, "2026-10-25 02:59:50", 0, 20, 110, id="clock goes back out of it"),
        pytest.param(_HALF, "2026-10-25 02:29:50", 1, 20, 110, id="and comes into it again"),
        pytest.param(_HALF, "2026-10-25 02:29:50", 0, 20, 110, id="for the first time too"),
        pytest.param(_LATE, "2026-10-24 21:59:50", 0, 32_420, 32_600, id="night is 9 hours"),
        pytest.param(_SUNDAY, "2026-10-25 00:00", 0, 90_010, 90_100, id="day is 25 hours"),
        pytest.param((_UNTIL, _NEXT), "2026-10-25 02:59:50", 0, 20, 30, id="back over the edge"),
        pytest.param((_UNTIL, _NEXT), "2026-10-25 02:29:50", 1, 20, 30, id="edge again"),
    ],
)
def test_changed_clocks(
    of: tuple[Band, ...] | Band, begin: str, fold: int, talk_s: int, expected: int
) -> None:
    """The price is that of the clock on the wall, before and after it is changed."""
    at = local(begin, "Europe/Paris", fold)
    assert _cost(of, at, talk_s, "Europe/Paris") == expected


_HALF_HOUR = band("half", "01:30-02:00", 60_000)
_SATURDAY = band("saturday", "00:00-24:00", 60_000, "sat")


@pytest.mark.parametrize(
    ("zone", "begin", "of", "expected"),
    [
        pytest.param("Asia/Kathmandu", "2026-10-14 20:59:50", _NIGHT, 110, id="5:45 from UTC"),
        pytest.param("Australia/Lord_Howe", "2026-04-05 01:59:50", _HALF_HOUR, 20, id="half hour"),
        pytest.param("Pacific/Apia", "2011-12-29 23:59:50", _SATURDAY, 110, id="no Friday"),
    ],
)
def test_other_zones(zone: str, begin: str, of: Band, expected: int) -> None:
    """Offsets of quarter hours, changes of half an hour, and a date that was skipped."""
    assert _cost(of, local(begin, zone), 20, zone) == expected
