"""Tariffs, calendars, resellers and limits in YAML: what is accepted and what each mistake says."""

import re
from datetime import date
from pathlib import Path

import pytest

from callctl.directory.document import json_schema
from callctl.directory.rate_table import read_table
from callctl.directory.reading import read_document
from callctl.errors import ConfigurationRefused, Problem

PAGE = Path(__file__).parents[3] / "docs" / "provisioning.md"
FILE = """\
calendars:
  - name: cn
    days:
      - {date: 2026-10-01, kind: holiday, name: 国庆节}
      - {date: 2026-10-10, kind: workday}
tariffs:
  - name: retail
    calendar: cn
    rates:
      - price_per_minute: "0.30"
        first_step: {seconds: 180, price_per_minute: "0.50"}
        maximum_cost: "5"
        bands:
          - {name: night, days: [sun, mon, sun], from: 20:00, to: "08:00", price_per_minute: "0.20"}
          - {name: feast, days: [holiday], price_per_minute: "0.10"}
      - prefix: "86"
        price_per_minute: "0.40"
        valid_until: 2026-10-01 00:00:00+08:00
      - prefix: "86"
        price_per_minute: "0.35"
        valid_from: "2026-10-01T00:00:00+08:00"
      - area: 北京
        price_per_minute: "0.25"
resellers:
  - name: shop
    tariff: retail
    line_tariff: retail
    account: {limits: {cost_per_day: "10", longest_call_seconds: 600}}
"""


def problems_of(*pairs: tuple[str, str]) -> tuple[Problem, ...]:
    """The problems for which the file is refused with some things in it replaced."""
    text = FILE
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(ConfigurationRefused) as caught:
        read_document(text.encode())
    return caught.value.problems


def test_dates_and_hours_may_be_bare() -> None:
    """What YAML takes for a date or a clock is read as it is written, in quotes or not."""
    document = read_document(FILE.encode())

    rates = document.tariffs[0].rates
    night = rates[0].bands[0]
    assert document.calendars[0].days[0].date == date(2026, 10, 1)
    assert (night.days, night.from_minute, night.to_minute) == (["mon", "sun"], 1200, 480)
    assert (rates[0].bands[1].from_minute, rates[0].bands[1].to_minute) == (0, 1440)
    assert rates[1].valid_until == rates[2].valid_from
    assert rates[3].area == "110000"


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "words"),
    [
        ("2026-10-10", "10.10.2026", 5, "calendars[0].days[1].date", "such as 2026-10-01"),
        ("2026-10-10", "2026-10-01", 5, "calendars[0].days[1].date", "first in line 4"),
        ("2026-10-10", "20261010", 5, "calendars[0].days[1].date", "in quotes"),
        ("kind: workday", "kind: feast", 5, "calendars[0].days[1].kind", "'holiday' or 'workday'"),
        ("    calendar: cn\n", "", 14, "tariffs[0].rates[0].bands[1].days", "callctl calendar"),
        ("20:00", "8pm", 14, "tariffs[0].rates[0].bands[0].from", "00:00 to 24:00"),
        ("20:00", "24:00", 14, "tariffs[0].rates[0].bands[0].from", "write 00:00"),
        ('"08:00"', '"00:00"', 14, "tariffs[0].rates[0].bands[0].to", "write 24:00"),
        ("[holiday]", "[feast]", 15, "tariffs[0].rates[0].bands[1].days[0]", "'restday' or"),
        ("name: feast", "name: night", 13, "tariffs[0].rates[0].bands", "rename one"),
        ("name: feast", "name: a=b", 15, "tariffs[0].rates[0].bands[1].name", "letters, digits"),
        ("seconds: 180,", "", 11, "tariffs[0].rates[0].first_step.seconds", "missing"),
        (
            "seconds: 180",
            "seconds: 180, second: 1",
            11,
            "tariffs[0].rates[0].first_step.second",
            "seconds?",
        ),
        (
            'maximum_cost: "5"',
            'maximum_cost: "5.00001"',
            12,
            "tariffs[0].rates[0].maximum_cost",
            "multiple",
        ),
        (
            "2026-10-01 00:00:00+08:00",
            "2026-10-01",
            18,
            "tariffs[0].rates[1].valid_until",
            "its offset too",
        ),
        (
            "2026-10-01 00:00:00+08:00",
            "soon",
            18,
            "tariffs[0].rates[1].valid_until",
            "date, time and offset",
        ),
        (
            "2026-10-01 00:00:00+08:00",
            "2026-10-02 00:00:00+08:00",
            19,
            "tariffs[0].rates[2].prefix",
            "first in line 16",
        ),
        (
            '"0.35"\n',
            '"0.35"\n        valid_until: 2026-01-01T00:00:00Z\n',
            21,
            "tariffs[0].rates[2].valid_until",
            "later moment",
        ),
        (
            "area: 北京",
            'area: 北京\n        prefix: "8610"',
            22,
            "tariffs[0].rates[3].area",
            "delete one of them",
        ),
        ("area: 北京", "area: 北惊", 22, "tariffs[0].rates[3].area", "not a known area"),
        ('"10"', '"0"', 28, "resellers[0].account.limits.cost_per_day", "more than 0"),
        ("600", "0", 28, "resellers[0].account.limits.longest_call_seconds", "1 or more"),
        ("600", "14401", 28, "resellers[0].account.limits.longest_call_seconds", "at most 14400"),
        (
            "cost_per_day",
            "cost_a_day",
            28,
            "resellers[0].account.limits.cost_a_day",
            "cost_per_day?",
        ),
        (
            "tariff: retail\n    account",
            "tariff: retail\n    timezone: Mars\n    account",
            28,
            "resellers[0].timezone",
            "time zone",
        ),
        (
            "account: {",
            "account: {currency: EUR, ",
            26,
            "resellers[0].tariff",
            "in CNY and the account in EUR",
        ),
    ],
)
def test_wrong_field_is_refused_with_its_line_and_remedy(
    old: str, new: str, line: int, field: str, words: str
) -> None:
    """The first problem is at the line and the field that is wrong, and says what to write."""
    problem = problems_of((old, new))[0]

    assert (problem.line, problem.field) == (line, field)
    assert words in problem.message


def test_reseller_needs_a_price_for_everybody() -> None:
    """A reseller's tariffs must price callers without a number and lines anywhere."""
    problems = problems_of(
        ('- price_per_minute: "0.30"', '- prefix: "1"\n        price_per_minute: "0.30"')
    )

    assert [problem.field for problem in problems] == [
        "resellers[0].tariff",
        "resellers[0].line_tariff",
    ]
    assert "add a rate without prefix" in problems[0].message


def test_examples_of_the_page_are_accepted() -> None:
    """What docs/provisioning.md shows of calendars, bands and CSV can be used as it stands."""
    page = PAGE.read_text(encoding="utf-8")
    calendar, tariff, *_ = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    table = re.search(r"^    (prefix,price_per_minute.*(?:\n    .*)+)", page, re.MULTILINE)
    assert table

    assert read_document((calendar + tariff).encode()).tariffs[0].rates[1].bands[0].name == "feast"
    assert len(read_table(table[1].replace("\n    ", "\n").encode()).rates) == 2


def test_schema_covers_everything() -> None:
    """The JSON Schema has the new fields under the names of the file."""
    schema = json_schema()
    definitions = schema["$defs"]

    assert set(schema["properties"]) == {"calendars", "tariffs", "resellers", "tenants"}
    assert {"area", "free_seconds", "first_step", "maximum_cost", "valid_from", "bands"} <= set(
        definitions["RateEntry"]["properties"]
    )
    assert set(definitions["BandEntry"]["required"]) == {"name", "price_per_minute"}
    assert definitions["BandEntry"]["properties"]["to"]["default"] == "24:00"
    assert "longest_call_seconds" in definitions["LimitsEntry"]["properties"]
    assert "micros" not in str(schema)
    plain = {"name", "account", "limits", "lines", "dids", "rates", "days"}
    undescribed = [
        (entry, name)
        for entry, definition in definitions.items()
        for name, field in definition.get("anyOf", [{}, definition])[1]["properties"].items()
        if "description" not in field and name not in plain
    ]
    assert undescribed == []
