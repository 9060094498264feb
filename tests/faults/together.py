"""How sessions of the fault tests that run side by side wait for each other: by locks on files."""

import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from callctl import clock

_LOOK_SECONDS = 0.1


@asynccontextmanager
async def one_at_a_time(path: Path) -> AsyncIterator[None]:
    """Only one session at a time is in this block; `path` is the lock's."""
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await clock.sleep(_LOOK_SECONDS)
        yield


@contextmanager
def in_the_room(folder: Path, *, is_alone: bool) -> Iterator[None]:
    """In this block with all others who do not want to be alone, or alone, once they have left.

    While one waits at the door until he is alone, others who come wait behind him.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "door.lock").open("w") as door, (folder / "room.lock").open("w") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
