"""`callctl rate explain` with a tariff that callctl apply has written."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callctl.cli.main import app
from callctl.db.pool import Database
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.errors import NotFound

_FILE = b"""
calendars:
  - name: china
    days:
      - {date: 2026-10-01, kind: holiday, name: National Day}
tariffs:
  - name: inbound
    calendar: china
    rates:
      - price_per_minute: "0.30"
      - area: "440300"
        price_per_minute: "0.20"
        free_seconds: 5
        first_step: {seconds: 60, price_per_minute: "0.60"}
        maximum_cost: "0.90"
        bands:
          - {name: feast, days: [holiday], price_per_minute: "0.10"}
"""


@pytest.fixture(autouse=True)
async def _applied(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await apply(database, read_document(_FILE))
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))


async def _run(*arguments: str) -> Result:
    command = ["rate", "explain", *arguments]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, command))


async def _json(*arguments: str) -> Any:
    result = await _run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.output)


async def test_every_term_comes_back_from_the_database() -> None:
    """Area, free seconds, first step, band and holiday that were applied make the price."""
    asked = ("075526001234", "--tariff", "inbound", "--seconds", "90")
    feast = await _json(*asked, "--at", "2026-10-01T12:00")
    usual = await _json(*asked, "--at", "2026-10-02T12:00")

    assert feast["why"] == "area 广东 深圳"
    assert [(step["what"], step["money"]) for step in feast["steps"]] == [
        ("free seconds", "0.00"),
        ("first step", "0.60"),
        ("band feast", "0.10"),
    ]
    assert (feast["cost"], usual["cost"]) == ("0.70", "0.80")
    assert usual["rate"]["id"] > 0


async def test_tariff_that_does_not_exist_is_named() -> None:
    """A name that is none is not found."""
    result = await _run("10086", "--tariff", "outbound")

    assert isinstance(result.exception, NotFound)
    assert "outbound" in str(result.exception)
