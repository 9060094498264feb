"""Single values as provisioning files write them, and back; called by document and rate_table.

`read_...` takes the text of a field and raises ValueError that says what to write; `show_...`
gives the text that is read back as the same value. YAML and CSV have the same rules, these.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache, lru_cache
from typing import NamedTuple, TypeVar
from zoneinfo import available_timezones

from callctl.directory.areas import resolve_area, shipped_table
from callctl.errors import InvalidInput
from callctl.values.money import format_micros, parse_micros
from callctl.values.phone_number import PhoneNumber

DAY_SECONDS = 86_400
_AMOUNT_MICROS_MAX = 10**15  # a billion of the currency: sums stay far inside a bigint
_INCREMENTS = re.compile(r"([1-9]\d{0,4})/([1-9]\d{0,4})", re.ASCII)
_PREFIX = re.compile(r"[0-9]{0,15}")
_CLOCK = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")
_DAY_MINUTES = 1440
_YEARS = range(2000, 2200)
_SHOWN_ZONE = timezone(timedelta(hours=8))  # of moments, which are kept without a zone
_MOMENT_EXAMPLE = "2026-10-01T00:00:00+08:00"
_Value = TypeVar("_Value")


class Increments(NamedTuple):
    """Seconds charged at a time: the first block, then each further one."""

    first_seconds: int
    next_seconds: int


def refusing(read: Callable[[str], _Value], text: str) -> _Value:
    """Turn our InvalidInput into the ValueError that pydantic and rate_table collect."""
    try:
        return read(text)
    except InvalidInput as error:
        raise ValueError(str(error)) from error


@lru_cache(maxsize=10_000)
def read_amount(text: str) -> int:
    """Micro-units of "0.30"."""
    micros = refusing(parse_micros, text)
    if not 0 <= micros <= _AMOUNT_MICROS_MAX:
        raise ValueError(f"{text!r} is out of range: write 0 to 1000000000")
    return micros


def show_amount(micros: int) -> str:
    """Return the amount as the file has it: "0.30", "600.00"."""
    return format_micros(micros)


def read_positive_amount(text: str) -> int:
    """Micro-units of an amount that is not zero."""
    micros = read_amount(text)
    if micros == 0:
        raise ValueError(f"{text!r} is too small: write more than 0, or delete the field")
    return micros


def read_rounding(text: str) -> int:
    """Micro-units of what costs are rounded to."""
    micros = read_amount(text)
    if micros == 0:
        raise ValueError('a cost cannot be rounded to 0: write a unit such as "0.0001"')
    return micros


@lru_cache(maxsize=1_000)
def read_increments(text: str) -> Increments:
    """Seconds of "60/60"."""
    match = _INCREMENTS.fullmatch(text)
    pair = Increments(int(match[1]), int(match[2])) if match else Increments(0, 0)
    if not 1 <= pair.first_seconds <= DAY_SECONDS or pair.next_seconds > DAY_SECONDS:
        raise ValueError(f"{text!r} is not first/next: write seconds such as 60/60 or 1/1")
    return pair


def show_increments(increments: Increments) -> str:
    """Return "60/60"."""
    return f"{increments.first_seconds}/{increments.next_seconds}"


def read_seconds(text: str) -> int:
    """Whole seconds, a day at most; of a CSV, since YAML has whole numbers."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"a whole number is needed, such as 15 (not {text!r})")
    seconds = int(text)
    if seconds > DAY_SECONDS:
        raise ValueError(f"{seconds} is too large: at most {DAY_SECONDS}")
    return seconds


def read_prefix(text: str) -> str:
    """The digits that a number begins with."""
    if not _PREFIX.fullmatch(text):
        raise ValueError(
            f"{text!r} does not fit: write the digits a number begins with, at most 15"
        )
    return text


@lru_cache(maxsize=1_000)
def read_area(text: str) -> str:
    """The adcode of a province or city by name or adcode."""
    return refusing(resolve_area, text)


@lru_cache(maxsize=1_000)
def show_area(adcode: str) -> str:
    """Return an area's name ("北京"), if that means the same place; else the adcode itself."""
    area = shipped_table().area(adcode)
    name = area.city or area.province or adcode
    try:
        return name if resolve_area(name) == adcode else adcode
    except InvalidInput:
        return adcode


def read_number(text: str) -> str:
    """A telephone number as it is stored."""
    return refusing(PhoneNumber.require, text).text


def show_number(text: str) -> str:
    """Return a stored number as people dial it ("01062000001"), if that means the same number."""
    digits = PhoneNumber.parse(text).dial_digits
    return digits if PhoneNumber.parse(digits).text == text else text


@lru_cache(maxsize=10_000)
def read_moment(text: str) -> datetime:
    """A moment with its offset, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is not a moment: write date, time and offset, such as "
        raise ValueError(message + _MOMENT_EXAMPLE) from None
    if moment.tzinfo is None:
        written = f"{moment:%Y-%m-%dT%H:%M:%S}+08:00"
        message = f"{text!r} is another moment in each time zone: write its offset too, such as "
        raise ValueError(message + written)
    if moment.microsecond or moment.year not in _YEARS:
        message = f"{text!r} is out of range: write whole seconds from {_YEARS[0]} to {_YEARS[-1]}"
        raise ValueError(message)
    return moment.astimezone(UTC)


@lru_cache(maxsize=10_000)
def show_moment(moment: datetime) -> str:
    """Return "2026-10-01T00:00:00+08:00"."""
    return moment.astimezone(_SHOWN_ZONE).isoformat(timespec="seconds")


def read_day(text: str) -> date:
    """A date of a calendar."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date: write such as 2026-10-01") from None


@lru_cache(maxsize=2_000)
def read_clock(text: str) -> int:
    """The minute of the day of "08:00"; 24:00 is 1440."""
    match = _CLOCK.fullmatch(text)
    minute = int(match[1]) * 60 + int(match[2]) if match else _DAY_MINUTES + 1
    if minute > _DAY_MINUTES:
        raise ValueError(f"{text!r} is not a time of day: write 00:00 to 24:00")
    return minute


def show_clock(minute: int) -> str:
    """Return "08:00"."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def read_timezone(text: str) -> str:
    """The name of a time zone."""
    if text not in _timezones():
        raise ValueError(f"{text!r} is not a time zone: write a name such as Asia/Shanghai")
    return text
