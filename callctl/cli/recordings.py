"""`callctl recording`: recorded talks, and who took them out."""

import asyncio
import uuid
from datetime import datetime
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict

from callctl.cli import show
from callctl.cli.recorded_files import By, Target, delete, take_out
from callctl.cli.session import load_settings, open_database
from callctl.cli.wanted import (
    CallerOption,
    DidOption,
    LimitOption,
    SinceOption,
    TenantOption,
    wanted_calls,
)
from callctl.recording import Folder, Recordings
from callctl.views import CdrFilter, Views

_COLUMNS = (
    *("time", "did", "line", "caller", "area", ">seconds", "deleted after", "deleted", "call"),
)
_SPARE = ("area", "deleted after", "deleted")
_ACCESS_COLUMNS = ("time", "who", "act", "file")

CallId = Annotated[uuid.UUID, typer.Argument(help="The call's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


class RecordingAnswer(BaseModel):
    """A recorded talk; caller, area and seconds are known once its call has ended."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    call_id: uuid.UUID
    tenant: str
    did: str
    caller: str | None
    area: str | None
    line: str | None
    started_at: datetime
    seconds: float | None
    delete_after: datetime
    deleted_at: datetime | None
    file_name: str


class FileAccessAnswer(BaseModel):
    """Somebody took a file out (act export) or deleted it."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    file_name: str
    act: str
    who: str
    at: datetime


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Recorded talks.", no_args_is_help=True)
    group.command("list")(list_recordings)
    group.command("export")(export_recording)
    group.command("delete")(delete_recording)
    group.command("accesses")(list_accesses)
    app.add_typer(group, name="recording")


def list_recordings(
    *,
    did: DidOption = None,
    caller: CallerOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    limit: LimitOption = 50,
    as_json: AsJson = False,
) -> None:
    """Show recorded talks, newest first."""
    wanted = wanted_calls(did=did, caller=caller, tenant=tenant, since=since, limit=limit)
    recordings = asyncio.run(_read(wanted))
    if as_json:
        show.print_json(recordings)
        return
    show.print_table(_COLUMNS, map(_row, recordings), none="no recordings", spare=_SPARE)


def export_recording(call_id: CallId, target: Target, *, by: By) -> None:
    """Copy the recording of a call to a file; who did it is noted."""
    asyncio.run(_export(call_id, target, by))
    print(f"{target} written")


def delete_recording(call_id: CallId, *, by: By) -> None:
    """Delete the recording of a call for good; its row stays, and says so."""
    asyncio.run(_delete(call_id, by))
    print("deleted")


def list_accesses(call_id: CallId, *, as_json: AsJson = False) -> None:
    """Show who took out or deleted what was recorded of a call, its voicemail too."""
    accesses = asyncio.run(_read_accesses(call_id))
    if as_json:
        show.print_json(accesses)
        return
    rows = [(show.show_time(one.at), one.who, one.act, one.file_name) for one in accesses]
    show.print_table(_ACCESS_COLUMNS, rows, none="nobody took it out")


async def _read(wanted: CdrFilter) -> list[RecordingAnswer]:
    async with open_database(load_settings()) as database:
        found = await Views(database).recordings(wanted)
        return [RecordingAnswer.model_validate(one) for one in found]


async def _read_accesses(call_id: uuid.UUID) -> list[FileAccessAnswer]:
    async with open_database(load_settings()) as database:
        found = await Views(database).file_accesses(call_id)
        return [FileAccessAnswer.model_validate(one) for one in found]


async def _export(call_id: uuid.UUID, target: Target, who: str) -> None:
    settings = load_settings()
    folder = Folder(settings.recordings_dir)
    async with open_database(settings) as database, database.transaction() as connection:
        file_name = await Recordings(connection, folder).file_of(call_id)
        await take_out(connection, folder, file_name, target, who)


async def _delete(call_id: uuid.UUID, who: str) -> None:
    settings = load_settings()
    folder = Folder(settings.recordings_dir)
    async with open_database(settings) as database, database.transaction() as connection:
        file_name = await Recordings(connection, folder).file_of(call_id)
        await delete(connection, folder, file_name, who)


def _row(one: RecordingAnswer) -> tuple[show.Cell, ...]:
    return (
        *(show.show_time(one.started_at), one.did, one.line, one.caller or "unknown", one.area),
        show.show_seconds(one.seconds) if one.seconds is not None else "",
        *(show.show_time(one.delete_after), show.show_time(one.deleted_at), str(one.call_id)),
    )
