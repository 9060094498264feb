"""Makes a tariff what a CSV file says, or shows what would change; called by callctl tariff import.

The file is the whole tariff. It becomes a new version in one transaction, or nothing is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter

from callctl.db.pool import Connection, Database
from callctl.db.queries import queries
from callctl.directory.bands import needs_calendar
from callctl.directory.calendars import outdated, provisioned_calendars
from callctl.directory.coverage import users_without_price
from callctl.directory.provisioned import kept_currency_message, users_message
from callctl.directory.rate_table import RateTable, refused
from callctl.directory.rates import read_rates, write_version
from callctl.directory.rows import Row
from callctl.directory.yaml_tree import listed
from callctl.errors import Problem
from callctl.values.tariff import Calendar, Rate

_CURRENCY = "CNY"
_content = attrgetter(*(field.name for field in fields(Rate) if field.name != "id"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the tariff shall be; None: as it is, and for a new one CNY and no calendar."""

    name: str
    currency: str | None = None
    calendar: str | None = None  # "": none


@dataclass(frozen=True, slots=True)
class Imported:
    """What differs, as numbers of rates; `revision_id` once it is written.

    `version` is the new one, or the standing one when nothing differs. A rate counts as changed
    when another with its prefix or area and its valid_from was there.
    """

    name: str
    version: int
    rate_count: int
    added: int = 0
    changed: int = 0
    removed: int = 0
    is_changed: bool = False  # also by another calendar alone
    revision_id: int | None = None


async def plan_import(connection: Connection, table: RateTable, wanted: Wanted) -> Imported:
    """What `import_table` would do; raises ConfigurationRefused for what it would refuse."""
    found, _, _ = await _plan(connection, table, wanted)
    return found


async def import_table(database: Database, table: RateTable, wanted: Wanted) -> Imported:
    """Write a new version of the tariff and tell the running switches, if anything differs.

    Raises ConfigurationRefused, DatabaseError.
    """
    async with database.transaction() as connection:
        await queries.lock_directory(connection)
        found, currency, calendar = await _plan(connection, table, wanted)
        if not found.is_changed:
            return found
        await write_version(connection, wanted.name, currency, table.rates, calendar)
        summary = (
            f"+{found.added} ~{found.changed} -{found.removed} rates: tariff {wanted.name} from CSV"
        )
        revision_id = await queries.announce_revision(connection, summary=summary)
    return replace(found, revision_id=revision_id)


async def _plan(
    connection: Connection, table: RateTable, wanted: Wanted
) -> tuple[Imported, str, Calendar | None]:
    """What differs, and the currency and calendar that the tariff will have."""
    rows = await queries.read_directory_tariffs(connection, tariffs=[wanted.name])
    row = rows[0] if rows else None
    calendars = provisioned_calendars(await queries.read_directory_calendars(connection))
    name = _calendar_name(row, wanted)
    problems = [*_head_problems(row, wanted, calendars), *_holiday_problems(table, name)]
    if row is not None:
        users = await users_without_price(connection, wanted.name, table.rates)
        problems += [Problem(1, "", users_message(users))] if users else []
    if problems:
        raise refused(problems)
    calendar = calendars[name] if name else None
    currency = row["currency"] if row else wanted.currency or _CURRENCY
    if row is None:
        count = len(table.rates)
        return Imported(wanted.name, 1, count, added=count, is_changed=True), currency, calendar
    old = await read_rates(connection, row["version_id"])
    found = _compared(wanted.name, row["version"], old, table.rates)
    kept = row["calendar"]["name"] if row["calendar"] else ""
    if found.is_changed or kept != name or outdated([row], calendars):
        found = replace(found, version=row["version"] + 1, is_changed=True)
    return found, currency, calendar


def _calendar_name(row: Row | None, wanted: Wanted) -> str:
    """The calendar that the tariff will have; "" for none."""
    if wanted.calendar is not None:
        return wanted.calendar
    return row["calendar"]["name"] if row and row["calendar"] else ""


def _head_problems(
    row: Row | None, wanted: Wanted, calendars: dict[str, Calendar]
) -> Iterator[Problem]:
    if row and wanted.currency not in {None, row["currency"]}:
        yield Problem(1, "--currency", kept_currency_message(row["currency"]))
    if wanted.calendar and wanted.calendar not in calendars:
        message = f"there is no calendar {wanted.calendar!r}{listed(calendars)}: callctl calendar "
        yield Problem(1, "--calendar", message + "CN 2026 writes one for callctl apply")


def _holiday_problems(table: RateTable, calendar: str) -> Iterator[Problem]:
    if calendar:
        return
    for rate, line in zip(table.rates, table.lines, strict=True):
        if rate.bands and needs_calendar(rate.bands):
            message = "which days are holidays? Give the tariff a calendar: --calendar NAME"
            yield Problem(line, "bands", message)


def _compared(name: str, version: int, old: Sequence[Rate], new: Sequence[Rate]) -> Imported:
    before = {_key(rate): rate for rate in old}
    after = {_key(rate): rate for rate in new}
    common = before.keys() & after.keys()
    changed = sum(_content(before[key]) != _content(after[key]) for key in common)
    added, removed = len(after) - len(common), len(before) - len(common)
    return Imported(
        name, version, len(new), added, changed, removed, is_changed=added + changed + removed > 0
    )


def _key(rate: Rate) -> tuple[object, ...]:
    return rate.prefix, rate.area, rate.valid_from
