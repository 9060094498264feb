"""Writes which talks are recorded, and who took a file out or deleted it; reading is in views."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.errors import NotFound
from callctl.recording.folder import Folder


@dataclass(frozen=True, slots=True)
class NewRecording:
    """A talk that is about to be recorded: `leg_id` and `line` are who answered."""

    call_id: uuid.UUID
    leg_id: uuid.UUID
    tenant: str
    did: str
    line: str | None
    started_at: datetime
    days_kept: int


class Act(StrEnum):
    """What somebody did with a file."""

    EXPORT = "export"
    DELETE = "delete"


class Recordings:
    """The recorded talks. Methods raise DatabaseError, and InvalidInput for an unusable folder."""

    def __init__(self, connection: Connection, folder: Folder) -> None:
        self._connection = connection
        self.folder = folder

    async def begin(self, talk: NewRecording) -> str:
        """Note that `talk` is recorded; the recording's name in Asterisk: its call's id."""
        name = str(talk.call_id)
        await queries.begin_recording(
            self._connection,
            call_id=talk.call_id,
            leg_id=talk.leg_id,
            tenant=talk.tenant,
            did=talk.did,
            line=talk.line,
            folder=self.folder.id,
            file_name=f"{name}.wav",
            started_at=talk.started_at,
            delete_after=talk.started_at + timedelta(days=talk.days_kept),
        )
        return name

    async def file_of(self, call_id: uuid.UUID) -> str:
        """The name of a call's file; raises NotFound when there is none or it was deleted."""
        found = await queries.find_recording_file(self._connection, call_id=call_id)
        if found is None:
            raise NotFound(f"there is no recording of call {call_id}: callctl recording list")
        return str(found)


async def note_access(
    connection: Connection, file_name: str, act: Act, who: str, now: datetime
) -> None:
    """Keep who took `file_name` out or deleted it; a deletion marks its row."""
    await queries.note_file_access(connection, file_name=file_name, act=act, who=who, now=now)
    if act is Act.DELETE:
        await queries.note_files_deleted(connection, file_names=[file_name], now=now)
