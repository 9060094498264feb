"""Takes recorded files out and deletes them, each time with a row that says who did it.

Used by `callctl voicemail` and `callctl recording`.
"""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from callctl import clock
from callctl.db.pool import Connection
from callctl.errors import InvalidInput
from callctl.recording import Act, Folder, note_access

By = Annotated[
    str,
    typer.Option(help="Who does it, for the record of accesses.", default_factory=getpass.getuser),
]
Target = Annotated[Path, typer.Argument(help="Where the WAV file goes.")]


async def take_out(
    connection: Connection, folder: Folder, file_name: str, target: Path, who: str
) -> None:
    """Copy the file to `target` and note who did; `connection` is a transaction.

    Raises NotFound when the file is not in this machine's folder.
    """
    await note_access(connection, file_name, Act.EXPORT, who, clock.now())
    await folder.copy(file_name, target)


async def delete(connection: Connection, folder: Folder, file_name: str, who: str) -> None:
    """Delete the file for good and note who did; `connection` is a transaction.

    Raises NotFound when the file is not in this machine's folder, InvalidInput when it can't be
    deleted.
    """
    path = folder.require(file_name)
    await note_access(connection, file_name, Act.DELETE, who, clock.now())
    try:
        await folder.remove(file_name)
    except OSError as error:
        raise InvalidInput(f"{path} can't be deleted: {error.strerror or error}") from error
