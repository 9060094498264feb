"""`callctl call explain`: why a call that has ended went as it did, from its record."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from callctl.api.answers import CdrAnswer
from callctl.cli import show
from callctl.cli.cdrs import show_legs, show_trace, trace_of
from callctl.cli.session import load_settings, open_database
from callctl.errors import NotFound
from callctl.views import Views


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="One call.", no_args_is_help=True)
    group.command("explain")(explain_call)
    app.add_typer(group, name="call")


def explain_call(
    call: Annotated[UUID, typer.Argument(help="Its id; callctl cdr list --json has them.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, as callctl cdr list.")] = False,
) -> None:
    """Show each rule that was looked at, the legs with tariff and cost, and what came of it."""
    cdr = asyncio.run(_read(call))
    if as_json:
        show.print_json(cdr)
        return
    rows = (
        ("tenant", cdr.tenant or ""),
        ("caller", cdr.caller or "unknown"),
        ("area", f"{cdr.area} ({cdr.area_code})" if cdr.area_code else cdr.area),
        ("at", show.show_time(cdr.setup_at)),
    )
    show.print_table(("number", cdr.did), rows, none="")
    print()
    show_trace(trace_of(cdr))
    print()
    show_legs(cdr)
    print(f"\noutcome: {show.clean(_outcome(cdr))}")


async def _read(call_id: UUID) -> CdrAnswer:
    async with open_database(load_settings()) as database:
        cdr = await Views(database).cdr(call_id)
    if cdr is None:
        raise NotFound(f"no call {call_id} has ended: callctl cdr list --json shows those that did")
    return CdrAnswer.model_validate(cdr)


def _outcome(cdr: CdrAnswer) -> str:
    by_line = f" by line {cdr.line}" if cdr.line and cdr.disposition == "answered" else ""
    talk = f", {show.show_seconds(cdr.talk_seconds)} s of talk" if cdr.talk_seconds else ""
    cost = show.show_money(cdr.cost_micros, cdr.currency)
    ended = f"ended by {cdr.ended_by} (cause {cdr.hangup_cause})"
    return f"{cdr.disposition}{by_line}, {ended}{talk}, {cost}"
