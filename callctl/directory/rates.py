"""Rates between the database and callctl.values.tariff; called by apply, importing and store.

A version of a tariff never changes, so what was read of it once stays true. Rates are read and
written in pages: each statement stays far inside its deadline, however long the tariff is.
"""

import asyncio
import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import date
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

import orjson

from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.directory.rows import Row
from callctl.values.tariff import Band, Calendar, DayKind, Rate, Tariff

_WRITTEN_PAGE = 20_000  # rates a statement: a quarter of a second
_READ_PAGE = 2_000  # the loop, in which calls are, stands still for a few milliseconds
_row_values = itemgetter(*(field.name for field in fields(Rate)))
_BANDS = [field.name for field in fields(Rate)].index("bands")


def rate_of(row: Row) -> Rate:
    """The rate of a row whose `bands` are text."""
    values = list(_row_values(row))
    values[_BANDS] = _bands(values[_BANDS])
    return Rate(*values)


@lru_cache(maxsize=10_000)
def bands_json(bands: tuple[Band, ...]) -> str:
    """The bands as the database has them."""
    return orjson.dumps([asdict(band) for band in bands]).decode() if bands else "[]"


@lru_cache(maxsize=10_000)
def _bands(text: str) -> tuple[Band, ...]:
    return tuple(Band(**{**plain, "days": tuple(plain["days"])}) for plain in orjson.loads(text))


def calendar_of(plain: dict[str, Any] | None) -> Calendar | None:
    """The calendar that a version of a tariff has kept."""
    if plain is None:
        return None
    days = {date.fromisoformat(day): DayKind(kind) for day, kind in plain["days"].items()}
    return Calendar(plain["name"], days)


def calendar_json(calendar: Calendar | None) -> dict[str, Any] | None:
    """The calendar as a version keeps it."""
    if calendar is None:
        return None
    days = {day.isoformat(): kind.value for day, kind in sorted(calendar.days.items())}
    return {"name": calendar.name, "days": days}


async def read_rates(connection: Connection, version_id: int) -> tuple[Rate, ...]:
    """All rates of one version, in the order of the file; rows become rates in a thread."""
    ids = await queries.read_rate_range(connection, version_id=version_id)
    found: list[Rate] = []
    with collector_paused():
        for first_id in range(ids["first_id"], ids["last_id"] + 1, _READ_PAGE):
            rows = await queries.read_directory_rates(
                connection,
                version_id=version_id,
                first_id=first_id,
                last_id=min(first_id + _READ_PAGE - 1, ids["last_id"]),
            )
            found += await asyncio.to_thread(_rates_of, rows)
    return tuple(found)


@contextmanager
def collector_paused() -> Iterator[None]:
    """While so many objects come that stay, looking through them stops everything for 0.2 s."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _rates_of(rows: Sequence[Row]) -> list[Rate]:
    return [rate_of(row) for row in rows]


async def read_tariff(connection: Connection, row: Row) -> Tariff:
    """The tariff whose newest version is `row` (of read_directory_tariffs), ready for look-ups."""
    rates = await read_rates(connection, row["version_id"])
    calendar = calendar_of(row["calendar"])
    tariff = Tariff(row["name"], row["version"], row["currency"], rates, calendar)
    await asyncio.to_thread(_index, tariff)
    return tariff


def _index(tariff: Tariff) -> None:
    """Make what the tariff is looked up by, before a call needs it."""
    _ = (tariff.by_prefix, tariff.by_area, tariff.prefix_lengths)


async def write_version(
    connection: Connection,
    name: str,
    currency: str,
    rates: Sequence[Rate],
    calendar: Calendar | None,
) -> None:
    """Write a new version of the tariff, which may be new itself."""
    tariff_id = await queries.add_tariff(connection, name=name, currency=currency)
    version_id = await queries.add_tariff_version(
        connection,
        tariff_id=tariff_id,
        calendar=calendar_json(calendar),
        rate_count=len(rates),
    )
    for start in range(0, len(rates), _WRITTEN_PAGE):
        page = rates[start : start + _WRITTEN_PAGE]
        await queries.add_rates(connection, version_id=version_id, **_as_columns(page))


def _as_columns(rates: Iterable[Rate]) -> dict[str, Any]:
    """The rates as the arrays that add_rates takes."""
    columns = dict(zip(_PARAMETERS, zip(*map(_values, rates), strict=True), strict=True))
    return columns | {"bands": [bands_json(bands) for bands in columns["bands"]]}


_PARAMETERS = {
    "prefixes": "prefix",
    "areas": "area",
    "connect_fees": "connect_fee_micros",
    "prices": "price_per_minute_micros",
    "minimums": "minimum_seconds",
    "first_increments": "first_increment_seconds",
    "next_increments": "next_increment_seconds",
    "roundings": "round_to_micros",
    "free_seconds": "free_seconds",
    "first_steps": "first_step_seconds",
    "first_step_prices": "first_step_price_micros",
    "maximum_costs": "maximum_cost_micros",
    "valid_from": "valid_from",
    "valid_until": "valid_until",
    "bands": "bands",
}
_values = attrgetter(*_PARAMETERS.values())
