"""The journal: writes live calls and CDRs, those of many calls in one commit; made by app.

A call's rows are written in the order they were handed in; of several states of one call in one
commit only the last is written.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from callctl.cdr.record import Cdr, LiveCall
from callctl.db.batch import LINGER_SECONDS, Batcher, Load
from callctl.db.lease import Owner
from callctl.db.pool import Database
from callctl.db.queries import queries


@dataclass(frozen=True, slots=True)
class WaitedCdr:
    """A CDR that has waited for PostgreSQL, as the JSON that it was then."""

    call_id: uuid.UUID
    json: bytes


Entry = LiveCall | Cdr | WaitedCdr


class Journal:
    """Writes in batches; one flush is under way at a time."""

    def __init__(self, database: Database, *, owner: Owner | None = None) -> None:
        self._database = database
        self._owner = owner
        self._batcher: Batcher[Entry, None] = Batcher(
            self._flush, name="journal", linger_seconds=LINGER_SECONDS
        )

    async def start(self) -> None:
        """Begin to write."""
        await self._batcher.start()

    async def stop(self) -> None:
        """Write what was handed in, then end."""
        await self._batcher.stop()

    @property
    def load(self) -> Load:
        """What it has to do."""
        return self._batcher.load

    async def write(self, entry: Cdr | WaitedCdr) -> None:
        """Return once `entry` is durable; raises DatabaseUnavailable past the deadline."""
        await self._batcher.submit(entry, may_linger=True)

    async def keep(self, entry: LiveCall) -> None:
        """Return once a live call's row is durable: before what a crash must not leave unknown.

        Raises DatabaseUnavailable past the deadline.
        """
        await self._batcher.submit(entry)

    def note(self, entry: LiveCall) -> None:
        """Have a live call's row written soon, within the batch of the moment; nobody waits for it.

        Raises DatabaseUnavailable when the journal can't take it.
        """
        self._batcher.hand_in(entry)

    async def _flush(self, entries: Sequence[Entry]) -> Sequence[None]:
        last = {entry.call_id: entry for entry in entries}
        live = [entry for entry in last.values() if isinstance(entry, LiveCall)]
        ended = [entry for entry in last.values() if not isinstance(entry, LiveCall)]
        await queries.write_journal(
            self._database,
            asterisk=self._owner.asterisk if self._owner else None,
            epoch=self._owner.epoch if self._owner else None,
            live=_json(live),
            ended=_json(ended),
        )
        return [None] * len(entries)


def _json(entries: Sequence[Entry]) -> orjson.Fragment:
    rows = [orjson.Fragment(one.json) if isinstance(one, WaitedCdr) else one for one in entries]
    return orjson.Fragment(orjson.dumps(rows, default=str))
