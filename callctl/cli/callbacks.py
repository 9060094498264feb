"""`callctl callback`: calls back the caller of a missed call."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from callctl import clock
from callctl.api.callbacks import CallbackAnswer
from callctl.callbacks import CallbackRequest, Callbacks, CallbackState, ask_for_missed
from callctl.cli import show
from callctl.cli.session import load_settings, open_database, require_database_url
from callctl.db.migrate import migrate
from callctl.directory.area_book import AreaBook
from callctl.directory.store import load
from callctl.errors import NotFound

_LOOK_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("callback")(callback)


def callback(
    call: Annotated[UUID, typer.Argument(help="The missed call: see callctl missed list.")],
    *,
    line: Annotated[str | None, typer.Option(help="Who calls back; none: his group.")] = None,
    by: Annotated[str, typer.Option(help="Who asks for it.")] = "callctl callback",
    wait: Annotated[bool, typer.Option("--wait", help="Tell what happens, to the end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, with --wait at the end.")] = False,
) -> None:
    """Call back a missed call: rings the line, then the caller. Exit code 1 if that failed."""
    request = asyncio.run(_call_back(call, line, by, is_waiting=wait, as_json=as_json))
    if as_json:
        show.print_json(CallbackAnswer.model_validate(request))
    if request.is_ended and request.state is not CallbackState.DONE:
        raise typer.Exit(1)


async def _call_back(
    call_id: UUID, line: str | None, by: str, *, is_waiting: bool, as_json: bool
) -> CallbackRequest:
    settings = load_settings()
    await migrate(require_database_url(settings))
    async with open_database(settings) as database:
        areas = AreaBook()
        await areas.load(database)
        async with database.transaction() as connection:
            directory = await load(connection)
        callbacks = Callbacks(database)
        request = await ask_for_missed(
            *(callbacks, directory, areas.area_of, call_id), by=by, line=line
        )
        if not as_json:
            whom = f"line {request.line}" if request.line else f"group {request.group_name}"
            print(f"callback {request.id}: {request.caller} by {whom}")
        return await _follow(callbacks, request, not as_json) if is_waiting else request


async def _follow(callbacks: Callbacks, request: CallbackRequest, is_told: bool) -> CallbackRequest:
    """Tell what happens until it has ended, at the latest when it expires."""
    told: set[str] = set()
    while True:
        found = await callbacks.read(request.id)
        if found is None:
            raise NotFound(f"callback {request.id} is gone")
        happened = [one.what for one in found.history]
        if found.live_line is not None and f"line {found.live_line} answered" not in happened:
            happened.append(f"line {found.live_line} rings")
        if found.is_ended:
            happened.append(f"{found.state}: {found.reason}" if found.reason else found.state)
        for what in happened:
            if what not in told and is_told:
                print(f"{clock.now().astimezone():%H:%M:%S}  {what}", flush=True)
        told.update(happened)
        if found.is_ended:
            return found
        await clock.sleep(_LOOK_SECONDS)
