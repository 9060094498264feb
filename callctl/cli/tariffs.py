"""`callctl tariff` and `callctl calendar`: prices from a CSV file and back, holidays as YAML."""

import asyncio
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from callctl import log
from callctl.cli import show
from callctl.cli.input_file import print_problems, read_file
from callctl.cli.session import load_settings, open_database, require_database_url
from callctl.db.migrate import migrate
from callctl.directory.calendars import draft
from callctl.directory.importing import Imported, Wanted, import_table, plan_import
from callctl.directory.rate_table import (
    BYTES_MAX,
    PROBLEMS_SHOWN_MAX,
    RateTable,
    read_table,
    write_table,
)
from callctl.directory.rates import collector_paused
from callctl.directory.store import list_tariffs, load_tariff
from callctl.errors import ConfigurationRefused, InvalidInput

_COLUMNS = ("name", ">version", "currency", ">rates", "calendar", "since")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LETTERS = re.compile(r"[A-Z]{2}")

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Tables of prices.", no_args_is_help=True)
    group.command("import")(import_command)
    group.command("export")(export_command)
    group.command("list")(list_command)
    app.add_typer(group, name="tariff")
    app.command("calendar")(calendar_command)


def import_command(
    name: Annotated[str, typer.Argument(help="The tariff; it may be new.")],
    file: Annotated[Path, typer.Argument(help="CSV (docs/provisioning.md); - for stdin.")],
    *,
    currency: Annotated[str | None, typer.Option(help="Of a new tariff; none: CNY.")] = None,
    calendar: Annotated[
        str | None, typer.Option(help='Its calendar; none: as it was, "": without one.')
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the differences, change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make FILE the whole tariff, as a new version; refuse it whole when a row is wrong."""
    log.configure("warning")
    wanted = Wanted(_check_name(name), _check_currency(currency), calendar)
    try:
        with collector_paused():
            table = read_table(read_file(file, BYTES_MAX))
            found = asyncio.run(_import(table, wanted, is_dry=dry_run))
    except ConfigurationRefused as error:
        if not error.problems:
            raise
        print_problems(file, error, shown_max=PROBLEMS_SHOWN_MAX, as_json=as_json)
        raise typer.Exit(1) from error
    if as_json:
        show.print_json(asdict(found))
    else:
        print(_said(found))


def export_command(
    name: Annotated[str, typer.Argument(help="The tariff.")],
    file: Annotated[Path | None, typer.Argument(help="Where to; none: standard output.")] = None,
) -> None:
    """Write the newest version of a tariff as the CSV that import reads."""
    text = asyncio.run(_export(name))
    if file is None or str(file) == "-":
        print(text, end="")
        return
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}") from error


def list_command(*, as_json: AsJson = False) -> None:
    """Show every tariff at its newest version."""
    rows = asyncio.run(_list())
    if as_json:
        show.print_json({"tariffs": rows})
        return
    cells = [
        (
            row["name"],
            row["version"],
            row["currency"],
            row["rate_count"],
            row["calendar"],
            show.show_time(row["created_at"]),
        )
        for row in rows
    ]
    show.print_table(_COLUMNS, cells, none="there are no tariffs")


def calendar_command(
    country: Annotated[str, typer.Argument(help="Its two letters, such as CN or FR.")],
    year: Annotated[int, typer.Argument(min=1900, max=2199)],
    *,
    name: Annotated[str | None, typer.Option(help="What tariffs call it; none: cn for CN.")] = None,
    subdivision: Annotated[
        str | None, typer.Option(help="A part with holidays of its own, such as BY in DE.")
    ] = None,
) -> None:
    """Write the holidays and make-up workdays of a year as a calendar for callctl apply."""
    letters = country.upper()
    if not _LETTERS.fullmatch(letters):
        raise InvalidInput(f"{country!r} is no country: write two letters such as CN or FR")
    found = draft(letters, year, _check_name(name or letters.lower()), subdivision)
    print(found.text, end="")
    if found.warning:
        print(f"warning: {found.warning}", file=sys.stderr)


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r}: a name has small letters, digits, - and _, at most 63")
    return name


def _check_currency(currency: str | None) -> str | None:
    if currency is not None and not _CURRENCY.fullmatch(currency):
        raise InvalidInput(f"--currency {currency!r}: write three letters, such as CNY")
    return currency


def _said(found: Imported) -> str:
    counts = f"{found.added} added, {found.changed} changed, {found.removed} removed"
    head = f"{found.name} version {found.version}, {found.rate_count} rates"
    if not found.is_changed:
        return f"{head}: nothing to change"
    if found.revision_id is None:
        return f"dry run: {head}: {counts}; nothing was written"
    return f"{head}: {counts}; revision {found.revision_id}, new calls follow within a second"


async def _import(table: RateTable, wanted: Wanted, *, is_dry: bool) -> Imported:
    settings = load_settings()
    await migrate(require_database_url(settings))
    async with open_database(settings) as database:
        if is_dry:
            async with database.transaction() as connection:
                return await plan_import(connection, table, wanted)
        return await import_table(database, table, wanted)


async def _export(name: str) -> str:
    async with open_database(load_settings()) as database, database.transaction() as connection:
        tariff = await load_tariff(connection, name)
    return write_table(tariff.rates)


async def _list() -> list[dict[str, Any]]:
    async with open_database(load_settings()) as database:
        return await list_tariffs(database)
