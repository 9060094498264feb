"""`callctl rate explain`: what a call would cost, and how that comes about."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import typer

from callctl import clock
from callctl.cli import show
from callctl.cli.session import load_settings, open_database
from callctl.directory.areas import shipped_table
from callctl.directory.store import load_tariff
from callctl.errors import InvalidInput, NotFound
from callctl.rating import Explanation, Meter, RateChoice, Step, find_rate
from callctl.values.area import Area
from callctl.values.money import format_micros
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Band, Rate, Tariff

_COLUMNS = ("what", "from", ">seconds", ">increments", ">price per minute", ">money")
_SPARE = (">increments", "from")
_UNKNOWN = "unknown"  # what tables show for a caller without a number
_SECONDS = re.compile(r"(\d{1,6})(?:\.(\d{1,3}))?")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Prices.", no_args_is_help=True)
    group.command("explain")(explain_rate)
    app.add_typer(group, name="rate")


@dataclass(frozen=True, slots=True)
class Quote:
    """A call that might be, with its rate and its price."""

    tariff: Tariff
    number: PhoneNumber
    area: Area
    timezone: str
    choice: RateChoice
    explanation: Explanation


def explain_rate(
    destination: Annotated[
        str, typer.Argument(help="A line's number, or a 400 number's caller; or: unknown.")
    ],
    *,
    tariff: Annotated[str, typer.Option(help="Its name; the newest version is taken.")],
    at: Annotated[
        str | None, typer.Option(help="Start of the talk, such as 2026-10-01T21:00; none: now.")
    ] = None,
    seconds: Annotated[str, typer.Option(help="Length of the talk, such as 90 or 90.5.")] = "60",
    area: Annotated[
        str | None, typer.Option(help="Province or city; none: what the number tells.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="Of who pays.")] = "Asia/Shanghai",
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Show which rate a call has and why, and its cost step by step."""
    number, talk_ms = parse_destination(destination), parse_seconds(seconds)
    moment = parse_moment(at, timezone, clock.now())
    where = find_area(number, area)
    found = asyncio.run(_load(tariff))
    quote = make_quote(found, number, where, moment, timezone=timezone, talk_ms=talk_ms)
    if as_json:
        show.print_json(to_plain(quote))
        return
    show.print_table(("number", number.text or _UNKNOWN), facts(quote), none="")
    print()
    show.print_table(_COLUMNS, steps(quote), none="", spare=_SPARE)


async def _load(name: str) -> Tariff:
    async with open_database(load_settings()) as database, database.transaction() as connection:
        return await load_tariff(connection, name)


def parse_destination(text: str) -> PhoneNumber:
    """Return the number; raises InvalidInput for what is none and not the word "unknown"."""
    number = PhoneNumber.parse(text)
    if not number and text != _UNKNOWN:
        raise InvalidInput(
            f"{text!r} is not a telephone number: write digits, such as 01062000001, 13901710001 "
            f"or +442071234567, or {_UNKNOWN}"
        )
    return number


def parse_seconds(text: str) -> int:
    """Return milliseconds of "90" or "90.5"; raises InvalidInput."""
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise InvalidInput(f"--seconds {text!r} is no length: write seconds such as 90 or 90.5")
    return int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0"))


def parse_moment(text: str | None, timezone: str, now: datetime) -> datetime:
    """Return the moment in `timezone` that an ISO date and time names there; None: `now`.

    Raises InvalidInput when either is not to be understood.
    """
    if timezone not in available_timezones():
        raise InvalidInput(
            f"--timezone {timezone!r} is no time zone: write a name such as Asia/Shanghai"
        )
    zone = ZoneInfo(timezone)
    try:
        moment = datetime.fromisoformat(text) if text else now
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return moment.astimezone(UTC).astimezone(zone)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"--at {text!r} is no time: write 2026-10-01, 2026-10-01T21:00 "
            "or 2026-10-01T21:00:00.500+08:00"
        ) from None


def find_area(number: PhoneNumber, name: str | None) -> Area:
    """Return the area of that name, else the number's; raises InvalidInput for no place."""
    table = shipped_table()
    return table.area(table.resolve(name)) if name else table.area_of(number)


def make_quote(
    tariff: Tariff,
    number: PhoneNumber,
    area: Area,
    moment: datetime,
    *,
    timezone: str,
    talk_ms: int,
) -> Quote:
    """Return the price of a call that begins at `moment`; raises NotFound when there is no rate."""
    choice = find_rate(tariff, number.text.removeprefix("+"), area, moment)
    if choice is None:
        raise NotFound(
            f"tariff {tariff.name} v{tariff.version} has no rate for {number.text or _UNKNOWN} at "
            f"{moment.isoformat(sep=' ')}: add one without prefix, which is for any number"
        )
    meter = Meter(choice.rate, moment, timezone, tariff.calendar)
    return Quote(tariff, number, area, timezone, choice, meter.explain(talk_ms))


def facts(quote: Quote) -> Iterator[tuple[show.Cell, ...]]:
    """What the price is made of: area, tariff, the rate, why it, and its terms."""
    tariff, told = quote.tariff, quote.explanation
    code = f" ({quote.area.adcode})" if quote.area else ""
    yield "area", f"{quote.area}{code}"
    yield "tariff", f"{tariff.name} v{tariff.version}, {tariff.currency}"
    yield "rate", quote.choice.why
    yield "terms", ", ".join(_terms(told.rate))
    for band in told.rate.bands:
        yield f"band {band.name}", _band_terms(band)
    yield "talk", f"{_seconds(told.talk_ms)} s, {quote.timezone}"


def steps(quote: Quote) -> Iterator[tuple[show.Cell, ...]]:
    """The lines of the bill; the last one is the total."""
    told = quote.explanation
    for step in told.steps:
        price = _amount(step.price_per_minute_micros) if step.length_ms else ""
        yield (
            *(step.what, _moment(step.starts_at), _seconds(step.length_ms), step.increments),
            *(price, _amount(step.money_micros)),
        )
    if told.rounding_micros:
        unit = _amount(told.rate.round_to_micros)
        yield f"rounding to {unit}", "", "", "", "", _amount(told.rounding_micros)
    if told.spared_micros:
        yield "maximum cost", "", "", "", "", _amount(-told.spared_micros)
    cost = show.show_money(told.cost_micros, quote.tariff.currency)
    increments = sum(step.increments for step in told.steps)
    yield "total", "", told.billed_seconds, increments, "", cost


def to_plain(quote: Quote) -> dict[str, object]:
    """The quote as --json prints it: amounts as text and in micro-units, times in UTC."""
    told = quote.explanation
    return {
        "number": quote.number.text,
        "area": str(quote.area),
        "area_code": quote.area.adcode or "",
        "tariff": quote.tariff.name,
        "tariff_version": quote.tariff.version,
        "currency": quote.tariff.currency,
        "why": quote.choice.why,
        "rate": told.rate,
        "started_at": told.started_at.astimezone(UTC),
        "timezone": quote.timezone,
        "talk_ms": told.talk_ms,
        "billed_seconds": told.billed_seconds,
        "steps": [_plain_step(step) for step in told.steps],
        **_plain_amount("rounding", told.rounding_micros),
        **_plain_amount("spared", told.spared_micros),
        **_plain_amount("cost", told.cost_micros),
    }


def _plain_step(step: Step) -> dict[str, object]:
    return {
        "what": step.what,
        "starts_at": step.starts_at.astimezone(UTC),
        "length_ms": step.length_ms,
        "increments": step.increments,
        **_plain_amount("price_per_minute", step.price_per_minute_micros),
        **_plain_amount("money", step.money_micros),
    }


def _plain_amount(name: str, micros: int) -> dict[str, object]:
    return {name: _amount(micros), f"{name}_micros": micros}


def _terms(rate: Rate) -> Iterator[str]:
    """The rate's terms in words, without those that it does not have."""
    if rate.connect_fee_micros:
        yield f"connect fee {_amount(rate.connect_fee_micros)}"
    if rate.free_seconds:
        yield f"{rate.free_seconds} s free"
    if rate.first_step_seconds:
        price = _amount(rate.first_step_price_micros)
        yield f"first {rate.first_step_seconds} s at {price} per minute"
    yield f"{_amount(rate.price_per_minute_micros)} per minute"
    yield f"increments {rate.first_increment_seconds}/{rate.next_increment_seconds}"
    if rate.minimum_seconds:
        yield f"at least {rate.minimum_seconds} s"
    if rate.maximum_cost_micros is not None:
        yield f"at most {_amount(rate.maximum_cost_micros)}"
    if rate.valid_from:
        yield f"valid from {_moment(rate.valid_from)}"
    if rate.valid_until:
        yield f"valid until {_moment(rate.valid_until)}"


def _band_terms(band: Band) -> str:
    hours = f"{_minute(band.from_minute)}-{_minute(band.to_minute)}"
    days = " ".join(band.days) or "every day"
    return f"{hours} {days}: {_amount(band.price_per_minute_micros)} per minute"


def _amount(micros: int) -> str:
    return format_micros(micros)


def _minute(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _moment(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="milliseconds" if moment.microsecond else "seconds")


def _seconds(milliseconds: int) -> str:
    return str(Decimal(milliseconds) / 1000)
