"""`callctl calls`: the calls of this moment."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.live import Live

from callctl import clock
from callctl.api.answers import LiveCallAnswer
from callctl.cli import show
from callctl.cli.session import load_settings, open_database
from callctl.views import Views

_COLUMNS = (
    *("stage", "did", "caller", "area", "line", "account", "rate", ">seconds", ">cost"),
    *("paid through", ">available"),
)
_NONE = "no live calls"
_WATCH_SECONDS = 1.0


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("calls")(calls)


def calls(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Until Ctrl-C, each second.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON; a line each time.")] = False,
) -> None:
    """Show the calls of this moment with seconds and cost so far."""
    asyncio.run(_watch(as_json=as_json) if watch else _once(as_json=as_json))


async def _once(*, as_json: bool) -> None:
    async with open_database(load_settings()) as database:
        live = await _read(Views(database))
    if as_json:
        show.print_json(live)
    else:
        show.print_table(_COLUMNS, _rows(live), none=_NONE)


async def _watch(*, as_json: bool) -> None:
    async with open_database(load_settings()) as database:
        views = Views(database)
        if as_json or not sys.stdout.isatty():
            while True:
                live = await _read(views)
                if as_json:
                    print(show.to_json(live), flush=True)
                else:
                    show.print_table(_COLUMNS, _rows(live), none=_NONE)
                await clock.sleep(_WATCH_SECONDS)
        with Live(auto_refresh=False) as screen:
            while True:
                rows = _rows(await _read(views))
                title = f"{len(rows)} live calls, {clock.now().astimezone():%H:%M:%S}"
                screen.update(show.make_table(_COLUMNS, rows, title), refresh=True)
                await clock.sleep(_WATCH_SECONDS)


async def _read(views: Views) -> list[LiveCallAnswer]:
    now = clock.now()
    return [LiveCallAnswer.of(call, now) for call in await views.live_calls()]


def _rows(live: Sequence[LiveCallAnswer]) -> list[tuple[show.Cell, ...]]:
    """A row for each charged leg and who pays for it; one without money for a free call."""
    rows: list[tuple[show.Cell, ...]] = []
    for call in live:
        of_call = (call.stage, call.did, call.caller or "unknown", call.area, call.line)
        if not call.charges:
            rows.append((*of_call, call.tenant, None, call.seconds, call.cost, None, None))
        for charge in call.charges:
            until = charge.paid_through
            paid_through = f"{until.astimezone():%H:%M:%S}" if until else None
            of_leg = (charge.account, charge.rate, charge.seconds, charge.cost)
            rows.append((*of_call, *of_leg, paid_through, charge.available))
    return rows
