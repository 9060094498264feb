"""Deletes recordings and voicemails when their days are over; run beside the calls by the switch.

A file goes first, its row is marked after: whoever dies in between is repeated by the next round.
"""

import structlog

from callctl import clock
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import CallctlError
from callctl.recording.folder import Folder

_ROUND_SECONDS = 3600.0
_BATCH = 200
_BATCHES_MAX = 500  # a round's bound: the next one goes on
_log = structlog.get_logger()


class Retention:
    """What is kept no longer than its tenant wants; files of `folder` only."""

    def __init__(self, database: Database, folder: Folder) -> None:
        self._database = database
        self._folder = folder

    async def run(self) -> None:
        """Look each hour until cancelled."""
        while True:
            try:
                count = await self.delete_due()
            except CallctlError as error:
                _log.warning("recordings_not_deleted", error=str(error))
            else:
                if count:
                    _log.info("recordings_deleted", files=count)
            await clock.sleep(_ROUND_SECONDS)

    async def delete_due(self) -> int:
        """Delete every file whose days are over; how many they were. Raises DatabaseError."""
        count = 0
        for _ in range(_BATCHES_MAX):
            now = clock.now()
            due = await queries.read_due_files(
                self._database, now=now, folder=self._folder.id, limit=_BATCH
            )
            gone = [row["file_name"] for row in due if await self._remove(row["file_name"])]
            if not gone:
                break
            await queries.note_files_deleted(self._database, file_names=gone, now=now)
            count += len(gone)
        return count

    async def _remove(self, file_name: str) -> bool:
        try:
            await self._folder.remove(file_name)
        except OSError as error:
            _log.warning("recordings_not_deleted", file=file_name, error=str(error))
            return False
        return True
