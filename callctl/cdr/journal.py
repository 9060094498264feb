"""The journal: writes live calls and CDRs, those of many calls in one commit; made by app.

A call's rows are written in the order they were handed in; of several states of one call in one
commit only the last is written.
"""

from collections.abc import Sequence

import orjson

from callctl.cdr.record import Cdr, LiveCall
from callctl.db.batch import LINGER_SECONDS, Batcher, Load
from callctl.db.lease import Owner
from callctl.db.pool import Database
from callctl.db.queries import queries


class Journal:
    """Writes in batches; one flush is under way at a time."""

    def __init__(self, database: Database, *, owner: Owner | None = None) -> None:
        self._database = database
        self._owner = owner
        self._batcher: Batcher[LiveCall | Cdr, None] = Batcher(
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

    async def write(self, entry: Cdr) -> None:
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

    async def _flush(self, entries: Sequence[LiveCall | Cdr]) -> Sequence[None]:
        last = {entry.call_id: entry for entry in entries}
        live = [entry for entry in last.values() if isinstance(entry, LiveCall)]
        ended = [entry for entry in last.values() if isinstance(entry, Cdr)]
        await queries.write_journal(
            self._database,
            asterisk=self._owner.asterisk if self._owner else None,
            epoch=self._owner.epoch if self._owner else None,
            live=_json(live),
            ended=_json(ended),
        )
        return [None] * len(entries)


def _json(entries: Sequence[LiveCall | Cdr]) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(entries, default=str))
