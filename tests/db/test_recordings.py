"""Recorded talks: their rows, their days, and who took them out."""

import asyncio
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callctl import clock
from callctl.cli.main import app
from callctl.db.pool import Database
from callctl.errors import InvalidInput, NotFound
from callctl.recording import Folder, NewRecording, Recordings, Retention
from callctl.voicemail import Voicemails
from tests.db.test_voicemails import NEW as VOICEMAIL
from tests.db.test_voicemails import SOUND

CALL = uuid.UUID("00000000-0000-0000-0000-0000000000c1")  # of views_seed.sql: 30 s of talk
STARTED_AT = datetime(2026, 10, 1, 12, 0, 5, tzinfo=UTC)
TALK = NewRecording(
    call_id=CALL,
    leg_id=uuid.UUID(int=2),
    tenant="acme",
    did="4006001234",
    line="beijing",
    started_at=STARTED_AT,
    days_kept=30,
)
_SEED = Path(__file__).with_name("views_seed.sql")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Folder:
    """The folder of recordings that the commands use too."""
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_RECORDINGS_DIR", str(tmp_path))
    return Folder(tmp_path)


@pytest.fixture
def recordings(database: Database, folder: Folder) -> Recordings:
    """Recordings whose files are in `folder`."""
    return Recordings(database, folder)


async def _recorded(recordings: Recordings, talk: NewRecording = TALK) -> Path:
    name = await recordings.begin(talk)
    path = recordings.folder.path / f"{name}.wav"
    path.write_bytes(SOUND)
    return path


async def _run(*arguments: str) -> Result:
    """Run a command as main() does, in a thread: commands have an event loop of their own."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, list(arguments)))


async def _json(*arguments: str) -> Any:
    result = await _run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.output)


async def test_recording_is_named_by_its_call(recordings: Recordings) -> None:
    """The same talk begun again is the same recording, under the call's id."""
    assert [await recordings.begin(TALK) for _ in range(2)] == [str(CALL)] * 2
    assert await recordings.file_of(CALL) == f"{CALL}.wav"


async def test_recordings_are_listed_with_their_talk(
    database: Database, recordings: Recordings
) -> None:
    """The list has caller and length of the CDR, and of a live call the row alone."""
    await database.execute(_SEED.read_text())
    live = replace(TALK, call_id=uuid.UUID(int=9), started_at=STARTED_AT + timedelta(hours=1))
    for talk in (TALK, live):
        await _recorded(recordings, talk)

    living, ended = await _json("recording", "list", "--tenant", "acme")

    assert (ended["caller"], ended["seconds"], ended["line"]) == ("+8613901710001", 30.0, "beijing")
    assert (living["caller"], living["seconds"]) == (None, None)
    assert await _json("recording", "list", "--caller", "13901710002") == []
    assert str(CALL) in (await _run("recording", "list")).output


async def test_export_copies_and_is_noted(recordings: Recordings, tmp_path: Path) -> None:
    """Who takes a recording out gets all of it, and stands in the list of accesses."""
    await _recorded(recordings)
    target = tmp_path / "out.wav"

    result = await _run("recording", "export", str(CALL), str(target), "--by", "li")

    assert result.exit_code == 0, result.exception
    assert target.read_bytes() == SOUND
    [access] = await _json("recording", "accesses", str(CALL))
    assert (access["who"], access["act"], access["file_name"]) == ("li", "export", f"{CALL}.wav")


async def test_export_that_fails_is_not_noted(recordings: Recordings, tmp_path: Path) -> None:
    """A target that can't be written is an error that names it, and no access."""
    await _recorded(recordings)

    result = await _run("recording", "export", str(CALL), str(tmp_path / "no" / "out.wav"))

    assert isinstance(result.exception, InvalidInput)
    assert await _json("recording", "accesses", str(CALL)) == []


async def test_delete_removes_the_file_and_is_noted(recordings: Recordings) -> None:
    """A deleted recording is gone for good, its row says when, the accesses say who."""
    path = await _recorded(recordings)

    assert (await _run("recording", "delete", str(CALL), "--by", "li")).exit_code == 0

    assert not path.exists()
    [row] = await _json("recording", "list")
    assert row["deleted_at"] is not None
    [access] = await _json("recording", "accesses", str(CALL))
    assert (access["who"], access["act"]) == ("li", "delete")
    again = await _run("recording", "delete", str(CALL))
    assert isinstance(again.exception, NotFound)


@pytest.mark.parametrize("act", ["export", "delete"])
async def test_file_of_another_machine_is_left(recordings: Recordings, act: str) -> None:
    """Where the file is not, nothing is noted, deleted or written."""
    (await _recorded(recordings)).unlink()
    target = [str(recordings.folder.path / "out.wav")] if act == "export" else []

    result = await _run("recording", act, str(CALL), *target)

    assert isinstance(result.exception, NotFound)
    [row] = await _json("recording", "list")
    assert row["deleted_at"] is None
    assert await _json("recording", "accesses", str(CALL)) == []


async def test_voicemail_commands(
    database: Database, recordings: Recordings, tmp_path: Path
) -> None:
    """A voicemail is listed, taken out, heard from then on, deleted, and each access is noted."""
    voicemails = Voicemails(database, recordings.folder)
    await voicemails.begin(VOICEMAIL, clock.now())
    path = recordings.folder.path / f"{VOICEMAIL.name}.wav"
    path.write_bytes(SOUND)
    await voicemails.end(VOICEMAIL)
    target = tmp_path / "out.wav"

    [listed] = await _json("voicemail", "list", "--did", "4001234567")
    assert (listed["seconds"], listed["box"], listed["heard_at"]) == (3.0, "night", None)
    voicemail_id = listed["id"]
    result = await _run("voicemail", "export", voicemail_id, str(target), "--by", "li")
    assert result.exit_code == 0, result.exception
    assert target.read_bytes() == SOUND
    [listed] = await _json("voicemail", "list")
    assert listed["heard_at"] is not None
    assert (await _run("voicemail", "delete", voicemail_id, "--by", "wang")).exit_code == 0
    assert not path.exists()
    accesses = await _json("recording", "accesses", str(VOICEMAIL.call_id))
    assert [(one["who"], one["act"]) for one in accesses] == [("li", "export"), ("wang", "delete")]
    assert "night" in (await _run("voicemail", "list")).output


async def test_files_are_deleted_after_their_days(
    database: Database, recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording and a voicemail live as many days as their tenant keeps them, not one more."""
    path = await _recorded(recordings)
    voicemails = Voicemails(database, recordings.folder)
    await voicemails.begin(VOICEMAIL, STARTED_AT)
    said = recordings.folder.path / f"{VOICEMAIL.name}.wav"
    said.write_bytes(SOUND)
    await voicemails.end(VOICEMAIL)
    retention = Retention(database, recordings.folder)

    monkeypatch.setattr(clock, "now", lambda: STARTED_AT + timedelta(days=30, seconds=-1))
    assert await retention.delete_due() == 0
    assert path.exists()
    assert said.exists()
    monkeypatch.setattr(clock, "now", lambda: STARTED_AT + timedelta(days=30))
    assert await retention.delete_due() == 2
    assert not path.exists()
    assert not said.exists()
    assert await retention.delete_due() == 0
    [row] = await _json("recording", "list")
    assert row["deleted_at"].startswith("2026-10-31T12:00:05")


async def test_deletion_goes_on_past_a_batch(
    database: Database, recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round deletes more than one batch holds, and what is missing already."""
    monkeypatch.setattr("callctl.recording.retention._BATCH", 2)
    for number in range(5):
        path = await _recorded(recordings, replace(TALK, call_id=uuid.UUID(int=number)))
        if number == 3:
            path.unlink()

    monkeypatch.setattr(clock, "now", lambda: STARTED_AT + timedelta(days=31))
    assert await Retention(database, recordings.folder).delete_due() == 5


async def test_file_that_stays_is_tried_again(
    database: Database, recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that can't be deleted keeps its row open, and does not keep the others."""
    monkeypatch.setattr(clock, "now", lambda: STARTED_AT + timedelta(days=31))
    stuck = await _recorded(recordings)
    stuck.unlink()
    stuck.mkdir()  # no user may unlink a folder
    await _recorded(recordings, replace(TALK, call_id=uuid.UUID(int=5)))
    retention = Retention(database, recordings.folder)

    assert await retention.delete_due() == 1
    stuck.rmdir()
    assert await retention.delete_due() == 1
