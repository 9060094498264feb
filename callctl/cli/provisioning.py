"""`callctl apply`, `export` and `schema`: the directory from a file and back."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from callctl import log
from callctl.cli import show
from callctl.cli.session import load_settings, open_database, require_database_url
from callctl.db.migrate import migrate
from callctl.directory.apply import Plan, apply, plan
from callctl.directory.document import Document, json_schema
from callctl.directory.reading import read_document
from callctl.directory.store import export
from callctl.directory.yaml_tree import BYTES_MAX
from callctl.errors import ConfigurationRefused, InvalidInput

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
        found = asyncio.run(_apply(read_document(_read(file)), is_dry=dry_run))
    except ConfigurationRefused as error:
        if not error.problems:
            raise
        _print_problems(file, error, as_json=as_json)
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


def _read(file: Path) -> bytes:
    """Read the file, a little over the limit at most; the reading says what is too much."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(BYTES_MAX + 1)
        with file.open("rb") as opened:
            return opened.read(BYTES_MAX + 1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error


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


def _print_problems(file: Path, error: ConfigurationRefused, *, as_json: bool) -> None:
    if as_json:
        problems = [problem._asdict() for problem in error.problems]
        show.print_json({"code": error.code, "problems": problems})
        return
    for line, field, message in error.problems:
        print(f"{file}:{line}: {field + ': ' if field else ''}{message}", file=sys.stderr)
    print(f"{len(error.problems)} problem(s); nothing was changed", file=sys.stderr)


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
