"""`callctl route explain`: which way a call would go, and why; no call is made, no money held."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Annotated

import typer

from callctl import clock
from callctl.charging import Payer, SlicePolicy
from callctl.cli import route_checks, show
from callctl.cli.cdrs import show_trace
from callctl.cli.rates import parse_destination, parse_moment
from callctl.cli.reservations import FirstReservation, forwarding_leg, service_leg
from callctl.cli.session import load_settings, open_database
from callctl.db.pool import Database
from callctl.directory.area_book import AreaBook
from callctl.directory.models import Did
from callctl.directory.store import load
from callctl.errors import InvalidInput, NotFound
from callctl.rating import find_rate
from callctl.routing import End, Facts, Say, Step, TraceStep
from callctl.routing.walk import Walk, walk
from callctl.values.area import Area
from callctl.values.hangup import HangupCause
from callctl.values.money import format_micros, parse_micros
from callctl.values.phone_number import PhoneNumber
from callctl.views import Account, Views

_MONEY_COLUMNS = ("leg", "account", "tariff", "rate", ">seconds", ">held", ">available")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="The ways of calls.", no_args_is_help=True)
    group.command("explain")(explain_route)
    group.command("check")(route_checks.check_routes)
    app.add_typer(group, name="route")


@dataclass(frozen=True, slots=True)
class Told:
    """A call that might be: its facts, its way, and the money it would begin with.

    `service` is None when the call ends before it costs anything, `forwarding` when no line takes
    it or its leg is free. `accounts` are the payers', as they stand.
    """

    facts: Facts
    keys: Sequence[str]
    busy: Sequence[str]
    way: Walk
    trace: tuple[TraceStep, ...]
    outcome: str
    accounts: dict[str, Account]
    service: FirstReservation | None = None
    forwarding: FirstReservation | None = None


def explain_route(
    did: Annotated[str, typer.Argument(help="The number that is called.")],
    *,
    caller: Annotated[str, typer.Option("--from", help="Who calls; or: unknown.")],
    at: Annotated[
        str | None,
        typer.Option(help="When, in the tenant's zone, such as 2026-10-01T21:00; none: now."),
    ] = None,
    keys: Annotated[
        str, typer.Option(help="What he presses in menus and queues, such as 1,8001; -: nothing.")
    ] = "",
    balance: Annotated[
        str | None, typer.Option(help="What the tenant has available; none: what he has now.")
    ] = None,
    busy: Annotated[list[str] | None, typer.Option(help="A line that is busy.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Show each rule that is looked at, the money that is held first, and what comes of it."""
    number = parse_destination(caller)
    available = None if balance is None else parse_micros(balance)
    pressed = keys.split(",") if keys else []
    told = asyncio.run(
        _explain(did, number, at, keys=pressed, busy=busy or [], balance_micros=available)
    )
    if as_json:
        show.print_json(_to_plain(told))
        return
    show.print_table(("number", told.facts.did.number), _facts(told), none="")
    print()
    show_trace(map(_plain_step, told.trace))
    print()
    show.print_table(_MONEY_COLUMNS, _money(told), none="nothing is held")
    print(f"\noutcome: {told.outcome}")


async def _explain(
    did: str,
    caller: PhoneNumber,
    at: str | None,
    *,
    keys: Sequence[str],
    busy: Sequence[str],
    balance_micros: int | None,
) -> Told:
    settings = load_settings()
    async with open_database(settings) as database:
        found = await find_did(database, did)
        moment = parse_moment(at, found.tenant.timezone, clock.now())
        areas = AreaBook()
        await areas.load(database)
        unknown = [name for name in busy if name not in found.answering.lines]
        if unknown:
            raise InvalidInput(f"--busy {unknown[0]!r} is no line of tenant {found.tenant.name}")
        facts = Facts(found, caller, areas.area_of(caller), moment.astimezone(UTC))
        accounts = await _accounts(database, found, balance_micros)
    policy = SlicePolicy(settings.slice_seconds, settings.renew_lead_seconds)
    return await _with_money(facts, keys, busy, accounts, policy)


async def find_did(database: Database, text: str) -> Did:
    """The number in any spelling; raises NotFound."""
    async with database.transaction() as connection:
        directory = await load(connection)
    did = directory.dids.get(PhoneNumber.parse(text).national) or directory.dids.get(text)
    if did is None:
        raise NotFound(f"there is no number {text}: callctl number list shows them all")
    return did


async def _accounts(database: Database, did: Did, balance_micros: int | None) -> dict[str, Account]:
    """The accounts of tenant and resellers by name; with that much available to the tenant."""
    own, views = did.tenant.account_name, Views(database)
    names = [own]
    reseller = did.tenant.reseller
    while reseller is not None:
        names.append(reseller.account_name)
        reseller = reseller.parent
    accounts = {name: await views.account(name) for name in names}
    if balance_micros is not None:
        has = accounts[own]
        spent = has.credit_limit_micros - has.held_micros
        accounts[own] = replace(has, balance_micros=balance_micros - spent)
    return accounts


async def _with_money(
    facts: Facts,
    keys: Sequence[str],
    busy: Sequence[str],
    accounts: dict[str, Account],
    policy: SlicePolicy,
) -> Told:
    """Walk, and hold the money where a call does: before its first step that is not free."""
    way = walk(facts, keys, busy)
    outcome = way.trace[-1].why
    told = Told(facts, keys, busy, way, way.trace[:-1], outcome, accounts)
    paid = next((n for n, one in enumerate(way.decisions) if not _is_free(one.step)), None)
    if paid is None:
        return told
    service = await service_leg(facts, accounts, policy)
    if service.denial:
        steps = [step for one in way.decisions[: paid + 1] for step in one.trace]
        cause = int(HangupCause.REJECTED)
        steps.append(TraceStep("money", matched=True, why=service.why))
        trace = (*way.verdict.trace, *steps)
        end = f"end: {service.denial} (cause {cause})"
        return replace(told, trace=trace, outcome=end, service=service)
    if way.line is None:
        return replace(told, service=service)
    forwarding = await forwarding_leg(facts.did, facts.at, way.line, service.seconds)
    return replace(told, service=service, forwarding=forwarding)


def _is_free(step: Step) -> bool:
    """Whether a call gets past the step without money: it is not answered, nobody is rung."""
    return isinstance(step, End) or (isinstance(step, Say) and not step.message.answers)


def _facts(told: Told) -> Iterator[tuple[show.Cell, ...]]:
    facts = told.facts
    code = f" ({facts.area.adcode})" if facts.area else ""
    yield "tenant", facts.did.tenant.name
    yield "caller", facts.caller.text or "unknown"
    yield "area", f"{facts.area}{code}"
    yield "at", _local(told)
    if told.keys:
        yield "keys", " ".join(told.keys)
    if told.busy:
        yield "busy", " ".join(told.busy)


def _local(told: Told) -> str:
    zone = told.facts.did.tenant.timezone
    local = parse_moment(told.facts.at.isoformat(), zone, told.facts.at)
    return f"{local:%Y-%m-%d %H:%M:%S} {zone}"


def _held(told: Told) -> Iterator[tuple[str, FirstReservation, Payer]]:
    """What is held: the leg, the reservation, and one of its payers."""
    for leg, reservation in (("caller", told.service), ("line", told.forwarding)):
        if reservation is not None:
            name = told.way.line.name if leg == "line" and told.way.line else leg
            for payer in reservation.payers:
                yield name, reservation, payer


def _money(told: Told) -> Iterator[tuple[show.Cell, ...]]:
    for leg, reservation, payer in _held(told):
        has = told.accounts.get(payer.account.name)
        yield (
            *(leg, payer.account.name, f"{payer.tariff.name} v{payer.tariff.version}"),
            *(_why_rate(told, leg, payer), reservation.seconds if not payer.is_free else ""),
            format_micros(reservation.held_micros(payer)),
            format_micros(has.available_micros) if has else "",
        )


def _why_rate(told: Told, leg: str, payer: Payer) -> str:
    """Why the payer has its rate."""
    facts, line = told.facts, told.way.line
    if leg == "caller" or line is None:
        choice = find_rate(payer.tariff, facts.caller.text[1:], facts.area, facts.at)
    else:
        choice = find_rate(payer.tariff, line.number.text[1:], Area.UNKNOWN, facts.at)
    return choice.why if choice else ""


def _plain_step(step: TraceStep) -> dict[str, object]:
    return {"rule": step.rule, "matched": step.matched, "why": step.why}


def _to_plain(told: Told) -> dict[str, object]:
    """As --json prints it: amounts as text and in micro-units, the time in UTC."""
    facts, service = told.facts, told.service
    return {
        "did": facts.did.number,
        "tenant": facts.did.tenant.name,
        "caller": facts.caller.text,
        "area": str(facts.area),
        "area_code": facts.area.adcode or "",
        "at": facts.at,
        "keys": list(told.keys),
        "busy": list(told.busy),
        "trace": [_plain_step(step) for step in told.trace],
        "money": [
            {
                "leg": leg,
                "account": payer.account.name,
                "role": str(payer.account.role),
                "tariff": payer.tariff.name,
                "tariff_version": payer.tariff.version,
                "why": _why_rate(told, leg, payer),
                "seconds": reservation.seconds,
                "held": format_micros(reservation.held_micros(payer)),
                "held_micros": reservation.held_micros(payer),
            }
            for leg, reservation, payer in _held(told)
        ],
        "line": told.way.line.name if told.way.line else None,
        "denial": service.denial if service else "",
        "outcome": told.outcome,
    }
