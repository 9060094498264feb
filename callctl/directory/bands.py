"""Time bands as a CSV has them, and the rules that they and rates keep; shared by YAML and CSV.

    night=all 20:00-08:00 0.20; feast=sat-sun,holiday 00:00-24:00 0.10

Name, days, hours and price of each band, the bands in the order in which they are looked at.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from callctl.directory.fields import read_amount, read_clock, show_amount, show_clock
from callctl.values.tariff import WEEKDAYS, Band, Rate

BANDS_MAX = 20
DAYS = (*WEEKDAYS, "workday", "restday", "holiday")  # in the order in which they are written
_ALL = "all"
_EXAMPLE = "night=all 20:00-08:00 0.20"
_BAND = re.compile(r"([^=]*?)\s*=\s*(\S+)\s+([0-9:]+)\s*-\s*([0-9:]+)\s+(\S+)")
_NAME = re.compile(r"[\w-]{1,40}")
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)

RateKey = tuple[str, str, datetime | None, datetime | None]  # prefix, area, from, until


def read_band_name(text: str) -> str:
    """What a band is called in explanations of prices."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} does not fit: write letters, digits, - and _, at most 40")
    return text


def read_begin(text: str) -> int:
    """The minute at which a band begins."""
    minute = read_clock(text)
    if minute == 1440:
        raise ValueError("a band begins at 00:00 to 23:59: write 00:00 for midnight")
    return minute


def read_end(text: str) -> int:
    """The minute at which a band ends."""
    minute = read_clock(text)
    if minute == 0:
        raise ValueError("a band ends at 00:01 to 24:00: write 24:00 for midnight")
    return minute


def ordered_days(days: Iterable[str]) -> tuple[str, ...]:
    """The days of a band in one order, each once."""
    named = set(days)
    return tuple(day for day in DAYS if day in named)


@lru_cache(maxsize=10_000)
def read_bands(text: str) -> tuple[Band, ...]:
    """The bands of the compact text; "" are none. Raises ValueError."""
    parts = [part.strip() for part in text.split(";")]
    if parts[-1] == "":
        parts.pop()
    bands = tuple(_read_band(part) for part in parts)
    if len(bands) > BANDS_MAX:
        raise ValueError(f"too many: at most {BANDS_MAX} bands are possible")
    return bands


def show_bands(bands: Sequence[Band]) -> str:
    """Return the compact text of the bands."""
    return "; ".join(
        f"{band.name}={show_days(band.days)} {show_clock(band.from_minute)}-"
        f"{show_clock(band.to_minute)} {show_amount(band.price_per_minute_micros)}"
        for band in bands
    )


def _read_band(text: str) -> Band:
    match = _BAND.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no band: write name=days from-to price, such as {_EXAMPLE}, "
            "and ; between two"
        )
    name, days, begin, end, price = match.groups()
    return Band(
        name=read_band_name(name),
        days=() if days == _ALL else ordered_days(_read_days(days)),
        from_minute=read_begin(begin),
        to_minute=read_end(end),
        price_per_minute_micros=read_amount(price),
    )


def _read_days(text: str) -> Iterator[str]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        last = last or first
        if first in WEEKDAYS and last in WEEKDAYS[WEEKDAYS.index(first) :]:
            yield from WEEKDAYS[WEEKDAYS.index(first) : WEEKDAYS.index(last) + 1]
        elif part in DAYS:
            yield part
        else:
            raise ValueError(
                f"{part!r} are no days: write {', '.join(DAYS)}, a range such as mon-fri, or {_ALL}"
            )


def show_days(days: Sequence[str]) -> str:
    """Days as they are read; weekdays that follow each other as a range."""
    runs: list[list[str]] = []
    for day in days:
        is_next = runs and day in WEEKDAYS and DAYS.index(day) == DAYS.index(runs[-1][-1]) + 1
        if is_next:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs) or _ALL


def rate_problems(rate: Rate) -> Iterator[tuple[str, str]]:
    """What a rate's fields say against each other: field and what to do."""
    if rate.prefix and rate.area:
        yield "area", "this rate has a prefix and an area: delete one of them"
    if rate.valid_from and rate.valid_until and rate.valid_until <= rate.valid_from:
        yield "valid_until", "this is not after valid_from: write a later moment"
    if rate.maximum_cost_micros is not None and rate.maximum_cost_micros % rate.round_to_micros:
        unit = show_amount(rate.round_to_micros)
        yield "maximum_cost", f"costs are rounded to {unit} (round_to): write a multiple of that"
    if rate.bands:
        names = [band.name for band in rate.bands]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield "bands", f"two bands are called {name!r}: rename one"


def needs_calendar(bands: Iterable[Band]) -> bool:
    """Whether a band speaks of holidays, which only a calendar knows."""
    return any("holiday" in band.days for band in bands)


def overlapping(keys: Iterable[RateKey]) -> Iterator[tuple[int, int]]:
    """Pairs of rates for the same numbers at the same time, by their positions, earlier first."""
    first: dict[tuple[str, str], tuple[int, RateKey]] = {}
    groups: dict[tuple[str, str], list[tuple[int, RateKey]]] = {}  # only where there are several
    for index, key in enumerate(keys):
        earlier = first.setdefault(key[:2], (index, key))
        if earlier[0] != index:
            groups.setdefault(key[:2], [earlier]).append((index, key))
    for group in groups.values():
        yield from _overlapping_in_time(group)


def _overlapping_in_time(group: list[tuple[int, RateKey]]) -> Iterator[tuple[int, int]]:
    longest, end = -1, _FIRST  # of those seen so far the one that ends last
    for index, (_, _, valid_from, valid_until) in sorted(
        group, key=lambda one: (one[1][2] or _FIRST, one[0])
    ):
        if longest >= 0 and (valid_from or _FIRST) < end:
            yield min(longest, index), max(longest, index)
        if longest < 0 or (valid_until or _LAST) > end:
            longest, end = index, valid_until or _LAST
