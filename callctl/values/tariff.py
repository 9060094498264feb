"""Tariffs and rates as data: loaded by directory, priced by rating, kept by each call's CDR."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class DayKind(StrEnum):
    """What a calendar says of a date; dates that it does not list are what the week says."""

    HOLIDAY = "holiday"
    WORKDAY = "workday"  # a make-up workday: a Saturday or Sunday on which people work


@dataclass(frozen=True, slots=True)
class Calendar:
    """Holidays and make-up workdays by local date."""

    name: str
    days: Mapping[date, DayKind]


def is_one_of(days: Collection[str], local_date: date, calendar: Calendar | None) -> bool:
    """Whether the date is one of `days`, words as in Band; of none, each date is."""
    if not days:
        return True
    listed = calendar.days.get(local_date) if calendar else None
    weekday = local_date.weekday()
    is_weekend = weekday >= 5
    if listed is None:
        kind = "restday" if is_weekend else "workday"
        return WEEKDAYS[weekday] in days or kind in days
    if listed is DayKind.WORKDAY:
        return "workday" in days
    return "holiday" in days or (is_weekend and "restday" in days)


@dataclass(frozen=True, slots=True)
class Band:
    """Another price at some hours of some days, in the zone of who pays.

    days         of "mon" ... "sun" (that weekday, unless the calendar lists the date), "workday"
                 (Monday to Friday but no holiday, and make-up workdays), "restday" (Saturday and
                 Sunday but no make-up workday), "holiday" (listed ones); none: every day
    from_minute  minute of the local day at which it begins, 0 to 1439
    to_minute    at which it ends, 1 to 1440; one that is not after from_minute is on the next day
    """

    name: str
    days: tuple[str, ...]
    from_minute: int
    to_minute: int
    price_per_minute_micros: int


@dataclass(frozen=True, slots=True)
class Rate:
    """One price line of a tariff, for numbers that begin with `prefix` or callers of `area`.

    Money is in micro-units. In the order of a talk: `connect_fee_micros` once; `free_seconds` at
    no price; `first_step_seconds` at `first_step_price_micros` a minute, whatever the hour; then
    the price of the first band that fits the moment, else `price_per_minute_micros`. Time is
    billed in the increments, from the end of the free seconds on, `minimum_seconds` at least.
    `maximum_cost_micros` bounds the whole; `round_to_micros` is what the cost of a leg is rounded
    to, once, half-up (100 = four decimals). `id` is the row's in the database, 0 for none.
    """

    prefix: str  # digits, or "" for any number
    connect_fee_micros: int
    price_per_minute_micros: int
    minimum_seconds: int
    first_increment_seconds: int
    next_increment_seconds: int
    round_to_micros: int = 100
    area: str = ""  # adcode of a province or city instead of a prefix, or ""
    free_seconds: int = 0
    first_step_seconds: int = 0
    first_step_price_micros: int = 0
    maximum_cost_micros: int | None = None
    valid_from: datetime | None = None  # of the call's start; aware
    valid_until: datetime | None = None  # exclusive
    bands: tuple[Band, ...] = ()
    id: int = 0

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """The rate that was written as JSON (a dataclass as orjson writes it)."""
        fields = dict(plain)
        for name in ("valid_from", "valid_until"):
            if isinstance(fields.get(name), str):
                fields[name] = datetime.fromisoformat(fields[name])
        fields["bands"] = tuple(
            Band(**{**band, "days": tuple(band["days"])}) for band in fields.get("bands", ())
        )
        return cls(**fields)


@dataclass(frozen=True)
class Tariff:
    """A version of a named table of rates; a call keeps the version that it started with."""

    name: str
    version: int
    currency: str
    rates: tuple[Rate, ...] = field(repr=False)
    calendar: Calendar | None = None

    @cached_property
    def by_prefix(self) -> Mapping[str, tuple[Rate, ...]]:
        """The rates without an area, by their prefix: several when they differ in validity."""
        return _grouped((rate.prefix, rate) for rate in self.rates if not rate.area)

    @cached_property
    def by_area(self) -> Mapping[str, tuple[Rate, ...]]:
        """The rates with an area, by its adcode."""
        return _grouped((rate.area, rate) for rate in self.rates if rate.area)

    @cached_property
    def prefix_lengths(self) -> tuple[int, ...]:
        """The lengths of the prefixes that there are, the longest first."""
        return tuple(sorted({len(prefix) for prefix in self.by_prefix}, reverse=True))


def _grouped(pairs: Any) -> dict[str, tuple[Rate, ...]]:
    groups: dict[str, list[Rate]] = {}
    for key, rate in pairs:
        groups.setdefault(key, []).append(rate)
    return {key: tuple(rates) for key, rates in groups.items()}
