"""Tenants' own audio in PostgreSQL; called by audio.uploading, audio.library and the cli.

A change is announced as a revision of the directory: running switches then bring their sounds
folder up to it before they use a configuration that may name the file.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from callctl.audio.converting import Converted
from callctl.db.pool import Connection, Database
from callctl.db.queries import queries
from callctl.errors import InvalidInput, NotFound

FILES_MAX = 200  # of a tenant
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A tenant's audio without its sound; `original_name` is cleaned text for display only."""

    tenant: str
    name: str
    seconds: float
    loudness_db: float
    sha256: str
    original_name: str
    uploaded_at: datetime

    @property
    def path(self) -> str:
        """How the configuration names it: below Asterisk's sounds, without extension."""
        return f"tenants/{self.tenant}/{self.name}"


def check_name(what: str, name: str) -> str:
    """The name, if it is one that files and tenants may have; else InvalidInput."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{what}: small letters, digits, - and _, at most 63, no dash first")
    return name


async def write_audio(
    database: Database, tenant: str, name: str, converted: Converted, original_name: str
) -> AudioFile:
    """Keep the audio in place of any of that name, and announce it.

    Raises InvalidInput for the tenant's 201st file, DatabaseError.
    """
    sha256 = hashlib.sha256(converted.wav).hexdigest()
    async with database.transaction() as connection:
        await queries.lock_audio(connection, tenant=tenant)
        if await queries.count_audio(connection, tenant=tenant, name=name) >= FILES_MAX:
            raise InvalidInput(f"{tenant} has {FILES_MAX} files: remove one with callctl audio")
        row = await queries.write_audio(
            connection,
            tenant=tenant,
            name=name,
            wav=converted.wav,
            seconds=converted.seconds,
            loudness_db=converted.loudness_db,
            sha256=sha256,
            original_name=original_name,
        )
        await queries.announce_revision(connection, summary=f"audio {tenant}/{name} uploaded")
    return AudioFile(
        tenant,
        name,
        converted.seconds,
        converted.loudness_db,
        sha256,
        original_name,
        row["uploaded_at"],
    )


async def list_audio(connection: Connection, tenant: str | None = None) -> list[AudioFile]:
    """All audio, or a tenant's, by tenant and name."""
    return [AudioFile(**row) for row in await queries.list_audio(connection, tenant=tenant)]


async def read_wav(connection: Connection, tenant: str, name: str) -> bytes:
    """The sound itself; raises NotFound."""
    row = await queries.read_audio(connection, tenant=tenant, name=name)
    if row is None:
        raise NotFound(f"{tenant} has no audio {name}: callctl audio list shows what there is")
    wav: bytes = row["wav"]
    return wav


async def remove_audio(database: Database, tenant: str, name: str, *, revision_id: int) -> None:
    """Remove the audio, which nothing used in the configuration `revision_id`, and announce it.

    Raises NotFound, and InvalidInput when the configuration has changed since.
    """
    async with database.transaction() as connection:
        await queries.lock_directory(connection)
        if await queries.read_directory_revision(connection) != revision_id:
            raise InvalidInput("the configuration has just been changed: try again")
        if await queries.remove_audio(connection, tenant=tenant, name=name) == "DELETE 0":
            raise NotFound(f"{tenant} has no audio {name}: callctl audio list shows what there is")
        await queries.announce_revision(connection, summary=f"audio {tenant}/{name} removed")
