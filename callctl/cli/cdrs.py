"""`callctl cdr list`: calls that have ended."""

import asyncio
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

import typer

from callctl import clock
from callctl.api.answers import CdrAnswer
from callctl.cli import show
from callctl.cli.session import load_settings, open_database
from callctl.errors import InvalidInput
from callctl.views import CdrFilter, Views

_COLUMNS = (
    *("time", "did", "caller", "area", "line", "result", ">cause"),
    *(">ring s", ">talk s", ">billed s", ">cost", "ended by"),
)
_SPARE = (">cause", ">ring s", ">billed s", "did", "area")
_LEG_COLUMNS = (
    *("leg", "line", "number", "result", ">cause", ">ring s", ">talk s", ">billed s"),
    *(">cost", "account", "tariff"),
)
_LEG_SPARE = ("number", "account", "tariff", ">cause")
_TRACE_COLUMNS = ("rule", "matched", "why")
_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Call detail records.", no_args_is_help=True)
    group.command("list")(list_cdrs)
    app.add_typer(group, name="cdr")


def list_cdrs(
    *,
    did: Annotated[str | None, typer.Option(help="Calls to this number.")] = None,
    caller: Annotated[str | None, typer.Option(help="Calls from this number.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Calls of this tenant.")] = None,
    since: Annotated[str | None, typer.Option(help="2026-10-01T21:00, or 90m, 24h, 7d.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The latest so many.")] = 50,
    trace: Annotated[bool, typer.Option("--trace", help="Legs, and why it went so.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, legs and trace with it.")] = False,
) -> None:
    """Show calls that have ended, newest first."""
    wanted = CdrFilter(
        did=did,
        caller=caller,
        tenant=tenant,
        since=parse_since(since, clock.now()) if since else None,
        limit=limit,
    )
    cdrs = asyncio.run(_read(wanted))
    if as_json:
        show.print_json(cdrs)
        return
    if not trace or not cdrs:
        show.print_table(_COLUMNS, map(_row, cdrs), none="no calls", spare=_SPARE)
        return
    for number, cdr in enumerate(cdrs):
        if number:
            print()
        show.print_table(_COLUMNS, [_row(cdr)], none="", spare=_SPARE)
        print()
        show_legs(cdr)
        print()
        show_trace(trace_of(cdr))


def parse_since(text: str, now: datetime, option: str = "--since") -> datetime:
    """Return the moment that `text` names: so long before `now`, or an ISO date and time here."""
    ago = _AGO.fullmatch(text)
    if ago:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise InvalidInput(
            f"{option} {text!r} is no time: write 2026-10-01, 2026-10-01T21:00, or 90m, 24h, 7d"
        ) from None


async def _read(wanted: CdrFilter) -> list[CdrAnswer]:
    async with open_database(load_settings()) as database:
        return [CdrAnswer.model_validate(cdr) for cdr in await Views(database).cdrs(wanted)]


def _row(cdr: CdrAnswer) -> tuple[show.Cell, ...]:
    return (
        *(show.show_time(cdr.setup_at), cdr.did, cdr.caller or "unknown", cdr.area, cdr.line),
        *(cdr.disposition, cdr.hangup_cause),
        *(show.show_seconds(cdr.ring_seconds), show.show_seconds(cdr.talk_seconds)),
        next((leg.billed_seconds for leg in cdr.legs if leg.side == "a"), 0),
        *(show.show_money(cdr.cost_micros, cdr.currency), cdr.ended_by),
    )


def show_legs(cdr: CdrAnswer) -> None:
    """Print the call's legs, with tariff and cost."""
    show.print_table(_LEG_COLUMNS, _leg_rows(cdr), none="no legs", spare=_LEG_SPARE)


def show_trace(steps: Iterable[object]) -> None:
    """Print rules that were looked at, each an object with rule, matched and why."""
    show.print_table(_TRACE_COLUMNS, map(_step, steps), none="no rules")


def trace_of(cdr: CdrAnswer) -> list[object]:
    """The rules that decided the call, in order."""
    return list(cdr.trace) if isinstance(cdr.trace, list) else [cdr.trace]


def _leg_rows(cdr: CdrAnswer) -> list[tuple[show.Cell, ...]]:
    return [
        (
            *(leg.side, leg.line, leg.number or "unknown", leg.disposition, leg.hangup_cause),
            *(show.show_seconds(leg.ring_seconds), show.show_seconds(leg.talk_seconds)),
            *(leg.billed_seconds, leg.cost, leg.account),
            f"{leg.tariff} v{leg.tariff_version}" if leg.tariff else "",
        )
        for leg in cdr.legs
    ]


def _step(step: object) -> tuple[show.Cell, ...]:
    """A step of the trace: rule, whether it matched, and why; other keys are told with them."""
    if not isinstance(step, dict):
        return str(step), "", ""
    others = dict(step)
    rule, matched, why = (others.pop(key, "") for key in ("rule", "matched", "why"))
    told = "  ".join([str(why)] * bool(why) + [f"{key}: {value}" for key, value in others.items()])
    return str(rule), {True: "yes", False: "no"}.get(matched, str(matched)), told
