"""Asterisk's own record of answers and hang-ups beside the CDRs; for `callctl audit --asterisk`."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from callctl import clock
from callctl.cdr.asterisk_events import read_events
from callctl.db.queries import queries
from callctl.views.audit import SHOWN_MAX, Breaches, Proof

_TABLE = "asterisk_events"


class AsteriskRecords:
    """The lines of some files, copied into a temporary table of `connection`'s session."""

    def __init__(self, connection: Any, grace_seconds: float, since: datetime | None) -> None:
        self._connection = connection
        self._grace_seconds = grace_seconds
        self._since = since
        self._read_at = clock.now()

    async def load(self, paths: Sequence[Path]) -> None:
        """Copy the files; raises InvalidInput for a line that is none of Asterisk's."""
        await queries.make_asterisk_events(self._connection)
        self._read_at = clock.now()
        for path in paths:
            await self._connection.copy_records_to_table(_TABLE, records=read_events(path))
        await queries.measure_asterisk_events(self._connection)

    async def compare(self) -> Proof:
        """Compare them with the legs of the CDRs."""
        breaches = Breaches()
        since = self._since or await queries.read_first_answer(self._connection)
        rows = await queries.prove_asterisk_legs(
            self._connection,
            since=since or self._read_at,  # no answer at all: nothing to compare with
            read_at=self._read_at,
            grace_seconds=self._grace_seconds,
            shown=SHOWN_MAX,
        )
        breaches.add_rows(rows)
        return breaches.proof(
            "asterisk", "each leg that Asterisk saw answered is one leg of a CDR, as long"
        )
