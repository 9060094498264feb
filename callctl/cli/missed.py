"""`callctl missed list`: calls that no line talked with, and why."""

import asyncio
from typing import Annotated

import typer

from callctl import clock
from callctl.api.voicemails import MissedCallAnswer
from callctl.cli import show
from callctl.cli.cdrs import parse_since
from callctl.cli.session import load_settings, open_database
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
    did: Annotated[str | None, typer.Option(help="Calls to this number.")] = None,
    caller: Annotated[str | None, typer.Option(help="Calls from this number.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Calls of this tenant.")] = None,
    since: Annotated[str | None, typer.Option(help="2026-10-01T21:00, or 90m, 24h, 7d.")] = None,
    reason: Annotated[MissedReason | None, typer.Option(help="Only those of this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The latest so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Show missed, abandoned, out-of-hours and refused calls, newest first."""
    wanted = CdrFilter(
        did=did,
        caller=caller,
        tenant=tenant,
        since=parse_since(since, clock.now()) if since else None,
        limit=limit,
    )
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
