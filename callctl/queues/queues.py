"""Who waits for the lines of a group, and whose turn it is, on any switch; made by app.

Used by flows. Every change is one SQL function under its queue's lock; memory follows those of
other switches by NOTIFY. A place lives while its switch renews its lease: when callctl starts
again in time, its callers find their places as they were.
"""

import asyncio
import math
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import structlog

from callctl import clock
from callctl.db.batch import Batcher
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.directory.answering import Group, Line
from callctl.directory.models import Did
from callctl.errors import DatabaseError
from callctl.queues.following import Following
from callctl.queues.line_book import LineBook
from callctl.queues.places import Order, Orders, Place, PlaceRow, PlaceState
from callctl.values.line_state import QueueState

CHANNEL = "callctl_queues"
LEASE_SECONDS = 60.0
_RENEWALS_PER_LEASE = 6
Name = tuple[str, str]  # a queue's: tenant, group
_log = structlog.get_logger()


def is_on(line: Line, _at: datetime) -> bool:
    """Whether calls are sent to the line at all."""
    return line.is_on


class _Change(NamedTuple):
    """A place that is left, or released after lines were rung in vain."""

    call_id: uuid.UUID
    is_left: bool


class Queues:
    """The queues of all tenants. `start`, then `run` beside the calls; `stop` ends it.

    `is_open` says whether a line answers at a time: only open lines shorten the estimated wait.
    """

    def __init__(
        self,
        database: Database,
        dsn: str,
        lines: LineBook,
        *,
        is_open: Callable[[Line, datetime], bool] = is_on,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._database = database
        self._lines = lines
        self._is_open = is_open
        self._lease_seconds = lease_seconds
        self._switch = lines.switch
        self._orders = Orders()
        self._ours: dict[uuid.UUID, Place] = {}
        self._callbacks_may_be_due = asyncio.Event()
        self._batcher: Batcher[_Change, None] = Batcher(self._write, name="queues")
        self._following: Following[Name] = Following(
            dsn, CHANNEL, keys_of=self._of_others, read=self._read
        )
        lines.watch(self._line_changed)

    # -- its life

    async def start(self) -> None:
        """Read who waits; raises DatabaseError."""
        await self._following.refresh()
        await self._batcher.start()

    async def stop(self) -> None:
        """End. Who waits keeps his place as long as its lease."""
        await self._batcher.stop()

    async def run(self) -> None:
        """Follow other switches and renew the places of our callers, until cancelled."""
        await asyncio.gather(self._following.run(), self._renew())

    # -- what routing needs, from memory

    def states(self, did: Did) -> Mapping[str, QueueState]:
        """The queues of the number's groups in which somebody waits, by the group's name."""
        groups = did.answering.groups
        return {
            name: QueueState(length, self.estimate_seconds(groups[name], length + 1))
            for name, order in self._orders.of_tenant(did.tenant.name).items()
            if (length := len(order.pending)) and name in groups
        }

    def lengths(self) -> dict[Name, int]:
        """How many wait in each queue in which somebody waits, by tenant and group."""
        waiting = {
            (order.tenant, order.group_name): sum(
                row.state is not PlaceState.CALLBACK for row in order.rows.values()
            )
            for order in self._orders
        }
        return {name: length for name, length in waiting.items() if length}

    def estimate_seconds(self, group: Group, position: int) -> int:
        """How long who has this position will wait.

        The mean time that the last calls held a line of the group, times the position, by the
        number of its lines that are open and not at rest.
        """
        now = clock.now()
        lines = [member.line for member in group.members]
        hold_seconds = self._lines.hold_seconds(line.id for line in lines)
        count = sum(
            self._is_open(line, now) and not self._lines.is_rested(line.id, now) for line in lines
        )
        return math.ceil(hold_seconds * position / max(count, 1))

    # -- those who wait

    async def enter(
        self,
        did: Did,
        group: Group,
        call_id: uuid.UUID,
        *,
        caller: str,
        is_vip: bool,
        line_ids: Iterable[int],
        length_max: int,
        on_change: Callable[[], None],
        entered_at: datetime | None = None,
    ) -> Place | None:
        """A place in the group's queue; None when `length_max` callers have one.

        line_ids    the group's lines that serve this caller, free or not
        entered_at  he waited before: his old place in the order, however many wait
        on_change   called when it may be his turn; must not block

        Raises DatabaseUnavailable.
        """
        row = PlaceRow(
            call_id=call_id,
            did=did.number,
            group_name=group.name,
            caller=caller,
            is_vip=is_vip,
            entered_at=entered_at or clock.now(),
            line_ids=frozenset(line_ids),
        )
        order = self._orders.of(did.tenant.name, group.name)
        row_now = await self._enter(order, row, length_max if entered_at is None else None)
        if row_now is None:
            return None
        place = Place(row_now, group, order, on_change, self.estimate_seconds)
        self._ours[call_id] = place
        return place

    async def claim(self, place: Place, seats: Sequence[tuple[Line, int]]) -> Line | None:
        """A line that is his if he is the first of those who wait for any of these.

        `seats` are the lines that seem free to him, in the order in which he would have them, each
        with its capacity. He has taken the line then, and whoever is next may ask; `release_claim`
        lets him wait again where he was. None: somebody is before him, or the lines are free no
        more. Raises DatabaseUnavailable.
        """
        found = await self._claim(
            place.order,
            place.call_id,
            [line.id for line, _ in seats],
            [capacity for _, capacity in seats],
        )
        if found is None:
            return None
        line = next(line for line, _ in seats if line.id == found["line_id"])
        self._lines.has_taken(line, place.call_id, has_seat=True)
        return line

    async def release_claim(self, place: Place) -> None:
        """No line took the call: he waits again, at his old place. Never raises.

        Who is to be called back is claimed anew the next time, by whichever switch.
        """
        state = PlaceState.WAITING
        if place.row.callback_until is not None:
            state = PlaceState.CALLBACK
            self._ours.pop(place.call_id, None)
        await self._submit(_Change(place.call_id, is_left=False))
        place.order.set_state(0, place.call_id, state)
        self._order_changed(place.order)

    async def leave(self, place: Place) -> None:
        """Give the place up. Never raises: one that stays is freed by its lease."""
        if self._ours.pop(place.call_id, None) is not None:
            await self._submit(_Change(place.call_id, is_left=True))

    async def release_places(self, call_ids: Sequence[uuid.UUID]) -> None:
        """Remove the places of callers of an earlier run who are gone; raises DatabaseError."""
        await self._write([_Change(call_id, is_left=True) for call_id in call_ids])

    # -- those who are to be called back

    async def keep_for_callback(
        self,
        did: Did,
        group: Group,
        call_id: uuid.UUID,
        *,
        caller: str,
        is_vip: bool,
        line_ids: Iterable[int],
        entered_at: datetime,
        until: datetime,
    ) -> None:
        """Let a caller who has left keep his place in the order until he is called back.

        `entered_at` is when he entered the queue. Raises DatabaseUnavailable.
        """
        row = PlaceRow(
            call_id=call_id,
            did=did.number,
            group_name=group.name,
            caller=caller,
            is_vip=is_vip,
            entered_at=entered_at,
            line_ids=frozenset(line_ids),
            state=PlaceState.CALLBACK,
            callback_until=until,
        )
        await self._enter(self._orders.of(did.tenant.name, group.name), row, None)

    def due_callbacks(self) -> list[PlaceRow]:
        """The places of callers to be called back whose turn it may be."""
        return [row for _, row in self._due()]

    def _due(self) -> list[tuple[Order, PlaceRow]]:
        rows = [(order, row) for order in self._orders for row in order.unblocked]
        return [(order, row) for order, row in rows if row.state is PlaceState.CALLBACK]

    async def claim_callback(
        self, kept: uuid.UUID, group: Group, seats: Sequence[tuple[Line, int]], call_id: uuid.UUID
    ) -> tuple[Place, Line] | None:
        """As `claim`, of the place that `kept` has kept, with the line taken for `call_id`."""
        order, row = next(((o, r) for o, r in self._due() if r.call_id == kept), (None, None))
        if order is None or row is None:
            return None
        line_ids, capacities = [line.id for line, _ in seats], [most for _, most in seats]
        found = await self._claim(order, kept, line_ids, capacities, call_id)
        if found is None:
            return None
        self._ours[kept] = Place(row, group, order, lambda: None, self.estimate_seconds)
        line = next(line for line, _ in seats if line.id == found["line_id"])
        self._lines.has_taken(line, call_id, has_seat=True)
        return self._ours[kept], line

    async def callbacks_may_be_due(self, seconds: float) -> None:
        """Wait until a line or an order has changed, or for `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._callbacks_may_be_due.wait()
        except TimeoutError:
            return
        self._callbacks_may_be_due.clear()

    # -- changes

    async def _enter(self, order: Order, row: PlaceRow, length_max: int | None) -> PlaceRow | None:
        """The place as it is now: one that the call had before keeps its order."""
        plain = asdict(row) | {
            "tenant": order.tenant,
            "line_ids": sorted(row.line_ids),
            "switch": self._switch,
        }
        found = await queries.enter_queue(
            self._database,
            place=orjson.Fragment(orjson.dumps(plain, default=str)),
            length_max=length_max,
            lease_seconds=self._lease_seconds,
        )
        if found is None:
            return None
        row = replace(row, is_vip=found["is_vip"], entered_at=found["entered_at"])
        order.put(found["version"], row)
        self._order_changed(order)
        return row

    async def _claim(
        self,
        order: Order,
        call_id: uuid.UUID,
        line_ids: Collection[int],
        capacities: Sequence[int] | None = None,
        seat_call_id: uuid.UUID | None = None,
    ) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] = await queries.claim_queue_place(
            self._database,
            call_id=call_id,
            lines=list(line_ids),
            capacities=capacities,
            switch=self._switch,
            lease_seconds=self._lease_seconds,
            seat_seconds=self._lines.lease_seconds,
            seat_call_id=seat_call_id or call_id,
        )
        if not found["is_first"]:  # memory has let him ask
            self._following.look_again([(order.tenant, order.group_name)])
            self._lines.look_again(line_ids)
            return None
        order.set_state(found["version"], call_id, PlaceState.RINGING)
        self._order_changed(order)
        return found

    async def _submit(self, change: _Change) -> None:
        try:
            await self._batcher.submit(change)
        except DatabaseError as error:
            _log.warning("queue_change_not_written", call_id=str(change[0]), error=str(error))

    async def _write(self, changes: Sequence[_Change]) -> Sequence[None]:
        left = [change.call_id for change in changes if change.is_left]
        released = [change.call_id for change in changes if not change.is_left]
        rows = await queries.leave_queues(
            self._database, leave=left, release=released, switch=self._switch
        )
        for row in rows:
            order = self._orders.of(row["tenant"], row["group_name"])
            for call_id in left:
                order.drop(row["version"], call_id)
            self._order_changed(order)
        return [None] * len(changes)

    # -- memory

    def _order_changed(self, order: Order) -> None:
        for row in order.unblocked:
            place = self._ours.get(row.call_id)
            if place is not None:
                place.wake()
        self._callbacks_may_be_due.set()

    def _line_changed(self, line_id: int) -> None:
        for order in {id(place.order): place.order for place in self._ours.values()}.values():
            for row in order.unblocked:
                place = self._ours.get(row.call_id)
                if place is not None and line_id in row.line_ids:
                    place.wake()
        self._callbacks_may_be_due.set()

    def _of_others(self, payload: str) -> Iterable[Name]:
        """The queue that a notification, [switch, tenant, group], is about; none if our own."""
        sender, tenant, group_name = orjson.loads(payload)
        return () if sender == self._switch else [(tenant, group_name)]

    async def _read(self, names: Collection[Name] | None) -> None:
        wanted: Iterable[tuple[str | None, str | None]] = names or [(None, None)]
        for tenant, group_name in wanted:
            rows = await queries.read_queues(self._database, tenant=tenant, group_name=group_name)
            self._learn(rows)

    def _learn(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take over what was read; a queue of which something newer is known is read again."""
        changed, refused = self._orders.learn(rows)
        for order in changed:
            self._order_changed(order)
        self._following.look_again((order.tenant, order.group_name) for order in refused)

    async def _renew(self) -> None:
        """Keep our callers' places, and remove those that nobody keeps."""
        while True:
            await clock.sleep(self._lease_seconds / _RENEWALS_PER_LEASE)
            try:
                await self._renew_ours()
                await queries.sweep_queues(self._database)
            except DatabaseError as error:
                _log.warning("places_not_renewed", error=str(error))
            self._following.look_again(None)

    async def _renew_ours(self) -> None:
        """Renew the leases; who has lost his place while PostgreSQL was away gets it back."""
        ours = list(self._ours)
        if not ours:
            return
        rows = await queries.renew_queue_places(
            self._database, calls=ours, lease_seconds=self._lease_seconds
        )
        missing = set(ours) - {row["call_id"] for row in rows}
        for place in [self._ours[one] for one in missing if one in self._ours]:
            await self._enter(place.order, place.row, None)
            if place.call_id not in self._ours:  # he has left meanwhile
                await self._submit(_Change(place.call_id, is_left=True))
