"""`callctl voicemail`: what callers said into a box."""

import asyncio
import uuid
from typing import Annotated

import typer

from callctl import clock
from callctl.api.voicemails import VoicemailAnswer
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
from callctl.recording import Folder
from callctl.views import CdrFilter, Views
from callctl.voicemail import Voicemails

_COLUMNS = (
    *("time", "did", "box", "caller", "area", ">seconds", "mailed", "heard", "deleted"),
    "voicemail",
)
_SPARE = ("area", "deleted", "heard", "mailed")

VoicemailId = Annotated[uuid.UUID, typer.Argument(help="As callctl voicemail list shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="What callers said into a box.", no_args_is_help=True)
    group.command("list")(list_voicemails)
    group.command("export")(export_voicemail)
    group.command("delete")(delete_voicemail)
    app.add_typer(group, name="voicemail")


def list_voicemails(
    *,
    did: DidOption = None,
    caller: CallerOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    limit: LimitOption = 50,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Show voicemails, newest first."""
    wanted = wanted_calls(did=did, caller=caller, tenant=tenant, since=since, limit=limit)
    voicemails = asyncio.run(_read(wanted))
    if as_json:
        show.print_json(voicemails)
        return
    show.print_table(_COLUMNS, map(_row, voicemails), none="no voicemails", spare=_SPARE)


def export_voicemail(voicemail_id: VoicemailId, target: Target, *, by: By) -> None:
    """Copy a voicemail's sound to a file; it is heard from then on, and who did it is noted."""
    asyncio.run(_export(voicemail_id, target, by))
    print(f"{target} written")


def delete_voicemail(voicemail_id: VoicemailId, *, by: By) -> None:
    """Delete a voicemail's sound for good; its row stays, and says so."""
    asyncio.run(_delete(voicemail_id, by))
    print("deleted")


async def _read(wanted: CdrFilter) -> list[VoicemailAnswer]:
    async with open_database(load_settings()) as database:
        found = await Views(database).voicemails(wanted)
        return [VoicemailAnswer.model_validate(one) for one in found]


async def _export(voicemail_id: uuid.UUID, target: Target, who: str) -> None:
    settings = load_settings()
    folder = Folder(settings.recordings_dir)
    async with open_database(settings) as database, database.transaction() as connection:
        voicemails = Voicemails(connection, folder)
        file_name = await voicemails.file_of(voicemail_id)
        await take_out(connection, folder, file_name, target, who)
        await voicemails.note_heard(file_name, clock.now())


async def _delete(voicemail_id: uuid.UUID, who: str) -> None:
    settings = load_settings()
    folder = Folder(settings.recordings_dir)
    async with open_database(settings) as database, database.transaction() as connection:
        file_name = await Voicemails(connection, folder).file_of(voicemail_id)
        await delete(connection, folder, file_name, who)


def _row(one: VoicemailAnswer) -> tuple[show.Cell, ...]:
    return (
        *(show.show_time(one.recorded_at), one.did, one.box, one.caller or "unknown", one.area),
        *(show.show_seconds(one.seconds), _mailed(one)),
        *(show.show_time(one.heard_at), show.show_time(one.deleted_at), str(one.id)),
    )


def _mailed(one: VoicemailAnswer) -> str:
    """When the mail was taken, or why it was not yet."""
    if one.emailed_at is not None:
        return show.show_time(one.emailed_at)
    return one.email_error or ("waits" if one.email else "")
