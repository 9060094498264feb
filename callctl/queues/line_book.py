"""What every line does at this moment, on any switch; made by app, used by flows and queues.

A line with a capacity is taken by a seat: a row with a lease, counted under the line's lock. One
without costs no statement when it rings: its calls are counted here, and what came of them is
written behind, many lines in one commit. Other switches hear of both by NOTIFY.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import structlog

from callctl import clock
from callctl.db.batch import LINGER_SECONDS, Batcher
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.directory.answering import Line
from callctl.directory.models import Did
from callctl.errors import DatabaseError, DatabaseUnavailable
from callctl.queues.following import Following
from callctl.queues.line_memory import KnownLine
from callctl.values.ids import new_id
from callctl.values.line_state import LineState

CHANNEL = "callctl_lines"
LEASE_SECONDS = 30.0
HOLD_SECONDS_DEFAULT = 180.0  # how long a call holds a line that has had none yet
_RENEWALS_PER_LEASE = 3
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Use:
    """What came of a call on a line, as callctl_use_lines_v1 takes it."""

    line_id: int
    line: str
    call_id: uuid.UUID
    at: datetime
    is_answered: bool
    is_failed: bool
    why: str
    wrap_up_seconds: int
    hold_seconds: float | None


class _Occupied(NamedTuple):
    """A call of this switch on a line; `since` on clock.monotonic()."""

    line: Line
    since: float
    has_seat: bool


class LineBook:
    """The lines of all tenants. `start`, then `run` beside the calls; `stop` writes the rest.

    While PostgreSQL is away memory stays as it is, and lines with a capacity can't be taken.
    """

    def __init__(
        self, database: Database, dsn: str, *, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._database = database
        self.switch = new_id().hex  # of what this process holds
        self.lease_seconds = lease_seconds
        self._known: dict[int, KnownLine] = {}
        self._ours: dict[tuple[int, uuid.UUID], _Occupied] = {}
        self._turns: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._dates: dict[str, date] = {}  # of the last look, by time zone
        self._watchers: list[Callable[[int], None]] = []
        self._batcher: Batcher[_Use, None] = Batcher(
            self._write, name="lines", linger_seconds=LINGER_SECONDS
        )
        self._following: Following[int] = Following(
            dsn, CHANNEL, keys_of=self._of_others, read=self._read
        )

    # -- its life

    async def start(self) -> None:
        """Read how all lines stand, and begin to write; raises DatabaseError."""
        await self._following.refresh()
        await self._batcher.start()

    async def stop(self) -> None:
        """Write what is left, then end."""
        await self._batcher.stop()

    async def run(self) -> None:
        """Follow other switches and renew the seats of our calls, until cancelled."""
        await asyncio.gather(self._following.run(), self._renew())

    def watch(self, on_change: Callable[[int], None]) -> None:
        """Have `on_change(line id)` called whenever something about a line has changed."""
        self._watchers.append(on_change)

    # -- what routing needs, from memory

    def states(self, did: Did) -> Mapping[str, LineState]:
        """How the lines that the number may use stand, by name; idle and fresh ones are left out.

        Costs a look-up a line.
        """
        known = self._known
        return {
            name: known[line.id].state
            for name, line in did.answering.lines.items()
            if line.id in known
        }

    def turns(self, did: str) -> Mapping[str, int]:
        """How often each group was rung for this number, by this switch since its start."""
        return self._turns.get(did, {})

    def turn(self, did: str, group: str) -> None:
        """The group is rung once more."""
        turns = self._turns[did]
        turns[group] = turns.get(group, 0) + 1

    def hold_seconds(self, line_ids: Iterable[int]) -> float:
        """How long a call holds one of these lines, wrap-up included: the mean over the last."""
        means = [
            known.hold_seconds
            for line_id in line_ids
            if (known := self._known.get(line_id)) and known.hold_seconds is not None
        ]
        return sum(means) / len(means) if means else HOLD_SECONDS_DEFAULT

    def is_rested(self, line_id: int, at: datetime) -> bool:
        """Whether the line rests because it failed."""
        known = self._known.get(line_id)
        return known is not None and known.is_rested(at)

    def resting_count(self, at: datetime) -> int:
        """How many lines rest."""
        return sum(known.is_rested(at) for known in self._known.values())

    # -- calls on lines

    async def take(self, line: Line, call_id: uuid.UUID, *, capacity: int | None) -> bool:
        """Let the call have the line, before it rings; False when it has `capacity` calls already.

        Raises DatabaseUnavailable when that can't be known; never with `capacity` None, which
        always succeeds. Again for a call that has it: its seat is taken over from an earlier run.
        """
        has_seat = False
        if (line.id, call_id) in self._ours:
            return True
        if capacity is not None:
            taken = await queries.take_line_seat(
                self._database,
                line_id=line.id,
                call_id=call_id,
                capacity=capacity,
                switch=self.switch,
                lease_seconds=self.lease_seconds,
            )
            if taken is False:
                self._following.look_again([line.id])  # memory has let the caller come here
                return False
            has_seat = taken is not None  # None: the line is provisioned no more
        self.has_taken(line, call_id, has_seat=has_seat)
        return True

    def has_taken(self, line: Line, call_id: uuid.UUID, *, has_seat: bool) -> None:
        """The call has the line from now on; `take` for one that has waited is Queues.claim."""
        self._ours[line.id, call_id] = _Occupied(line, clock.monotonic(), has_seat)
        self._count(line.id, call_id, 1)

    async def give_back(
        self,
        line: Line,
        call_id: uuid.UUID,
        *,
        is_answered: bool,
        is_failed: bool,
        wrap_up_seconds: int,
        why: str = "",
    ) -> None:
        """The call has the line no more. Never raises: a seat that stays is freed by its lease.

        is_failed  the line could not be reached (not: busy, no answer); `why` is for people
        """
        occupied = self._ours.pop((line.id, call_id), None)
        if occupied is None:
            return
        held = clock.monotonic() - occupied.since + wrap_up_seconds if is_answered else None
        at = clock.now()
        use = _Use(
            *(line.id, line.name, call_id, at, is_answered, is_failed, why, wrap_up_seconds, held)
        )
        try:
            if occupied.has_seat:  # whoever waits for the line must find it free when told so
                await self._batcher.submit(use)
            elif is_answered or is_failed:
                self._batcher.hand_in(use)
        except DatabaseError as error:
            _log.warning("line_use_not_written", line=line.name, error=str(error))
        finally:
            self._count(line.id, call_id, -1)

    def look_again(self, line_ids: Iterable[int]) -> None:
        """What is remembered of these lines was wrong."""
        self._following.look_again(line_ids)

    async def let_go(self, call_id: uuid.UUID) -> None:
        """Give back whatever the call still has: it was cut off by an error, or is over."""
        held = [one.line for (_, holder), one in self._ours.items() if holder == call_id]
        for line in held:
            await self.give_back(
                line, call_id, is_answered=False, is_failed=False, wrap_up_seconds=0
            )

    async def release_seats(self, call_ids: Sequence[uuid.UUID]) -> None:
        """Free what calls of an earlier run still hold; raises DatabaseError."""
        await queries.release_line_seats(self._database, calls=list(call_ids))

    async def keep_seats(self, call_ids: Sequence[uuid.UUID]) -> None:
        """Give calls that go on time to take over what they hold, though it be long ago.

        Raises DatabaseError.
        """
        await queries.keep_line_seats(
            self._database, calls=list(call_ids), lease_seconds=self.lease_seconds
        )

    # -- memory

    def _count(self, line_id: int, call_id: uuid.UUID, step: int) -> None:
        known = self._known.get(line_id)
        if known is None:
            known = self._known[line_id] = KnownLine()
        known.count(step)
        self._tell(line_id)

    def _tell(self, line_id: int) -> None:
        for on_change in self._watchers:
            on_change(line_id)

    def _learn(self, rows: Iterable[Any]) -> None:
        """Remember what was read, unless something newer is known."""
        for row in rows:
            line_id = row["line_id"]
            known = self._known.get(line_id)
            if known is None:
                known = self._known[line_id] = KnownLine()
            if known.learn(row):
                self._tell(line_id)

    async def _write(self, uses: Sequence[_Use]) -> Sequence[None]:
        """One flush. Sent again after a lost answer it counts twice: these are no books."""
        plain = orjson.Fragment(orjson.dumps([asdict(use) for use in uses], default=str))
        await queries.use_lines(self._database, uses=plain, switch=self.switch)
        await self._read({use.line_id for use in uses})
        for use in uses:
            known = self._known.get(use.line_id)
            if use.is_failed and known is not None and known.is_rested(use.at):
                _log.warning(
                    "line_rested",
                    line=use.line,
                    line_id=use.line_id,
                    until=known.state.rested_until,
                    why=known.rested_why,
                )
        return [None] * len(uses)

    async def _read(self, line_ids: Collection[int] | None) -> None:
        wanted = None if line_ids is None else list(line_ids)
        rows = await queries.read_line_states(self._database, lines=wanted, switch=self.switch)
        self._learn(rows)

    # -- other switches

    def _of_others(self, payload: str) -> Iterable[int]:
        """The lines that a notification, "switch 1,2,3", is about; none if it is our own."""
        sender, _, line_ids = payload.partition(" ")
        return () if sender == self.switch else map(int, line_ids.split(","))

    async def _renew(self) -> None:
        """Keep our seats, see those of others expire, and begin each day's count."""
        while True:
            await clock.sleep(self.lease_seconds / _RENEWALS_PER_LEASE)
            held = [key for key, occupied in self._ours.items() if occupied.has_seat]
            with suppress(DatabaseUnavailable):  # tried again before the lease ends
                await queries.renew_line_seats(
                    self._database,
                    lines=[line_id for line_id, _ in held],
                    calls=[call_id for _, call_id in held],
                    switch=self.switch,
                    lease_seconds=self.lease_seconds,
                )
            self._following.look_again(
                line_id for line_id, known in self._known.items() if known.others
            )
            self._begin_days()

    def _begin_days(self) -> None:
        """Where midnight has passed the lines have had no call today."""
        now = clock.now()
        zones = {known.timezone for known in self._known.values() if known.timezone}
        for zone in zones:
            today = now.astimezone(ZoneInfo(zone)).date()
            before, self._dates[zone] = self._dates.get(zone, today), today
            if before != today:
                for known in self._known.values():
                    if known.timezone == zone:
                        known.begin_day()
