"""`callctl cdr list`: calls that have ended."""

import asyncio
from collections.abc import Iterable
from typing import Annotated

import typer

from callctl.api.answers import CdrAnswer
from callctl.cli import show
from callctl.cli.session import load_settings, open_database
from callctl.cli.wanted import (
    CallerOption,
    DidOption,
    LimitOption,
    SinceOption,
    TenantOption,
    wanted_calls,
)
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


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Call detail records.", no_args_is_help=True)
    group.command("list")(list_cdrs)
    app.add_typer(group, name="cdr")


def list_cdrs(
    *,
    did: DidOption = None,
    caller: CallerOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    limit: LimitOption = 50,
    trace: Annotated[bool, typer.Option("--trace", help="Legs, and why it went so.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, legs and trace with it.")] = False,
) -> None:
    """Show calls that have ended, newest first."""
    wanted = wanted_calls(did=did, caller=caller, tenant=tenant, since=since, limit=limit)
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
