"""`callctl line list` and `callctl queue list`: what lines do, and who waits for them."""

import asyncio
from typing import Annotated

import typer

from callctl.cli import show
from callctl.cli.session import load_settings, open_database
from callctl.queues.listing import LineListed, PlaceListed, list_lines, list_places

_LINES = (
    *("tenant", "line", "number", "on", "schedule", ">live", ">capacity", ">today", "last call"),
    *("wraps up until", "resting until", "why"),
)
_LINES_SPARE = ("schedule", "tenant", "last call")
_PLACES = ("tenant", "group", ">place", "vip", "caller", "did", "state", "since", "call")
_PLACES_SPARE = ("call", "tenant", "did")

_Tenant = Annotated[str | None, typer.Option("--tenant", help="Of this tenant only.")]
_Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]
_Json = Annotated[bool, typer.Option("--json", help="JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    line = typer.Typer(help="Lines.", no_args_is_help=True)
    line.command("list")(line_list)
    app.add_typer(line, name="line")
    queue = typer.Typer(help="Queues.", no_args_is_help=True)
    queue.command("list")(queue_list)
    app.add_typer(queue, name="queue")


def line_list(*, tenant: _Tenant = None, limit: _Limit = 1000, as_json: _Json = False) -> None:
    """Show what lines do: live calls, calls today, wrap-up, and which rest and why."""
    listed = asyncio.run(_lines(tenant, limit))
    if as_json:
        show.print_json(listed)
    else:
        rows = [_line_row(one) for one in listed]
        show.print_table(_LINES, rows, none="no lines", spare=_LINES_SPARE)


def queue_list(*, tenant: _Tenant = None, limit: _Limit = 1000, as_json: _Json = False) -> None:
    """Show who waits in the queues, in the order in which they will be served."""
    listed = asyncio.run(_places(tenant, limit))
    if as_json:
        show.print_json(listed)
    else:
        rows = [_place_row(one) for one in listed]
        show.print_table(_PLACES, rows, none="nobody waits", spare=_PLACES_SPARE)


async def _lines(tenant: str | None, limit: int) -> list[LineListed]:
    async with open_database(load_settings()) as database:
        return await list_lines(database, tenant=tenant, limit=limit)


async def _places(tenant: str | None, limit: int) -> list[PlaceListed]:
    async with open_database(load_settings()) as database:
        return await list_places(database, tenant=tenant, limit=limit)


def _line_row(one: LineListed) -> tuple[show.Cell, ...]:
    return (
        *(one.tenant, one.line, one.number, "yes" if one.is_on else "no", one.schedule),
        *(one.live_calls, one.capacity, one.calls_today, show.show_time(one.last_call_at)),
        *(show.show_time(one.wraps_up_until), show.show_time(one.rested_until), one.rested_why),
    )


def _place_row(one: PlaceListed) -> tuple[show.Cell, ...]:
    return (
        *(one.tenant, one.group, one.place, "yes" if one.is_vip else "", one.caller or "unknown"),
        *(one.did, one.state, show.show_time(one.entered_at), str(one.call_id)),
    )
