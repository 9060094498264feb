"""`python -m tests.bench.rating`: what pricing takes, in a tariff of 100,000 rates.

Exits 1 when a look-up takes longer than it may.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from random import Random
from time import perf_counter

from rich.console import Console
from rich.table import Table

from callctl.directory.areas import shipped_table
from callctl.rating import Meter, find_rate
from callctl.values.area import Area
from callctl.values.tariff import Band, Rate, Tariff

RATES = 100_000
LOOK_UP_MICROSECONDS_MAX = 5
_ROUNDS = 20_000
_TRIES = 5  # the quickest of them counts: others may want the processor
_AT = datetime(2026, 10, 14, 12, 0, tzinfo=UTC)
_BANDS = (
    Band("holiday", ("holiday",), 0, 1440, 100_000),
    Band("night", (), 21 * 60, 7 * 60, 150_000),
    Band("weekend", ("sat", "sun"), 0, 1440, 200_000),
)
_PLAIN = Rate("", 50_000, 300_000, 0, 60, 60)
_BANDED = Rate("", 50_000, 300_000, 0, 1, 1, bands=_BANDS)


@dataclass(frozen=True)
class Row:
    """What was done, and how long one of it takes."""

    what: str
    microseconds: float


def main() -> int:
    """Measure and show; 0 when look-ups are quick enough."""
    console = Console(highlight=False)
    tariff, numbers = make_tariff(Random(1))
    started = perf_counter()
    _ = (tariff.by_prefix, tariff.by_area, tariff.prefix_lengths)
    console.print(
        f"{len(tariff.rates):,} rates with prefixes of {len(tariff.prefix_lengths)} lengths, "
        f"ready for look-ups in {perf_counter() - started:.2f} s"
    )
    look_ups = list(_look_ups(tariff, numbers))
    _show(console, [*look_ups, *_meters()])
    slow = [row for row in look_ups if row.microseconds > LOOK_UP_MICROSECONDS_MAX]
    for row in slow:
        console.print(f"[red]{row.what} takes more than {LOOK_UP_MICROSECONDS_MAX} µs")
    return 1 if slow else 0


def make_tariff(random: Random) -> tuple[Tariff, list[str]]:
    """A tariff of many prefixes, all areas and one rate for the rest; and numbers that meet it."""
    prefixes: set[str] = {""}
    areas = shipped_table().divisions
    while len(prefixes) < RATES - len(areas):
        prefixes.add(str(random.randrange(10 ** random.choice((2, 3, 4, 5, 6, 7, 9)))))
    rates = [Rate(prefix, 0, 300_000, 0, 60, 60) for prefix in sorted(prefixes)]
    rates += [Rate("", 0, 200_000, 0, 60, 60, area=area) for area in areas]
    some = random.sample(sorted(prefixes), 1_000)
    numbers = [f"{prefix}{random.randrange(10**7):07}"[:15] for prefix in some]
    return Tariff("large", 1, "CNY", tuple(rates)), numbers


def _look_ups(tariff: Tariff, numbers: list[str]) -> Iterator[Row]:
    shenzhen = shipped_table().area("440300")
    known, unmatched = cycle(numbers), Tariff("areas", 1, "CNY", _without_digits(tariff))
    yield _measure("look-up by prefix", lambda: find_rate(tariff, next(known), shenzhen, _AT))
    yield _measure("look-up by area", lambda: find_rate(unmatched, "0" * 13, shenzhen, _AT))
    yield _measure("look-up of any", lambda: find_rate(unmatched, "", Area.UNKNOWN, _AT))


def _without_digits(tariff: Tariff) -> tuple[Rate, ...]:
    """The rates but for those that begin like the number which shall have none of them."""
    return tuple(rate for rate in tariff.rates if not rate.prefix.startswith("0"))


def _meters() -> Iterator[Row]:
    for name, rate in (("", _PLAIN), (", three bands", _BANDED)):
        meter, fresh = _meter(rate), partial(_meter, rate)
        yield _measure(f"cost{name}", partial(meter.cost_micros, 125_000))
        yield _measure(f"quota{name}", partial(meter.quota_seconds, 9_000_000))
        yield _measure(f"cost, new meter{name}", partial(_cost_of_new, fresh))
        yield _measure(f"quota, new meter{name}", partial(_quota_of_new, fresh))
        yield _measure(f"explanation{name}", partial(meter.explain, 125_000))


def _cost_of_new(fresh: Callable[[], Meter]) -> int:
    return fresh().cost_micros(125_000)


def _quota_of_new(fresh: Callable[[], Meter]) -> int:
    return fresh().quota_seconds(9_000_000)


def _meter(rate: Rate) -> Meter:
    return Meter(rate, _AT, "Asia/Shanghai", None)


def _measure(what: str, do: Callable[[], object]) -> Row:
    best = min(_seconds(do) for _ in range(_TRIES))
    return Row(what, best / _ROUNDS * 1e6)


def _seconds(do: Callable[[], object]) -> float:
    started = perf_counter()
    for _ in range(_ROUNDS):
        do()
    return perf_counter() - started


def _show(console: Console, rows: list[Row]) -> None:
    table = Table("what", box=None, pad_edge=False)
    table.add_column("µs each", justify="right")
    table.add_column("a second", justify="right")
    for row in rows:
        table.add_row(row.what, f"{row.microseconds:.2f}", f"{1e6 / row.microseconds:,.0f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
