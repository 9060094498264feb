"""`callctl missed list`: calls that no line talked with, and why."""

import asyncio
from typing import Annotated

import typer

from callctl.api.voicemails import MissedCallAnswer
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
from callctl.views import CdrFilter, MissedReason, Views

_COLUMNS = (
    *("time", "did", "caller", "area", "reason", "why", ">waited s", ">voicemail s"),
    *("callback", "call"),
)
_SPARE = ("call", "reason", "area", ">voicemail s")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Calls that no line talked with.", no_args_is_help=True)
    group.command("list")(list_missed)
    app.add_typer(group, name="missed")


def list_missed(
    *,
    did: DidOption = None,
    caller: CallerOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    reason: Annotated[MissedReason | None, typer.Option(help="Only those of this reason.")] = None,
    limit: LimitOption = 50,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Show missed, abandoned, out-of-hours and refused calls, newest first."""
    wanted = wanted_calls(did=did, caller=caller, tenant=tenant, since=since, limit=limit)
    missed = asyncio.run(_read(wanted, reason))
    if as_json:
        show.print_json(missed)
        return
    show.print_table(_COLUMNS, map(_row, missed), none="no missed calls", spare=_SPARE)


async def _read(wanted: CdrFilter, reason: MissedReason | None) -> list[MissedCallAnswer]:
    async with open_database(load_settings()) as database:
        found = await Views(database).missed(wanted, reason)
        return [MissedCallAnswer.model_validate(call) for call in found]


def _row(call: MissedCallAnswer) -> tuple[show.Cell, ...]:
    said = call.voicemail_seconds
    return (
        *(show.show_time(call.setup_at), call.did, call.caller or "unknown", call.area),
        *(str(call.reason), call.why, show.show_seconds(call.waited_seconds)),
        show.show_seconds(said) if said is not None else "",
        *(call.callback, str(call.call_id)),
    )
