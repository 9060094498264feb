"""What is shown at a time has a bound, and what nobody asks for any more goes."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from callctl import clock
from callctl.db import commands
from callctl.db.commands import Verb
from callctl.db.lease import Lease
from callctl.db.pool import Database
from callctl.queues.listing import list_lines, list_places
from callctl.recording import Folder, NewRecording, Recordings
from callctl.views import CdrFilter, Views
from callctl.voicemail import Voicemails
from tests.db.test_voicemails import NEW, SOUND
from tests.db.waiting_room import open_room


async def test_recordings_shown_are_bounded(database: Database, tmp_path: Path) -> None:
    """The latest so many."""
    recordings = Recordings(database, Folder(tmp_path))
    for number in range(3):
        talk = NewRecording(
            *(uuid.UUID(int=number), uuid.UUID(int=number), "acme", "4006001234", "beijing"),
            started_at=datetime(2026, 10, 1 + number, tzinfo=UTC),
            days_kept=30,
        )
        await recordings.begin(talk)
    shown = await Views(database).recordings(CdrFilter(limit=2))
    assert [one.started_at.day for one in shown] == [3, 2]


async def test_voicemails_shown_are_bounded(database: Database, tmp_path: Path) -> None:
    """The latest so many."""
    voicemails = Voicemails(database, Folder(tmp_path))
    for number in range(3):
        one = replace(NEW, call_id=uuid.UUID(int=number))
        await voicemails.begin(one, clock.now())
        (tmp_path / f"{one.name}.wav").write_bytes(SOUND)
        await voicemails.end(one)
    shown = await Views(database).voicemails(CdrFilter(limit=2))
    assert [one.call_id.int for one in shown] == [2, 1]


async def test_lines_and_places_shown_are_bounded(database: Database, database_url: str) -> None:
    """The first so many, of all lines and of all who wait."""
    room = await open_room(database, database_url, 2)
    async with room.switch() as switch:
        first = await switch.enter(room, 1)
        await switch.enter(room, 2)
        places = await list_places(database, tenant=None, limit=1)
    assert [one.call_id for one in places] == [first.call_id]
    assert len(await list_lines(database, tenant=None, limit=1)) == 1


async def test_old_commands_go(database: Database) -> None:
    """Those of a month ago, with the next one that is handed in."""
    await Lease(database, "pbx").acquire(on_wait=lambda: None)
    old, young, _ = [await commands.ask(database, "pbx", Verb.DRAIN) for _ in range(3)]
    for command, days in ((old, 31), (young, 29)):
        await database.execute(
            "UPDATE switch_commands SET asked_at = now() - $2 * interval '1 day' WHERE id = $1",
            command,
            days,
        )
    await commands.ask(database, "pbx", Verb.DRAIN)
    rows = await database.fetch("SELECT id FROM switch_commands")
    kept = {row["id"] for row in rows}
    assert len(kept) == 3
    assert young in kept
