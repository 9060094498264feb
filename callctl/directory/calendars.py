"""Calendars: their days as they will be, the tariffs that follow, and drafts for callctl apply.

Called by apply and importing, which freeze a calendar's days in each version of a tariff, and by
the CLI, which writes a country's calendar of a year with the holidays package.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import holidays
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.directory.document import Document
from callctl.directory.price_entries import CalendarEntry
from callctl.directory.rates import calendar_json
from callctl.directory.rows import Row
from callctl.errors import InvalidInput
from callctl.values.tariff import Calendar, DayKind

_YEARS_LOOKED_AT = range(2000, 2027)  # a country that has make-up workdays at all had one then


def provisioned_calendars(rows: Sequence[Row]) -> dict[str, Calendar]:
    """The calendars of rows that are one for each day, by name."""
    days: dict[str, dict[date, DayKind]] = {}
    for row in rows:
        days.setdefault(row["name"], {})[row["date"]] = DayKind(row["kind"])
    return {name: Calendar(name, found) for name, found in days.items()}


def future_calendars(rows: Sequence[Row], document: Document) -> dict[str, Calendar]:
    """The calendars as they are once the document is applied, by name."""
    written = {
        entry.name: Calendar(entry.name, {day.date: DayKind(day.kind) for day in entry.days})
        for entry in document.calendars
    }
    return provisioned_calendars(rows) | written


def outdated(tariffs: Sequence[Row], calendars: Mapping[str, Calendar]) -> list[Row]:
    """The tariffs whose newest version has kept other days than their calendar has."""
    fresh = {name: calendar_json(calendar) for name, calendar in calendars.items()}
    return [
        row
        for row in tariffs
        if row["calendar"] and row["calendar"] != fresh[row["calendar"]["name"]]
    ]


async def write_calendar(connection: Connection, calendar: CalendarEntry) -> None:
    """Make the calendar what the file says."""
    calendar_id = await queries.write_calendar(connection, name=calendar.name)
    await queries.remove_calendar_days(connection, calendar_id=calendar_id)
    await queries.write_calendar_days(
        connection,
        calendar_id=calendar_id,
        dates=[day.date for day in calendar.days],
        kinds=[day.kind for day in calendar.days],
        names=[day.name for day in calendar.days],
    )


class Draft(NamedTuple):
    """A country's calendar of one year as YAML, and what people should know about it."""

    text: str
    warning: str | None


def draft(country: str, year: int, name: str, subdivision: str | None = None) -> Draft:
    """A calendar for callctl apply; raises InvalidInput for a country or year without one."""
    found = _holidays(country, subdivision, [year])
    days: dict[date, tuple[str, str]] = {
        day: ("workday", "") for day in found.weekend_workdays if day.year == year
    }
    warning = None if days else _missing_workdays(country, year)
    days |= {day: ("holiday", text) for day, text in found.items() if day.year == year}
    if not days:
        raise InvalidInput(f"no holidays of {country} are known for {year}: write another year")
    return Draft(_calendar_yaml(name, days), warning)


def _holidays(country: str, subdivision: str | None, years: Iterable[int]) -> holidays.HolidayBase:
    """The holidays in the country's own language; raises InvalidInput."""
    try:
        language = holidays.country_holidays(country).default_language
        return holidays.country_holidays(
            country, subdiv=subdivision, years=years, language=language
        )
    except NotImplementedError as error:
        where = f"{country} {subdivision}" if subdivision else country
        raise InvalidInput(
            f"no holidays of {where!r} are known: write two letters such as CN or FR"
        ) from error


def _missing_workdays(country: str, year: int) -> str | None:
    """What to say when a country that has make-up workdays seems to have none this year."""
    earlier = _holidays(country, None, _YEARS_LOOKED_AT)
    if earlier.weekend_workdays:
        return (
            f"no make-up workdays of {country} are known for {year}: compare with what the "
            "government announces, and add them as kind: workday"
        )
    return None


def _calendar_yaml(name: str, days: Mapping[date, tuple[str, str]]) -> str:
    """A file with one calendar, one line for each day."""
    entries = CommentedSeq()
    for day, (kind, text) in sorted(days.items()):
        entry = CommentedMap({"date": day, "kind": kind} | ({"name": text} if text else {}))
        entry.fa.set_flow_style()
        entries.append(entry)
    return dump({"calendars": [{"name": name, "days": entries}]})


def dump(plain: Mapping[str, Any]) -> str:
    """Return YAML as our files have it."""
    yaml = YAML(typ="rt")
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(plain, text)
    return text.getvalue()
