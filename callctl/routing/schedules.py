"""Whether something is open at a moment, and why, in words (A4, A11). Pure; used by routing.

Hours are wall time: where a clock is put forward the hours that it skips do not come, where it is
put back those that it repeats come twice. A span over midnight belongs to the day it begins on.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from callctl.values.schedule import Schedule, SpecialDays
from callctl.values.tariff import WEEKDAYS, DayKind, is_one_of

_DAY = timedelta(days=1)
_MINUTES_PER_DAY = 1440
_DAYS_AHEAD = 800  # two years of holidays: what has not come by then does not come
_KINDS = {DayKind.HOLIDAY: "a holiday", DayKind.WORKDAY: "a make-up workday"}

Span = tuple[int, int]  # minutes of the local day; see callctl.values.schedule.Hours


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether it is open, and by which day and hours."""

    is_open: bool
    why: str


def opening(schedule: Schedule, at: datetime) -> Opening:
    """How the schedule stands at `at`, an aware time."""
    local = at.astimezone(ZoneInfo(schedule.timezone))
    today, minute = local.date(), local.hour * 60 + local.minute
    day, span = _open_span(schedule, today, minute)
    if span is not None:
        return Opening(True, f"{schedule.name} is open: {_day(schedule, day)}, {_words(span)}")
    spans = _spans(schedule, today)
    hours = f"only {', '.join(map(_words, spans))}" if spans else "no hours"
    return Opening(
        False, f"{schedule.name} is closed at {local:%H:%M}: {_day(schedule, today)}, {hours}"
    )


def will_be(schedule: Schedule, after: datetime, *, is_open: bool) -> bool:
    """Whether it is ever open, or ever closed, from the day of `after` on."""
    first = after.astimezone(ZoneInfo(schedule.timezone)).date()
    days = [first + n * _DAY for n in range(_DAYS_AHEAD)]
    days += [
        day
        for special in schedule.special_days
        for day in (special.first, special.last)
        if day > days[-1]
    ]
    return any(
        (_open_span(schedule, day, minute)[1] is not None) is is_open
        for day in days
        for minute in _edges(schedule, day)
    )


def _edges(schedule: Schedule, day: date) -> set[int]:
    """The minutes of the day at which it can change."""
    spans = (*_spans(schedule, day - _DAY), *_spans(schedule, day))
    return {0, *(minute % _MINUTES_PER_DAY for span in spans for minute in span)}


def _open_span(schedule: Schedule, today: date, minute: int) -> tuple[date, Span | None]:
    """The span that has the minute, and the day that it belongs to; None when it is closed."""
    for span in _spans(schedule, today):
        begin, end = span
        if begin <= minute and (minute < end or end <= begin):
            return today, span
    yesterday = today - _DAY
    for span in _spans(schedule, yesterday):
        begin, end = span
        if minute < end <= begin:
            return yesterday, span
    return today, None


def _spans(schedule: Schedule, day: date) -> tuple[Span, ...]:
    """The spans that begin on the day."""
    special = _special(schedule, day)
    if special is not None:
        return special.spans
    return tuple(
        (hours.from_minute, hours.to_minute)
        for hours in schedule.hours
        if is_one_of(hours.days, day, schedule.calendar)
    )


def _special(schedule: Schedule, day: date) -> SpecialDays | None:
    for special in schedule.special_days:
        if special.first <= day <= special.last:
            return special
    return None


def _day(schedule: Schedule, day: date) -> str:
    """The day in words: "sat 2026-02-14, a make-up workday"."""
    special = _special(schedule, day)
    listed = schedule.calendar.days.get(day) if schedule.calendar else None
    kind = _KINDS[listed] if listed else ""
    kind = special.name if special else kind
    return f"{WEEKDAYS[day.weekday()]} {day}" + (f", {kind}" if kind else "")


def _words(span: Span) -> str:
    begin, end = span
    return f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
