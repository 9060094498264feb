"""Where numbers are from: the shipped table with the segments that were imported on top of it.

Made by app for the switch and the web process, which follow each import, and by cli.
"""

import asyncio
from collections.abc import Mapping

import structlog

from callctl import clock
from callctl.db.listen import Listener
from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.directory.areas import AreaTable, shipped_table
from callctl.values.area import Area
from callctl.values.phone_number import NumberKind, PhoneNumber

CHANNEL = "callctl_areas"
_RETRY_SECONDS = 1.0
_MOBILE = NumberKind.MOBILE
_log = structlog.get_logger()


class AreaBook:
    """The areas of numbers. Without `load` and `run` it is the shipped table alone.

    `load` once before the first call, then `run` beside the calls. While PostgreSQL is away
    what was loaded last stays.
    """

    def __init__(self, table: AreaTable | None = None) -> None:
        self._table = table or shipped_table()
        self._imported: Mapping[str, Area] = {}

    def area_of(self, number: PhoneNumber) -> Area:
        """Return the number's area; Area.UNKNOWN when it tells none."""
        if self._imported and number.kind is _MOBILE:
            area = self._imported.get(number.national[:7])
            if area is not None:
                return area
        return self._table.area_of(number)

    def is_imported(self, number: PhoneNumber) -> bool:
        """Whether the answer comes from an import and not from the shipped table."""
        return number.kind is _MOBILE and number.national[:7] in self._imported

    async def load(self, connection: Connection) -> None:
        """Read the imported segments; raises DatabaseError when they cannot be read."""
        rows = await queries.read_area_segments(connection)
        self._imported = {row["segment"]: self._table.area(row["adcode"]) for row in rows}

    async def run(self, connection: Connection, dsn: str) -> None:
        """Follow imports until cancelled."""
        changed = asyncio.Event()
        listener = Listener(dsn, CHANNEL, lambda _payload: changed.set())
        await asyncio.gather(listener.run(), self._follow(connection, changed))

    async def _follow(self, connection: Connection, changed: asyncio.Event) -> None:
        while True:
            await changed.wait()
            changed.clear()
            try:
                await self.load(connection)
            except Exception as error:  # noqa: BLE001 - whatever it is, calls need what there was
                _log.warning("areas_kept", error=str(error))
                changed.set()
                await clock.sleep(_RETRY_SECONDS)
