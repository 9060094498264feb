"""The way of an upload: checked, converted, stored, announced; called by the cli and the API."""

import asyncio
from typing import NamedTuple

from callctl.audio.converting import Converted, convert
from callctl.audio.store import AudioFile, check_name, write_audio
from callctl.db.pool import Database

_ORIGINAL_CHARACTERS_MAX = 100
_converting = asyncio.Semaphore(2)  # conversions at once in this process


class Uploaded(NamedTuple):
    """What is stored now, and what was done to make it of the file."""

    file: AudioFile
    converted: Converted


async def add_audio(
    database: Database, tenant: str, name: str, data: bytes, original_name: str
) -> Uploaded:
    """Make `data` the tenant's audio `name`, in place of any before it.

    The tenant may come later: callctl apply wants the audio first. `original_name` is hostile
    text: only its ending is looked at, for formats that have no other mark. Raises InvalidInput,
    ToolMissing, DatabaseError.
    """
    check_name("tenant", tenant)
    check_name("name", name)
    shown = clean_name(original_name)
    _, dot, ending = shown.rpartition(".")
    async with _converting:
        converted = await asyncio.to_thread(convert, data, ending if dot else "")
    file = await write_audio(database, tenant, name, converted, shown)
    return Uploaded(file, converted)


def clean_name(original_name: str) -> str:
    """A file's name for display: without folders and what cannot be printed, not too long."""
    last = original_name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(character for character in last if character.isprintable()).strip()
    return printable[-_ORIGINAL_CHARACTERS_MAX:]
