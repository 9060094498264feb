"""`callctl number`: the 400 numbers, and the switch of each that people turn by hand."""

import asyncio
from typing import Annotated

import typer

from callctl import clock
from callctl.api.answers import DidAnswer
from callctl.cli import show
from callctl.cli.session import load_settings, open_database, require_database_url
from callctl.db.migrate import migrate
from callctl.db.pool import Database
from callctl.directory.manual_switch import ManualSwitches
from callctl.directory.store import load
from callctl.values.schedule import ManualSwitch

_COLUMNS = ("did", "tenant", "switch", "open", "why", "turned", "by")
_SPARE = ("by", "turned")
_NONE = "no numbers: callctl apply FILE.yaml"

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="400 numbers and their switches.", no_args_is_help=True)
    group.command("list")(list_command)
    group.command("switch")(switch_command)
    app.add_typer(group, name="number")


def list_command(*, as_json: AsJson = False) -> None:
    """Show every number, how its switch stands, and whether it is open now."""
    _print(asyncio.run(_read()), as_json=as_json)


def switch_command(
    did: Annotated[str, typer.Argument(help="The number.")],
    position: Annotated[ManualSwitch, typer.Argument(help="schedule: as its schedule says.")],
    *,
    by: Annotated[str, typer.Option(help="Who turns it, for the list.")] = "callctl number",
    as_json: AsJson = False,
) -> None:
    """Open or close a number by hand; new calls follow within a second."""
    _print([asyncio.run(_turn(did, position, by))], as_json=as_json)


async def _read() -> list[DidAnswer]:
    async with open_database(load_settings()) as database:
        return await _answers(database)


async def _turn(did: str, position: ManualSwitch, by: str) -> DidAnswer:
    settings = load_settings()
    await migrate(require_database_url(settings))
    async with open_database(settings) as database:
        number = await ManualSwitches(database).turn(did, position, by=by)
        return next(one for one in await _answers(database) if one.did == number)


async def _answers(database: Database) -> list[DidAnswer]:
    async with database.transaction() as connection:
        directory = await load(connection)
    positions, now = await ManualSwitches(database).positions(), clock.now()
    return [DidAnswer.of(did, positions.get(number), now) for number, did in directory.dids.items()]


def _print(numbers: list[DidAnswer], *, as_json: bool) -> None:
    if as_json:
        show.print_json(numbers)
        return
    rows = [
        (
            one.did,
            one.tenant,
            str(one.switch),
            "yes" if one.is_open else "no",
            one.why,
            show.show_time(one.changed_at),
            one.changed_by,
        )
        for one in numbers
    ]
    show.print_table(_COLUMNS, rows, none=_NONE, spare=_SPARE)
