"""The folder that Asterisk writes recordings to, as this machine sees it; used by voicemail too.

It carries an id of its own in a file, made when it is first asked for: rows name the folder that
their file lies in, so that of several switches on one database only those which have the file
send or delete it.
"""

import asyncio
import os
import re
import shutil
import uuid
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from callctl.errors import InvalidInput, NotFound

_ID_FILE = ".callctl-folder"
_FILE_NAME = re.compile(r"[0-9a-f-]{36}(-voicemail)?\.wav")
_HEADER_BYTES, _BYTES_A_SECOND = 44, 16_000  # WAV, 8 kHz, 16 bit, mono, as Asterisk writes it
_FRAME_SAMPLES, _FRAMES_A_SECOND = 160, 50
_SWING_MIN = 1000  # between a frame's lowest and highest sample: less is the line's own noise


class Heard(NamedTuple):
    """What a file holds: how long it plays, and for how much of it there is a sound."""

    seconds: float
    sound_seconds: float


@dataclass(slots=True)
class Folder:
    """CALLCTL_RECORDINGS_DIR. Methods raise NotFound for a file that is not here.

    `id` raises InvalidInput when the folder is missing or can't be written to.
    """

    path: Path
    _id: uuid.UUID | None = field(default=None, init=False)

    @property
    def id(self) -> uuid.UUID:
        """The folder's id, which stays with the folder."""
        if self._id is None:
            try:
                self._id = _read_or_make_id(self.path / _ID_FILE)
            except (OSError, ValueError) as error:
                raise InvalidInput(
                    f"CALLCTL_RECORDINGS_DIR {self.path} can't be used ({error}): let it be the"
                    " folder that Asterisk records to, and let this user write to it"
                ) from error
        return self._id

    def require(self, file_name: str) -> Path:
        """Where the file is."""
        path = self._path(file_name)
        if not path.is_file():
            raise NotFound(
                f"{path} is not there: it was removed, or lies in another machine's folder"
            )
        return path

    async def read(self, file_name: str) -> bytes:
        """The whole file."""
        return await asyncio.to_thread(self.require(file_name).read_bytes)

    async def copy(self, file_name: str, target: Path) -> None:
        """Copy the file to `target`; raises InvalidInput when that can't be written."""
        source = self.require(file_name)
        try:
            await asyncio.to_thread(shutil.copyfile, source, target)
        except OSError as error:
            raise InvalidInput(f"{target} can't be written: {error.strerror or error}") from error

    async def remove(self, file_name: str) -> None:
        """Delete the file; no error when it is gone already. Raises OSError."""
        await asyncio.to_thread(self._path(file_name).unlink, missing_ok=True)

    async def listen(self, file_name: str) -> Heard:
        """What the file holds, whatever its header says: its writer may have died."""
        return _heard((await self.read(file_name))[_HEADER_BYTES:])

    def _path(self, file_name: str) -> Path:
        if _FILE_NAME.fullmatch(file_name) is None:  # names are ours; a row could be edited
            raise NotFound(f"{file_name!r} is no name of a recording")
        return self.path / file_name


def _heard(sound: bytes) -> Heard:
    samples = array("h", sound[: len(sound) // 2 * 2])
    frames = (
        samples[start : start + _FRAME_SAMPLES] for start in range(0, len(samples), _FRAME_SAMPLES)
    )
    loud = sum(max(frame) - min(frame) >= _SWING_MIN for frame in frames)
    return Heard(len(sound) / _BYTES_A_SECOND, loud / _FRAMES_A_SECOND)


def _read_or_make_id(path: Path) -> uuid.UUID:
    if not path.exists():
        own = path.with_name(f"{_ID_FILE}-{uuid.uuid4().hex}")
        own.write_text(f"{uuid.uuid4()}\n")
        try:
            os.link(own, path)  # whole or not at all; another process may have been first
        except FileExistsError:
            pass
        finally:
            own.unlink()
    return uuid.UUID(path.read_text().strip())
