"""`callctl apply`, `export` and `schema`: the directory from a file and back."""

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer

from callctl import log
from callctl.cli import show
from callctl.cli.input_file import print_problems, read_file
from callctl.cli.session import load_settings, open_database, require_database_url
from callctl.db.migrate import migrate
from callctl.directory.apply import Plan, apply, plan
from callctl.directory.document import Document, json_schema
from callctl.directory.reading import PROBLEMS_MAX, read_document
from callctl.directory.store import export
from callctl.directory.yaml_tree import BYTES_MAX
from callctl.errors import ConfigurationRefused

_COLUMNS = ("", "field", "was", "becomes")

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("apply")(apply_command)
    app.command("export")(export_command)
    app.command("schema")(schema_command)


def apply_command(
    file: Annotated[Path, typer.Argument(help="YAML file (docs/provisioning.md); - for stdin.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the difference, change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make tenants, lines, DIDs and tariffs what FILE says; refuse it whole when it is wrong."""
    log.configure("warning")
    try:
        found = asyncio.run(_apply(read_document(read_file(file, BYTES_MAX)), is_dry=dry_run))
    except ConfigurationRefused as error:
        if not error.problems:
            raise
        print_problems(file, error, shown_max=PROBLEMS_MAX, as_json=as_json)
        raise typer.Exit(1) from error
    if as_json:
        show.print_json(_to_plain(found))
        return
    show.print_table(_COLUMNS, found.changes, none="nothing to change")
    if found.changes:
        print(_summary(found))


def export_command(
    tenants: Annotated[
        list[str] | None, typer.Argument(help="Tenants to write; none: everything.")
    ] = None,
) -> None:
    """Write the directory in the form that apply reads."""
    print(asyncio.run(_export(tenants or None)), end="")


def schema_command() -> None:
    """Write the JSON Schema of the file that apply reads, for editors and programs."""
    print(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2).decode())


async def _apply(document: Document, *, is_dry: bool) -> Plan:
    settings = load_settings()
    await migrate(require_database_url(settings))
    async with open_database(settings) as database:
        if is_dry:
            async with database.transaction() as connection:
                return await plan(connection, document)
        return await apply(database, document)


async def _export(tenants: list[str] | None) -> str:
    async with open_database(load_settings()) as database, database.transaction() as connection:
        return await export(connection, tenants)


def _to_plain(found: Plan) -> dict[str, object]:
    return {
        "revision_id": found.revision_id,
        "changes": [change._asdict() for change in found.changes],
    }


def _summary(found: Plan) -> str:
    signs = [change.sign for change in found.changes]
    counts = f"{signs.count('+')} added, {signs.count('~')} changed, {signs.count('-')} removed"
    if found.revision_id is None:
        return f"dry run: {counts}; nothing was written"
    return f"revision {found.revision_id}: {counts}; new calls follow within a second"
