"""What commands start from: the settings, and a short session with the database.

Settings come from the environment, then from the file that a running `callctl run` leaves in its
folder (var/run/callctl.env), so that commands typed beside it find it.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import ValidationError

from callctl.db.pool import Database, connect
from callctl.errors import DatabaseUnavailable, InvalidInput
from callctl.settings import ENVIRONMENT_FILE, Settings

_POOL_SIZE = 2


def load_settings() -> Settings:
    """Read the settings; raises InvalidInput that names the variable that is wrong."""
    var_dir = Path(os.environ.get("CALLCTL_VAR_DIR", "var/run"))
    try:
        return Settings(_env_file=var_dir / ENVIRONMENT_FILE)
    except ValidationError as error:
        wrong = "; ".join(
            f"CALLCTL_{'_'.join(map(str, part['loc'])).upper()}: {part['msg']}"
            for part in error.errors()
        )
        raise InvalidInput(f"settings: {wrong}") from error


def require_database_url(settings: Settings) -> str:
    """The database's URL; raises DatabaseUnavailable when neither it nor a stack is known."""
    if settings.database_url is None:
        raise DatabaseUnavailable(
            "no database is known: start `callctl run`, or set CALLCTL_DATABASE_URL"
        )
    return settings.database_url


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Connect for the time of one command."""
    database = await connect(
        require_database_url(settings),
        size=_POOL_SIZE,
        timeout_seconds=settings.database_timeout_seconds,
    )
    try:
        yield database
    finally:
        await database.close()
