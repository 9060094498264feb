"""`callctl rate explain`: what it understands and what it shows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import typer
from typer.testing import CliRunner, Result

from callctl.cli import rates
from callctl.errors import InvalidInput, NotFound
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Band, Rate, Tariff

_NIGHT = Band("night", ("workday",), 21 * 60, 7 * 60, 100_000)
_BEIJING = Rate("8610", 50_000, 300_000, 20, 60, 60, bands=(_NIGHT,), id=7)
_SHENZHEN = Rate(
    *("", 0, 200_000, 0, 1, 1),
    area="440300",
    free_seconds=5,
    first_step_seconds=30,
    first_step_price_micros=600_000,
    maximum_cost_micros=500_000,
    valid_from=datetime(2026, 1, 1, tzinfo=UTC),
    valid_until=datetime(2027, 1, 1, tzinfo=UTC),
)
_TARIFF = Tariff("inbound", 3, "CNY", (_BEIJING, _SHENZHEN))
_NOW = datetime(2026, 10, 14, 4, 0, tzinfo=UTC)
_APP = typer.Typer()
rates.register(_APP)
_NOON = ("--at", "2026-10-14T12:00")


@pytest.fixture(autouse=True)
def _tariff(monkeypatch: pytest.MonkeyPatch) -> None:
    async def load(name: str) -> Tariff:
        assert name == "inbound"
        return _TARIFF

    monkeypatch.setattr(rates, "_load", load)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(_APP, ["rate", "explain", *arguments, "--tariff", "inbound"])


def _lines(result: Result) -> Iterator[str]:
    assert result.exit_code == 0, result.exception
    yield from (" ".join(line.split()) for line in result.output.splitlines())


def test_explanation_is_two_tables() -> None:
    """First the rate and why, then the steps with their moments, and the total last."""
    result = _run("010 6200 1234", "--at", "2026-10-14 20:59:30.500", "--seconds", "70.5")

    assert list(_lines(result)) == [
        "number +861062001234",
        "area 北京 (110000)",
        "tariff inbound v3, CNY",
        "rate longest prefix 8610",
        "terms connect fee 0.05, 0.30 per minute, increments 60/60, at least 20 s",
        "band night 21:00-07:00 workday: 0.10 per minute",
        "talk 70.5 s, Asia/Shanghai",
        "",
        "what from seconds increments price per minute money",
        "connect fee 2026-10-14 20:59:30.500+08:00 0 0 0.05",
        "price per minute 2026-10-14 20:59:30.500+08:00 29.5 1 0.30 0.1475",
        "band night 2026-10-14 21:00:00+08:00 90.5 1 0.10 0.150833",
        "rounding to 0.0001 -0.000033",
        "total 120 2 0.3483 CNY",
    ]


def test_every_term_is_told() -> None:
    """Free seconds, first step, maximum and validity are among the terms and the lines."""
    lines = list(_lines(_run("13800138000", "--area", "深圳", *_NOON, "--seconds", "600")))

    assert lines[1] == "area 广东 深圳 (440300)"
    assert lines[3] == "rate area 广东 深圳"
    assert lines[4] == (
        "terms 5 s free, first 30 s at 0.60 per minute, 0.20 per minute, increments 1/1, "
        "at most 0.50, valid from 2026-01-01 00:00:00+00:00, valid until 2027-01-01 00:00:00+00:00"
    )
    assert lines[8:] == [
        "free seconds 2026-10-14 12:00:00+08:00 5 0 0.00 0.00",
        "first step 2026-10-14 12:00:05+08:00 30 30 0.60 0.30",
        "price per minute 2026-10-14 12:00:35+08:00 565 565 0.20 1.883333",
        "rounding to 0.0001 -0.000033",
        "maximum cost -1.6833",
        "total 600 595 0.50 CNY",
    ]


def test_json_has_amounts_twice_and_times_in_utc() -> None:
    """With --json the whole explanation is there for programs."""
    result = _run("01062001234", *_NOON, "--seconds", "61", "--json")

    answer = json.loads(result.output)
    assert (answer["number"], answer["area_code"]) == ("+861062001234", "110000")
    assert (answer["tariff"], answer["tariff_version"]) == ("inbound", 3)
    assert (answer["cost"], answer["cost_micros"], answer["billed_seconds"]) == (
        *("0.65", 650_000),
        120,
    )
    assert answer["rate"]["id"] == 7
    assert Rate.from_json(answer["rate"]) == _BEIJING
    fee, talk = answer["steps"]
    assert (fee["what"], fee["money"]) == ("connect fee", "0.05")
    assert (talk["starts_at"], talk["length_ms"]) == ("2026-10-14T04:00:00+00:00", 120_000)
    assert sum(step["money_micros"] for step in answer["steps"]) == 650_000


def test_a_minute_from_now_unless_said() -> None:
    """Without --at and --seconds it is one minute from now."""
    answer = json.loads(_run("01062001234", "--json").output)
    begun = datetime.fromisoformat(answer["started_at"])
    assert answer["talk_ms"] == 60_000
    assert abs((datetime.now(UTC) - begun).total_seconds()) < 60


def test_hours_are_those_of_the_zone() -> None:
    """An --at without offset is in --timezone, and so are the moments shown."""
    lines = list(_lines(_run("01062001234", *_NOON, "--timezone", "Europe/Paris")))
    assert "connect fee 2026-10-14 12:00:00+02:00 0 0 0.05" in lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(None, _NOW, id="now"),
        pytest.param("2026-10-14T12:00", _NOW, id="local"),
        pytest.param("2026-10-14 12:00:00", _NOW, id="with a blank"),
        pytest.param("2026-10-14T04:00Z", _NOW, id="with an offset"),
        pytest.param("2026-10-14", datetime(2026, 10, 13, 16, tzinfo=UTC), id="day"),
    ],
)
def test_moment(text: str | None, expected: datetime) -> None:
    """--at is what people and programs write."""
    moment = rates.parse_moment(text, "Asia/Shanghai", _NOW)
    assert moment == expected
    assert str(moment.tzinfo) == "Asia/Shanghai"


def test_moment_that_is_skipped_is_the_one_after() -> None:
    """A time that clocks jump over is shown as what they show then."""
    moment = rates.parse_moment("2026-03-29T02:30", "Europe/Paris", _NOW)
    assert moment.isoformat() == "2026-03-29T03:30:00+02:00"


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [
        pytest.param(("nobody",), "or unknown", id="number"),
        pytest.param(("10086", "--at", "noon"), "write 2026-10-01", id="time"),
        pytest.param(("10086", "--at", "0001-01-01"), "write 2026-10-01", id="time too early"),
        pytest.param(("10086", "--seconds", "1e3"), "90.5", id="seconds"),
        pytest.param(("10086", "--seconds", "-1"), "90.5", id="less than none"),
        pytest.param(("10086", "--timezone", "../etc"), "Asia/Shanghai", id="zone"),
        pytest.param(("10086", "--area", "Atlantis"), "adcode", id="area"),
    ],
)
def test_what_is_wrong_names_the_way_out(arguments: tuple[str, ...], way_out: str) -> None:
    """What cannot be understood is refused with what to write."""
    result = _run(*arguments)
    assert isinstance(result.exception, InvalidInput)
    assert way_out in str(result.exception)


def test_no_rate_is_not_found() -> None:
    """A tariff without a rate for the number says what is missing."""
    with pytest.raises(NotFound, match=r"inbound v3 has no rate for unknown .*without prefix"):
        rates.make_quote(
            *(_TARIFF, PhoneNumber.unknown(), Area.UNKNOWN, _NOW),
            timezone="Asia/Shanghai",
            talk_ms=60_000,
        )
    assert isinstance(_run("unknown", *_NOON).exception, NotFound)
