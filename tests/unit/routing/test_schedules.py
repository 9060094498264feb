"""Opening hours at their edges: days, midnight, clock changes, holidays, special days."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from callctl.directory.calendars import draft
from callctl.routing.schedules import opening, will_be
from callctl.values.schedule import Hours, Schedule, SpecialDays
from callctl.values.tariff import WEEKDAYS, Calendar, DayKind

SHANGHAI, PARIS = "Asia/Shanghai", "Europe/Paris"


def schedule(*hours: Hours, timezone: str = SHANGHAI, **fields: object) -> Schedule:
    return Schedule("office", timezone, hours, **fields)  # type: ignore[arg-type]


def is_open(one: Schedule, local: str, *, fold: int = 0) -> bool:
    at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(one.timezone), fold=fold)
    return opening(one, at.astimezone(UTC)).is_open


def china_2026() -> Calendar:
    """As callctl calendar makes it and callctl apply reads it."""
    days = YAML(typ="safe").load(draft("CN", 2026, "cn").text)["calendars"][0]["days"]
    return Calendar("cn", {day["date"]: DayKind(day["kind"]) for day in days})


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-10-14T08:59:59", False),
        ("2026-10-14T09:00:00", True),
        ("2026-10-14T17:59:59", True),
        ("2026-10-14T18:00:00", False),
        ("2026-10-17T12:00:00", False),  # a Saturday
    ],
)
def test_hours_begin_and_end_on_the_minute(local: str, expected: bool) -> None:
    """The first second is in, the last is out, and other days are not theirs."""
    weekdays = schedule(Hours(("mon", "tue", "wed", "thu", "fri"), 540, 1080))

    assert is_open(weekdays, local) is expected


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-10-17T01:59:59", True),  # the night that Friday began
        ("2026-10-17T02:00:00", False),
        ("2026-10-17T22:00:00", False),  # Saturday's own night is not its
        ("2026-10-16T01:00:00", False),  # the night of Thursday
        ("2026-10-16T22:00:00", True),
        ("2026-10-16T23:59:59", True),
    ],
)
def test_a_night_belongs_to_the_day_it_begins_on(local: str, expected: bool) -> None:
    """22:00 to 02:00 of Fridays ends on Saturday, and does not begin there."""
    assert is_open(schedule(Hours(("fri",), 22 * 60, 2 * 60)), local) is expected


def test_24_00_is_the_end_of_the_day() -> None:
    """From 00:00 to 24:00 is a whole day; from 09:00 to 09:00 a day that begins at nine."""
    wednesday = schedule(Hours(("wed",), 0, 1440))
    round_the_clock = schedule(Hours(("wed",), 540, 540))

    assert [is_open(wednesday, f"2026-10-{at}") for at in ("14T00:00", "14T23:59", "15T00:00")] == [
        *(True, True, False)
    ]
    times = ("14T08:59", "14T09:00", "15T08:59", "15T09:00")
    assert [is_open(round_the_clock, f"2026-10-{at}") for at in times] == [
        *(False, True, True, False)
    ]


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-03-29T01:59:59", False),
        ("2026-03-29T03:00:00", True),  # 02:30 does not come: the clock goes from 02:00 to 03:00
        ("2026-03-29T03:30:00", False),
        ("2026-03-30T02:30:00", True),
    ],
)
def test_hours_that_the_clock_skips_do_not_come(local: str, expected: bool) -> None:
    """On the night of 29 March 2026 in Paris, 02:30 to 03:30 is half an hour from 03:00 on."""
    assert is_open(schedule(Hours((), 150, 210), timezone=PARIS), local) is expected


def test_hours_that_the_clock_repeats_come_twice() -> None:
    """On 25 October 2026 in Paris, 02:00 to 02:30 is open, closed, and open once more."""
    nightly = schedule(Hours((), 120, 150), timezone=PARIS)
    begin = datetime(2026, 10, 24, 23, 45, tzinfo=UTC)  # 01:45 in summer time

    quarters = [opening(nightly, begin + timedelta(minutes=15 * n)).is_open for n in range(8)]
    assert quarters == [False, True, True, False, False, True, True, False]


@pytest.mark.parametrize(
    ("local", "expected", "kind"),
    [
        ("2026-10-01T12:00", False, "a holiday"),  # National Day, a Thursday
        ("2026-10-10T12:00", True, "a make-up workday"),  # a Saturday worked for it
        ("2026-02-14T12:00", True, "a make-up workday"),  # a Saturday before the Spring Festival
        ("2026-02-17T12:00", False, "a holiday"),  # the first day of the year of the horse
        ("2026-10-14T12:00", True, "wed 2026-10-14"),
        ("2026-10-17T12:00", False, "sat 2026-10-17"),
    ],
)
def test_chinas_holidays_and_make_up_days_of_2026(local: str, expected: bool, kind: str) -> None:
    """Workdays leave out holidays and have the Saturdays that are worked; the reason says so."""
    office = schedule(Hours(("workday",), 540, 1080), calendar=china_2026())
    at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(SHANGHAI))

    found = opening(office, at)
    assert (found.is_open, kind in found.why) == (expected, True)


def test_special_days_replace_the_hours_of_the_week() -> None:
    """Of those that have the date the first holds; one without hours is closed."""
    office = schedule(
        Hours((), 540, 1080),
        special_days=(
            SpecialDays("Christmas Eve", date(2026, 12, 24), date(2026, 12, 24), ((540, 720),)),
            SpecialDays("winter", date(2026, 12, 20), date(2026, 12, 31), ()),
        ),
    )
    times = ("24T10:00", "24T13:00", "20T10:00", "31T17:59", "19T10:00")

    assert [is_open(office, f"2026-12-{at}") for at in times] == [
        *(True, False, False, False, True)
    ]
    assert is_open(office, "2027-01-01T10:00")
    why = opening(office, datetime(2026, 12, 24, 4, 0, tzinfo=UTC)).why
    assert why == ("office is closed at 12:00: thu 2026-12-24, Christmas Eve, only 09:00-12:00")


def test_a_night_goes_on_into_a_special_day() -> None:
    """The night that begins before a closed day ends in it; the closed day begins no night."""
    nights = schedule(
        Hours((), 22 * 60, 6 * 60),
        special_days=(SpecialDays("off", date(2026, 10, 15), date(2026, 10, 15), ()),),
    )
    times = ("15T05:59", "15T06:00", "15T23:00", "16T03:00", "16T22:00")

    assert [is_open(nights, f"2026-10-{at}") for at in times] == [
        *(True, False, False, False, True)
    ]


@pytest.mark.parametrize(
    ("day", "following"),
    [
        ("2026-02-28", "2026-03-01"),
        ("2028-02-28", "2028-02-29"),
        ("2028-02-29", "2028-03-01"),
        ("2026-12-31", "2027-01-01"),
        ("2026-04-30", "2026-05-01"),
    ],
)
def test_nights_go_over_the_ends_of_months(day: str, following: str) -> None:
    """The night of a month's last day, and of 28 and 29 February, ends on the day that follows."""
    weekday = WEEKDAYS[date.fromisoformat(day).weekday()]
    night = schedule(Hours((weekday,), 23 * 60, 60))

    assert is_open(night, f"{day}T23:30")
    assert is_open(night, f"{following}T00:59")
    assert not is_open(night, f"{following}T01:00")


def test_what_will_never_be_is_known() -> None:
    """Never open: no hours, holidays without a calendar, days that are over; never closed: all."""
    now = datetime(2026, 10, 14, 4, 0, tzinfo=UTC)
    over = SpecialDays("fair", date(2026, 10, 1), date(2026, 10, 3), ((540, 1080),))
    coming = SpecialDays("fair", date(2031, 10, 1), date(2031, 10, 3), ((540, 1080),))
    halves = schedule(Hours((), 0, 720), Hours((), 720, 1440))

    assert not will_be(schedule(), now, is_open=True)
    assert not will_be(schedule(Hours(("holiday",), 0, 1440)), now, is_open=True)
    assert not will_be(schedule(special_days=(over,)), now, is_open=True)
    assert will_be(schedule(special_days=(coming,)), now, is_open=True)
    assert will_be(schedule(Hours(("sun",), 0, 60)), now, is_open=True)
    assert not will_be(halves, now, is_open=False)
    assert not will_be(schedule(Hours((), 540, 540)), now, is_open=False)
    assert will_be(schedule(Hours((), 540, 539)), now, is_open=False)


_minutes = st.integers(0, 1439)


@given(
    st.lists(st.tuples(st.sampled_from(WEEKDAYS), _minutes, st.integers(1, 1440)), max_size=4),
    st.integers(0, 16 * 1440),
    st.sampled_from([SHANGHAI, PARIS, "America/New_York"]),
)
def test_open_is_what_an_oracle_of_minutes_says(
    hours: list[tuple[str, int, int]], minutes: int, timezone: str
) -> None:
    """Whatever the hours, a minute is open exactly when a span that began earlier covers it."""
    moment = datetime(2026, 3, 20, tzinfo=UTC) + timedelta(minutes=minutes)
    local = moment.astimezone(ZoneInfo(timezone))
    minute = local.hour * 60 + local.minute
    expected = False
    for name, begin, end in hours:
        for days_back in (0, 1):
            day = local.date() - timedelta(days=days_back)
            length = (end - begin) if end > begin else 1440 + end - begin
            passed = minute + 1440 * days_back - begin
            expected |= WEEKDAYS[day.weekday()] == name and 0 <= passed < length

    one = schedule(*(Hours((name,), begin, end) for name, begin, end in hours), timezone=timezone)
    assert opening(one, moment).is_open is expected
