"""Asterisk's own record of answers and hang-ups beside the CDRs; for `callctl audit --asterisk`.

The file is the one that asterisk-conf/cel_custom.conf describes: a line is
EVENT,seconds since 1970,channel id,... with EVENT ANSWER or HANGUP.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from callctl import clock
from callctl.db.queries import queries
from callctl.errors import InvalidInput
from callctl.views.audit import SHOWN_MAX, Breaches, Proof

_TABLE = "asterisk_events"
_EVENTS = {"ANSWER": True, "HANGUP": False}
_MICROS_DIGITS = 6

Event = tuple[str, bool, int]  # channel id, whether it is an answer, microseconds since 1970


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


def read_events(path: Path) -> Iterator[Event]:
    """The answers and hang-ups of a file; a last line that is still being written is left."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if line.endswith("\n"):
                yield _event(line, path, number)


def _event(line: str, path: Path, number: int) -> Event:
    event, _, rest = line.partition(",")
    moment, _, rest = rest.partition(",")
    channel_id = rest.partition(",")[0].rstrip("\n")
    seconds, _, micros = moment.partition(".")
    is_moment = seconds.isdecimal() and micros.isdecimal() and len(micros) == _MICROS_DIGITS
    if event not in _EVENTS or not is_moment or not channel_id:
        raise InvalidInput(
            f"{path}: line {number} is no answer or hang-up of Asterisk's: the file must be written"
            " as asterisk-conf/cel_custom.conf says"
        )
    return channel_id, _EVENTS[event], int(seconds + micros)
