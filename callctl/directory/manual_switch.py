"""The switch of each number that people turn by hand: open, closed, or as its schedule says.

Turned by `callctl number switch`, by the API and by feature codes (flows.feature). It is no part
of what callctl apply writes, and takes effect as a new revision of the directory does.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import InvalidInput, NotFound
from callctl.values.phone_number import PhoneNumber
from callctl.values.schedule import ManualSwitch

_BY = re.compile(r"[\w .@+:-]{1,63}")


@dataclass(frozen=True, slots=True)
class SwitchPosition:
    """How a number's switch stands, since when and by whom."""

    position: ManualSwitch
    changed_at: datetime
    changed_by: str


class ManualSwitches:
    """Turns the switches; each turn is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def turn(self, did: str, position: ManualSwitch, *, by: str) -> str:
        """Turn the switch of `did` (in any spelling); return the number.

        The running switches follow within a second. Raises InvalidInput (`by` is no name),
        NotFound (there is no such number), DatabaseError.
        """
        if not _BY.fullmatch(by):
            raise InvalidInput(
                f"{by!r} is no name: write 1 to 63 letters, digits, blanks and .@+:-"
            )
        number = PhoneNumber.parse(did).national
        async with self._database.transaction() as connection:
            await queries.lock_directory(connection)  # revisions become visible in their order
            found = await queries.write_did_switch(
                connection, did=number, position=str(position), changed_by=by
            )
            if found is None:
                raise NotFound(f"there is no number {did!r}: callctl number list shows all")
            summary = f"switch {number} {position} by {by}"
            await queries.announce_revision(connection, summary=summary)
        return number

    async def positions(self) -> dict[str, SwitchPosition]:
        """Every switch that was ever turned, by number."""
        return {
            row["did"]: SwitchPosition(
                ManualSwitch(row["position"]), row["changed_at"], row["changed_by"]
            )
            for row in await queries.read_did_switches(self._database)
        }
