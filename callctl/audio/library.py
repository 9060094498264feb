"""The tenants' audio as files where Asterisk looks; owned by the switch (app).

FOLDER/tenants/<tenant>/<name>.wav is made what PostgreSQL has. The rest of FOLDER is not touched.
"""

import asyncio
import hashlib
from pathlib import Path

import structlog

from callctl import clock
from callctl.audio.store import list_audio, read_wav
from callctl.audio.wav import make_folder, write_file
from callctl.db.pool import Database
from callctl.errors import DatabaseError, NotFound

_RETRY_SECONDS = 1.0
_log = structlog.get_logger()


class SoundLibrary:
    """Keeps the files of the tenants' audio.

    `refresh` before each load of a new configuration; `run` beside it retries what failed.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder / "tenants"
        self._present: dict[Path, str] | None = None  # sha256 of what lies there; None: look
        self._failed = asyncio.Event()
        self._turn = asyncio.Lock()

    async def sync(self) -> None:
        """Make the files what PostgreSQL has; raises DatabaseError, OSError.

        A file is put in its place at once: who hears the old one hears it to its end.
        """
        async with self._turn:
            if self._present is None:
                self._present = await asyncio.to_thread(_found, self._folder)
            wanted = {
                self._folder / file.tenant / f"{file.name}.wav": file
                for file in await list_audio(self._database)
            }
            for path, file in wanted.items():
                if self._present.get(path) != file.sha256:
                    await self._fetch(path, file.tenant, file.name)
            for path in self._present.keys() - wanted.keys():
                path.unlink(missing_ok=True)
                del self._present[path]
                _log.info("audio_removed", path=str(path))

    async def refresh(self) -> None:
        """As `sync`; a failure is logged and left to `run`, for calls need no audio to go on."""
        try:
            await self.sync()
        except (DatabaseError, OSError) as error:
            _log.warning("audio_not_written", error=str(error))
            self._present = None
            self._failed.set()

    async def run(self) -> None:
        """Try again what failed, until cancelled."""
        while True:
            await self._failed.wait()
            self._failed.clear()
            await clock.sleep(_RETRY_SECONDS)
            await self.refresh()

    async def _fetch(self, path: Path, tenant: str, name: str) -> None:
        try:
            wav = await read_wav(self._database, tenant, name)
        except NotFound:  # removed since it was listed: a later revision says so
            return
        await asyncio.to_thread(write_file, path, wav)
        if self._present is not None:
            self._present[path] = hashlib.sha256(wav).hexdigest()
        _log.info("audio_written", path=str(path))


def _found(folder: Path) -> dict[Path, str]:
    """The files of a folder with their sha256; what an interrupted run left half is removed."""
    make_folder(folder)
    for unfinished in folder.glob("*/.*.new"):
        unfinished.unlink(missing_ok=True)
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("*/*.wav")
        if path.is_file()
    }
