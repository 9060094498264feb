"""`callctl areas`: where a number is from, and newer segments than those that come with callctl."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from callctl import log
from callctl.cli import show
from callctl.cli.input_file import print_problems, read_file
from callctl.cli.session import load_settings, open_database, require_database_url
from callctl.db.migrate import migrate
from callctl.directory.area_book import AreaBook
from callctl.directory.area_import import (
    BYTES_MAX,
    PROBLEMS_SHOWN_MAX,
    SegmentRun,
    Segments,
    SegmentsImported,
    import_segments,
    list_segments,
    plan_segments,
    read_segments,
)
from callctl.errors import ConfigurationRefused
from callctl.values.phone_number import PhoneNumber

_COLUMNS = ("as written", "number", "kind", "province", "city", "adcode", "zone", "from")
_SPARE = ("from", "zone")
_LIST_COLUMNS = ("from", "to", "area", "adcode", "imported")

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Where numbers are from.", no_args_is_help=True)
    group.command("lookup")(look_up)
    group.command("import")(import_command)
    group.command("list")(list_command)
    app.add_typer(group, name="areas")


def look_up(
    numbers: Annotated[list[str], typer.Argument(help="In any spelling; +8613..., 010..., ...")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show each number's normal form, its kind, and the area that it tells."""
    book = asyncio.run(_load())
    found = [_to_plain(text, book) for text in numbers]
    if as_json:
        show.print_json({"numbers": found})
        return
    rows = [tuple(one.values()) for one in found]
    show.print_table(_COLUMNS, rows, none="", spare=_SPARE)


def import_command(
    file: Annotated[Path, typer.Argument(help="CSV: segment,area; - for stdin.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the differences, change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add the mobile segments of FILE to the table of areas; refuse it whole if a row is wrong."""
    log.configure("warning")
    try:
        segments = read_segments(read_file(file, BYTES_MAX))
    except ConfigurationRefused as error:
        print_problems(file, error, shown_max=PROBLEMS_SHOWN_MAX, as_json=as_json)
        raise typer.Exit(1) from error
    found = asyncio.run(_import(segments, is_dry=dry_run))
    if as_json:
        show.print_json(asdict(found))
        return
    counts = f"{found.added} added, {found.changed} changed, {found.same} as they were"
    end = "new calls follow within a second" if found.is_written else "nothing was written"
    print(f"{'dry run: ' if dry_run else ''}{counts}; {end}")


def list_command(*, as_json: AsJson = False) -> None:
    """Show the segments that were imported."""
    runs = asyncio.run(_list())
    if as_json:
        plain = [asdict(run) | {"area": str(run.area), "adcode": run.area.adcode} for run in runs]
        show.print_json({"segments": plain})
        return
    rows = [
        (run.first, run.last, str(run.area), run.area.adcode, show.show_time(run.imported_at))
        for run in runs
    ]
    show.print_table(_LIST_COLUMNS, rows, none="none was imported: the shipped table alone holds")


def _to_plain(text: str, book: AreaBook) -> dict[str, str | None]:
    number = PhoneNumber.parse(text)
    area = book.area_of(number)
    where = "import" if book.is_imported(number) else "shipped table"
    return {
        "written": text,
        "number": number.text or "unknown",
        "kind": str(number.kind),
        "province": area.province,
        "city": area.city,
        "adcode": area.adcode,
        "zone": " ".join(area.zone) or None,
        "source": where if area else None,
    }


async def _load() -> AreaBook:
    """The areas as the switch knows them; without a database the shipped ones."""
    settings, book = load_settings(), AreaBook()
    if settings.database_url is not None:
        async with open_database(settings) as database:
            await book.load(database)
    return book


async def _import(segments: Segments, *, is_dry: bool) -> SegmentsImported:
    settings = load_settings()
    await migrate(require_database_url(settings))
    async with open_database(settings) as database:
        if is_dry:
            return await plan_segments(database, segments)
        return await import_segments(database, segments)


async def _list() -> list[SegmentRun]:
    async with open_database(load_settings()) as database:
        return await list_segments(database)
