"""`callctl audio`: a tenant's own prompts, uploaded, listed, removed, and got back."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from callctl import log
from callctl.audio import AudioFile, Uploaded, add_audio, list_audio, read_wav, remove_audio
from callctl.audio.converting import BYTES_MAX, Converted
from callctl.cli import show
from callctl.cli.input_file import read_file
from callctl.cli.session import load_settings, open_database, require_database_url
from callctl.db.migrate import migrate
from callctl.db.queries import queries
from callctl.directory.store import export
from callctl.errors import InvalidInput, NotFound

_COLUMNS = ("tenant", "name", ">seconds", ">dB", "uploaded", "from")
_USES_SHOWN_MAX = 5
_PROMPT_FIELDS = {"announcement", "greeting", "music", "prompt", "ringback", "wrong_prompt"}

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]
Owner = Annotated[str, typer.Argument(help="Whose it is.")]
Name = Annotated[str, typer.Argument(help="What the configuration calls it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Tenants' own prompts.", no_args_is_help=True)
    group.command("add")(add_command)
    group.command("list")(list_command)
    group.command("remove")(remove_command)
    group.command("export")(export_command)
    app.add_typer(group, name="audio")


def add_command(
    tenant: Owner,
    name: Name,
    file: Annotated[Path, typer.Argument(help="WAV, MP3, Ogg, FLAC, ...; - for stdin.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Convert, check and store a file, in place of any of that name."""
    log.configure("warning")
    uploaded = asyncio.run(_add(tenant, name, read_file(file, BYTES_MAX), str(file)))
    if as_json:
        show.print_json(_plain(uploaded))
    else:
        print(_said(uploaded.file, uploaded.converted))


def list_command(
    tenant: Annotated[str | None, typer.Argument(help="None: all tenants'.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what is stored."""
    files = asyncio.run(_list(tenant))
    if as_json:
        show.print_json({"audio": [asdict(file) for file in files]})
        return
    cells = [
        (
            file.tenant,
            file.name,
            f"{file.seconds:.1f}",
            f"{file.loudness_db:.1f}",
            show.show_time(file.uploaded_at),
            file.original_name,
        )
        for file in files
    ]
    show.print_table(_COLUMNS, cells, none="there is no audio: callctl audio add")


def remove_command(tenant: Owner, name: Name) -> None:
    """Remove a file that the configuration does not use."""
    asyncio.run(_remove(tenant, name))
    print(f"{name} of {tenant} is removed")


def export_command(
    tenant: Owner,
    name: Name,
    file: Annotated[Path | None, typer.Argument(help="Where to; none: standard output.")] = None,
) -> None:
    """Write a file as it is played: 8 kHz, 16 bit, mono WAV."""
    wav = asyncio.run(_export(tenant, name))
    if file is None or str(file) == "-":
        sys.stdout.buffer.write(wav)
        return
    try:
        file.write_bytes(wav)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}") from error


def uses(provisioned: str, name: str) -> list[str]:
    """The fields of a tenant's provisioning file that are this prompt: "menus.main.prompt"."""
    plain = YAML(typ="safe", pure=True).load(provisioned) or {}
    return [place for tenant in plain.get("tenants", []) for place in _places(tenant, "", name)]


def _places(value: Any, place: str, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            at = f"{place}.{key}" if place else str(key)
            if key in _PROMPT_FIELDS and below == name:
                yield at
            yield from _places(below, at, name)
    elif isinstance(value, list):
        for index, below in enumerate(value):
            known = below.get("name", below.get("number")) if isinstance(below, dict) else None
            yield from _places(below, f"{place}.{known or index}", name)


def _plain(uploaded: Uploaded) -> dict[str, Any]:
    done = {"format": uploaded.converted.format, "gain_db": uploaded.converted.gain_db}
    return asdict(uploaded.file) | done


def _said(file: AudioFile, converted: Converted) -> str:
    louder = "louder" if converted.gain_db >= 0 else "softer"
    return (
        f"{file.name} of {file.tenant}: {file.seconds:.1f} s of {converted.format}, made 8 kHz "
        f"mono, {abs(converted.gain_db):.1f} dB {louder} ({file.loudness_db:.1f} dB of full scale)"
    )


async def _add(tenant: str, name: str, data: bytes, original_name: str) -> Uploaded:
    settings = load_settings()
    await migrate(require_database_url(settings))
    async with open_database(settings) as database:
        return await add_audio(database, tenant, name, data, original_name)


async def _list(tenant: str | None) -> list[AudioFile]:
    async with open_database(load_settings()) as database:
        return await list_audio(database, tenant)


async def _remove(tenant: str, name: str) -> None:
    async with open_database(load_settings()) as database:
        async with database.transaction() as connection:
            try:
                provisioned = await export(connection, [tenant])
            except NotFound:  # audio may be there before its tenant
                provisioned = ""
            revision_id = await queries.read_directory_revision(connection)
        used = uses(provisioned, name)
        if used:
            shown = ", ".join(used[:_USES_SHOWN_MAX])
            more = f" and {len(used) - _USES_SHOWN_MAX} more" if len(used) > _USES_SHOWN_MAX else ""
            raise InvalidInput(
                f"{tenant}'s configuration uses {name} in {shown}{more}: change that first"
            )
        await remove_audio(database, tenant, name, revision_id=revision_id)


async def _export(tenant: str, name: str) -> bytes:
    async with open_database(load_settings()) as database:
        return await read_wav(database, tenant, name)
