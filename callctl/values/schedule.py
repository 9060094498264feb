"""Opening hours as data: loaded by directory, read by routing.

Days follow the week unless the calendar lists the date; special days replace the week's hours.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from callctl.values.tariff import Calendar


class ManualSwitch(StrEnum):
    """How a number's switch stands: open or closed by hand, or as its schedule says."""

    OPEN = "open"
    CLOSED = "closed"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class Hours:
    """One span of the week.

    days         as in callctl.values.tariff.Band: "mon" ... "sun", "workday", "restday",
                 "holiday"; none: every day
    from_minute  minute of the local day at which it begins, 0 to 1439
    to_minute    at which it ends, 1 to 1440; one that is not after from_minute is on the next day
    """

    days: tuple[str, ...]
    from_minute: int
    to_minute: int


@dataclass(frozen=True, slots=True)
class SpecialDays:
    """A date, or a period with both ends, on which other hours hold than the week's.

    `spans` are (from_minute, to_minute) as in Hours; none: closed all day.
    """

    name: str
    first: date
    last: date
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is open, in the wall time of `timezone`.

    Of the special days that have a date the first holds; else the hours, with `calendar`'s
    holidays and make-up workdays. Without hours it is closed but for special days.
    """

    name: str
    timezone: str
    hours: tuple[Hours, ...]
    special_days: tuple[SpecialDays, ...] = ()
    calendar: Calendar | None = None
