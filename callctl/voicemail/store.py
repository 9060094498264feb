"""Writes voicemails: begun before the caller speaks, kept or forgotten after; called by flows.

A row without `seconds` is one that a caller is speaking into, or whose switch ended meanwhile;
those are kept later by what Asterisk had written.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from callctl import clock
from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.errors import NotFound
from callctl.recording import Folder, Heard
from callctl.values.ids import derived_id

_SECONDS_MIN, _SOUND_SECONDS_MIN = 1.0, 0.3  # less of either is nothing said
_LOST_GRACE_SECONDS = 120  # beyond the longest message, before its switch is taken for gone
_LOST_AT_ONCE = 100
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NewVoicemail:
    """A caller is about to speak into `box`. `language` and `timezone` are for the mail."""

    call_id: uuid.UUID
    tenant: str
    did: str
    box: str
    caller: str
    area: str
    language: str
    timezone: str
    email: str | None
    seconds_max: int
    days_kept: int

    @property
    def id(self) -> uuid.UUID:
        """A call leaves at most one."""
        return derived_id(self.call_id, "voicemail")

    @property
    def name(self) -> str:
        """The recording's name in Asterisk."""
        return f"{self.call_id}-voicemail"


class Voicemails:
    """The voicemails. Methods raise DatabaseError, and InvalidInput for an unusable folder."""

    def __init__(self, connection: Connection, folder: Folder) -> None:
        self._connection = connection
        self.folder = folder

    async def begin(self, voicemail: NewVoicemail, now: datetime) -> None:
        """Note that `voicemail` is about to be recorded, in `<name>.wav`."""
        await queries.begin_voicemail(
            self._connection,
            id=voicemail.id,
            call_id=voicemail.call_id,
            tenant=voicemail.tenant,
            did=voicemail.did,
            box=voicemail.box,
            caller=voicemail.caller,
            area=voicemail.area,
            language=voicemail.language,
            timezone=voicemail.timezone,
            email=voicemail.email,
            folder=self.folder.id,
            file_name=f"{voicemail.name}.wav",
            recorded_at=now,
            seconds_max=voicemail.seconds_max,
            delete_after=now + timedelta(days=voicemail.days_kept),
        )

    async def end(self, voicemail: NewVoicemail) -> float:
        """Keep what was said, and have it mailed; its seconds, 0.0 when nothing was said."""
        return await self._end(voicemail.id, f"{voicemail.name}.wav")

    async def end_lost(self) -> int:
        """End those whose switch ended while they were recorded; how many were kept."""
        lost = await queries.read_lost_voicemails(
            self._connection,
            folder=self.folder.id,
            grace_seconds=_LOST_GRACE_SECONDS,
            now=clock.now(),
            limit=_LOST_AT_ONCE,
        )
        count = 0
        for row in lost:
            count += bool(await self._end(row["id"], row["file_name"]))
        return count

    async def file_of(self, voicemail_id: uuid.UUID) -> str:
        """The name of a voicemail's file; raises NotFound when there is none, or it was deleted."""
        found = await queries.find_voicemail_file(self._connection, id=voicemail_id)
        if found is None:
            raise NotFound(f"there is no voicemail {voicemail_id}: callctl voicemail list")
        return str(found)

    async def note_heard(self, file_name: str, now: datetime) -> None:
        """Note that somebody took the voicemail out, if he is the first."""
        await queries.note_voicemail_heard(self._connection, file_name=file_name, now=now)

    async def _end(self, voicemail_id: uuid.UUID, file_name: str) -> float:
        heard = await self._listen(file_name)
        if heard.seconds < _SECONDS_MIN or heard.sound_seconds < _SOUND_SECONDS_MIN:
            await queries.forget_voicemail(self._connection, id=voicemail_id)
            await self._remove(file_name)
            return 0.0
        await queries.keep_voicemail(
            self._connection,
            id=voicemail_id,
            seconds=heard.seconds,
            mail_id=derived_id(voicemail_id, "mail"),
            now=clock.now(),
        )
        return heard.seconds

    async def _listen(self, file_name: str) -> Heard:
        try:
            return await self.folder.listen(file_name)
        except NotFound:  # the caller was gone before Asterisk began to write
            return Heard(0.0, 0.0)

    async def _remove(self, file_name: str) -> None:
        try:
            await self.folder.remove(file_name)
        except OSError as error:  # a file of silence that stays is no trouble to the call
            _log.warning("recordings_not_deleted", file=file_name, error=str(error))
