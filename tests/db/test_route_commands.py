"""`callctl route explain`, `route check` and `call explain` over what callctl apply has written."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callctl.cli.main import app
from callctl.db.pool import Database
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.errors import InvalidInput, NotFound

_FILE = b"""
tariffs:
  - name: inbound
    rates:
      - {price_per_minute: "0.30"}
      - {area: "440300", price_per_minute: "0.20"}
  - name: lines
    rates: [{price_per_minute: "0.10"}]
  - name: wholesale
    rates: [{price_per_minute: "0.06"}]
resellers:
  - {name: shop, tariff: wholesale, account: {opening_balance: "100.00"}}
tenants:
  - name: acme
    reseller: shop
    account: {opening_balance: "100.00"}
    schedules:
      - {name: office, hours: [{days: [workday], from: "09:00", to: "18:00"}]}
      - {name: spare}
    lists:
      - {name: pests, mode: block, prefixes: ["0044"]}
      - {name: idle, mode: block, numbers: ["13900000000"]}
    lines:
      - {name: a, number: "01062000001", tariff: lines}
      - {name: b, number: "01062000002", capacity: 1}
      - {name: c, number: "01062000003", on: false}
    groups:
      - {name: support, lines: [a, b], otherwise: refuse}
      - {name: off, lines: [c]}
    menus:
      - {name: main, prompt: callctl/welcome, keys: {"1": "group:support", "2": "group:off"}}
    dids:
      - number: "4001234567"
        tariff: inbound
        lists: [pests]
        schedule: office
        routes:
          - {name: south, areas: [\xe5\xb9\xbf\xe4\xb8\x9c], to: "group:support"}
          - {name: never, percentage: 0, to: "group:support"}
        to: menu:main
      - {number: "4007654321", tariff: inbound, lines: [b]}
"""
_NOON = ("--at", "2026-10-14T12:00")


@pytest.fixture(autouse=True)
async def _applied(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await apply(database, read_document(_FILE))
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))


async def _run(*arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, list(arguments)))


async def _explain(*arguments: str) -> Any:
    result = await _run("route", "explain", "4001234567", *arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.output)


def _rules(told: Any) -> list[tuple[str, bool]]:
    return [(step["rule"], step["matched"]) for step in told["trace"]]


async def test_each_rule_is_told_and_the_money_that_comes_first() -> None:
    """A caller from Shenzhen at noon: screening, hours, route, lines; who holds how much."""
    told = await _explain("--from", "075526001234", *_NOON)

    assert _rules(told) == [
        *(("block list pests", False), ("screening", True), ("schedule", True)),
        *(("route south", True), ("line a", True), ("line b", True), ("group support", True)),
        *(("ring", True), ("attempt a", True)),
    ]
    assert told["outcome"] == "line a takes the call"
    held = [(one["leg"], one["account"], one["seconds"], one["held"]) for one in told["money"]]
    assert held == [
        ("caller", "tenant:acme", 150, "0.60"),  # three started minutes
        ("caller", "reseller:shop", 150, "0.18"),
        ("a", "tenant:acme", 150, "0.30"),
    ]
    assert told["money"][0]["why"] == "area 广东 深圳"


async def test_keys_and_busy_lines_are_followed() -> None:
    """Key 1 leads to the group, whose free line takes the call, or none."""
    told = await _explain("--from", "01088888888", *_NOON, "--keys", "1", "--busy", "a")
    assert told["outcome"] == "line b takes the call"
    both = ("--busy", "a", "--busy", "b")
    told = await _explain("--from", "01088888888", *_NOON, "--keys", "1", *both)
    assert told["outcome"] == "end: refused (cause 21)"
    told = await _explain("--from", "01088888888", *_NOON)
    assert told["outcome"] == "ask: menu main"


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        (("--from", "+442071234567", *_NOON), "end: blacklisted (cause 21)"),
        (("--from", "unknown", "--at", "2026-10-14T18:00"), "end: closed (cause 21)"),
    ],
)
async def test_who_is_refused_holds_no_money(arguments: tuple[str, ...], outcome: str) -> None:
    """On a list, or out of hours in the tenant's zone."""
    told = await _explain(*arguments)

    assert (told["outcome"], told["money"], told["line"]) == (outcome, [], None)


@pytest.mark.parametrize(
    ("balance", "seconds", "outcome"),
    [
        ("0.60", 150, "line a takes the call"),
        ("0.59", 60, "line a takes the call"),
        ("0.20", 60, "line a takes the call"),
        ("0.19", 0, "end: no_credit (cause 21)"),
        ("-1", 0, "end: no_credit (cause 21)"),
    ],
)
async def test_the_balance_bounds_what_is_held(balance: str, seconds: int, outcome: str) -> None:
    """As charging does it: a whole slice, else a share, else nothing and the call is refused."""
    told = await _explain("--from", "075526001234", *_NOON, "--balance", balance)

    assert (told["money"][0]["seconds"], told["outcome"]) == (seconds, outcome)
    assert (told["denial"] == "no_credit") is (seconds == 0)


async def test_for_people_the_outcome_is_the_last_line() -> None:
    """Rules, money, outcome; nothing was held."""
    result = await _run("route", "explain", "400-1234-567", "--from", "075526001234", *_NOON)

    assert result.exit_code == 0, result.exception
    lines = result.output.splitlines()
    assert lines[-1] == "outcome: line a takes the call"
    assert any("caller's area 广东 深圳 is in 440000" in line for line in lines)
    shown = json.loads((await _run("account", "show", "acme", "--json")).output)
    assert (shown["held_micros"], shown["available"]) == (0, "100.00")


async def test_what_is_not_there_is_named() -> None:
    """A number, a line, a time, a call."""
    no_did = await _run("route", "explain", "4009999999", "--from", "unknown")
    no_line = await _run("route", "explain", "4001234567", "--from", "unknown", "--busy", "x")
    no_call = await _run("call", "explain", str(uuid.uuid4()))
    no_number = await _run("route", "check", "4009999999")

    assert isinstance(no_line.exception, InvalidInput)
    for result in (no_did, no_call, no_number):
        assert isinstance(result.exception, NotFound)


async def test_check_finds_what_is_wrong_and_says_so_to_scripts() -> None:
    """Exit code 1 for calls that are lost; a route and two things that are never used."""
    result = await _run("route", "check", "--json")
    told = json.loads(result.output)

    assert result.exit_code == 1
    assert [(one["of"], one["where"], one["loses_calls"]) for one in told["findings"]] == [
        ("4001234567", "route never", False),
        ("4001234567", "group:off (by menu:main key 2)", True),
        ("tenant acme", "list idle", False),
        ("tenant acme", "schedule spare", False),
    ]
    numbers = [(one["did"], one["lines"], one["extensions"]) for one in told["numbers"]]
    assert numbers == [("4001234567", 2, {"1": 1}), ("4007654321", 1, {})]


async def test_check_of_a_number_that_is_right_succeeds() -> None:
    """Its tenant's findings are shown, but lose no calls."""
    result = await _run("route", "check", "4007654321")

    assert result.exit_code == 0, result.output
    assert "list idle" in result.output
    assert "route never" not in result.output
