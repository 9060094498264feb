"""What tests of provisioning do: apply a text, load, export, and look at every row."""

from pathlib import Path
from typing import Any

import pytest

from callctl.db.pool import Database
from callctl.directory.answering import Line
from callctl.directory.apply import Plan, apply
from callctl.directory.models import Did, Directory
from callctl.directory.reading import read_document
from callctl.directory.store import export, load
from callctl.errors import ConfigurationRefused, Problem

EXAMPLE = (Path(__file__).parents[2] / "deploy" / "example-tenant.yaml").read_text()
ANSWERING = (Path(__file__).parents[1] / "unit" / "directory" / "answering.yaml").read_text()
TABLES = (
    *("calendars", "calendar_days", "resellers"),
    *("tariffs", "tariff_versions", "rates", "tenants", "lines", "dids", "did_lines"),
    *("blacklist_entries", "did_switches", "revisions", "accounts", "transfers"),
)


EVERYTHING = """\
calendars:
  - name: cn
    days:
      - {date: 2026-10-01, kind: holiday, name: 国庆节}
      - {date: "2026-10-10", kind: workday}
tariffs:
  - name: retail
    calendar: cn
    rates:
      - price_per_minute: "0.30"
        free_seconds: 10
        first_step: {seconds: 180, price_per_minute: "0.50"}
        maximum_cost: "5"
        bands:
          - {name: feast, days: [sun, holiday], price_per_minute: "0.10"}
          - {name: 夜间, from: "20:00", to: "08:00", price_per_minute: "0.20"}
      - prefix: "86139"
        price_per_minute: "0.40"
        valid_until: 2026-10-01T00:00:00+08:00
      - prefix: "86139"
        price_per_minute: "0.35"
        valid_from: 2026-10-01T00:00:00+08:00
      - area: 广东深圳
        price_per_minute: "0.25"
        increments: 1/1
  - name: wholesale
    rates: [{price_per_minute: "0.05"}]
resellers:
  - name: shop
    reseller: house
    tariff: wholesale
    line_tariff: wholesale
    account:
      opening_balance: "50"
      credit_limit: "10"
      limits: {cost_per_month: "1000"}
  - name: house
    timezone: Asia/Urumqi
    tariff: wholesale
    account: {}
tenants:
  - name: acme
    reseller: shop
    account:
      opening_balance: "600"
      warn_seconds: []
      limits:
        concurrent_calls: 3
        calls_per_day: 100
        calls_per_month: 2000
        cost_per_day: "10.50"
        cost_per_month: "200"
        longest_call_seconds: 3600
    lines:
      - {name: desk, number: "01062000001", tariff: retail, carrier_tariff: wholesale}
    dids:
      - number: "4001234567"
        tariff: retail
        greeting: callctl/greeting-demo
        lines: [desk]
        limits: {concurrent_calls: 2, cost_per_day: "1"}
"""


async def apply_text(database: Database, text: str) -> Plan:
    """Apply a file's text."""
    return await apply(database, read_document(text.encode()))


async def loaded(database: Database) -> Directory:
    """The directory as a switch loads it."""
    async with database.transaction() as connection:
        return await load(connection)


def with_changes(*pairs: tuple[str, str]) -> str:
    """ANSWERING with some things in it replaced."""
    text = ANSWERING
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def lines_of(did: Did) -> list[Line]:
    """The lines of the group that the number's calls go to, in the order of the file."""
    return [member.line for member in did.answering.groups[did.default.name].members]


async def exported(database: Database, *tenants: str) -> str:
    """What callctl export writes."""
    async with database.transaction() as connection:
        return await export(connection, tenants or None)


async def contents(database: Database) -> dict[str, list[Any]]:
    """Every row of every table that apply may write."""
    return {
        table: await database.fetch(f"TABLE {table}")  # our own names
        for table in TABLES
    }


def signed(found: Plan) -> list[tuple[str, str, str | None, str | None]]:
    """The changes as plain tuples."""
    return [tuple(change) for change in found.changes]  # type: ignore[misc]


def changed(*pairs: tuple[str, str]) -> str:
    """The file with some things in it replaced."""
    text = EVERYTHING
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


async def refused(database: Database, text: str) -> tuple[Problem, ...]:
    """The problems for which a file is refused, with nothing written."""
    before = await contents(database)
    with pytest.raises(ConfigurationRefused) as caught:
        await apply_text(database, text)
    assert await contents(database) == before
    return caught.value.problems
