"""Places in queues, as one switch knows them, and their order; used by queues.queues.

VIP callers first, then who entered first, then by call id.
"""

import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import Any

from callctl.directory.answering import Group

Key = tuple[bool, datetime, uuid.UUID]


class PlaceState(StrEnum):
    """What the one who has a place does."""

    WAITING = "waiting"
    RINGING = "ringing"  # lines are rung for him
    CALLBACK = "callback"  # he has hung up and is to be called back


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A row of queue_places.

    line_ids        the group's lines that serve callers from his area
    callback_until  until when he is to be called back; None: he waits
    """

    call_id: uuid.UUID
    did: str
    group_name: str
    caller: str
    is_vip: bool
    entered_at: datetime
    line_ids: frozenset[int]
    state: PlaceState = PlaceState.WAITING
    callback_until: datetime | None = None

    @property
    def key(self) -> Key:
        """By which places are ordered."""
        return (not self.is_vip, self.entered_at, self.call_id)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "PlaceRow":
        """The place of a row of read_queues."""
        return cls(
            call_id=row["call_id"],
            did=row["did"],
            group_name=row["group_name"],
            caller=row["caller"],
            is_vip=row["is_vip"],
            entered_at=row["entered_at"],
            line_ids=frozenset(row["line_ids"]),
            state=PlaceState(row["state"]),
            callback_until=row["callback_until"],
        )


@dataclass(slots=True)
class Order:
    """One queue as it was last heard of; `version` grows with each change of it."""

    tenant: str
    group_name: str
    version: int = 0
    rows: dict[uuid.UUID, PlaceRow] = field(default_factory=dict)
    _pending: list[PlaceRow] | None = None
    _keys: list[Key] = field(default_factory=list)
    _unblocked: list[PlaceRow] = field(default_factory=list)

    def replace_all(self, version: int, rows: list[PlaceRow]) -> bool:
        """Take over what was read; False when something newer is known: read again."""
        if version < self.version:
            return False
        self.version = version
        self.rows = {row.call_id: row for row in rows}
        self._pending = None
        return True

    def put(self, version: int, row: PlaceRow) -> None:
        """A change of ours: the row is so now."""
        self.version = max(version, self.version)
        self.rows[row.call_id] = row
        self._pending = None

    def drop(self, version: int, call_id: uuid.UUID) -> None:
        """A change of ours: the row is gone."""
        self.version = max(version, self.version)
        self.rows.pop(call_id, None)
        self._pending = None

    def set_state(self, version: int, call_id: uuid.UUID, state: PlaceState) -> None:
        """A change of ours: the row's state is this now."""
        row = self.rows.get(call_id)
        if row is not None:
            self.put(version, replace(row, state=state))

    @property
    def pending(self) -> list[PlaceRow]:
        """Those who wait, in their order; not those for whom lines ring."""
        if self._pending is None:
            rows = (row for row in self.rows.values() if row.state is not PlaceState.RINGING)
            self._pending = sorted(rows, key=lambda row: row.key)
            self._keys = [row.key for row in self._pending]
            self._unblocked = _unblocked(self._pending)
        return self._pending

    @property
    def unblocked(self) -> list[PlaceRow]:
        """Those whose turn it may be: nobody before them can use every line that they can."""
        return self._unblocked if self.pending else []

    def position(self, row: PlaceRow) -> int:
        """1 for the first of those who wait."""
        return bisect_left(self._keys, row.key) + 1 if self.pending else 1


def _unblocked(pending: list[PlaceRow]) -> list[PlaceRow]:
    """Rows of which none that comes before serves as many lines."""
    found: list[PlaceRow] = []
    for row in pending:  # who is blocked blocks nobody whom his blocker does not block
        if not any(first.line_ids >= row.line_ids for first in found):
            found.append(row)
    return found


class Orders:
    """Every queue that was ever heard of."""

    def __init__(self) -> None:
        self._orders: dict[str, dict[str, Order]] = {}  # by tenant, group

    def __iter__(self) -> Iterator[Order]:
        return chain.from_iterable(list(found.values()) for found in list(self._orders.values()))

    def of(self, tenant: str, group_name: str) -> Order:
        """The queue of the tenant's group."""
        found = self._orders.setdefault(tenant, {})
        return found.setdefault(group_name, Order(tenant, group_name))

    def of_tenant(self, tenant: str) -> Mapping[str, Order]:
        """The queues of the tenant, by group."""
        return self._orders.get(tenant, {})

    def learn(self, rows: Iterable[Mapping[str, Any]]) -> tuple[list[Order], list[Order]]:
        """Take over rows of read_queues: the queues that were, and those that were older."""
        versions: dict[tuple[str, str], int] = {}
        places: dict[tuple[str, str], list[PlaceRow]] = {}
        for row in rows:
            name = (row["tenant"], row["group_name"])
            versions[name] = row["version"]
            found = places.setdefault(name, [])
            if row["call_id"] is not None:
                found.append(PlaceRow.of(row))
        taken: list[Order] = []
        older: list[Order] = []
        for name, version in versions.items():
            order = self.of(*name)
            (taken if order.replace_all(version, places[name]) else older).append(order)
        return taken, older


@dataclass(slots=True, eq=False)
class Place:
    """A caller's place in a queue, from `Queues.enter` to `Queues.leave`.

    `is_changed` becomes true, and `on_change` is called, when it may be his turn: the order or
    one of his lines has changed. Who looks sets it to False first.
    """

    row: PlaceRow
    group: Group
    order: Order
    on_change: Callable[[], None]
    estimate: Callable[[Group, int], int]
    is_changed: bool = True

    @property
    def call_id(self) -> uuid.UUID:
        """Of the call that has the place."""
        return self.row.call_id

    @property
    def position(self) -> int:
        """1 for the first of those who wait."""
        return self.order.position(self.row)

    @property
    def estimate_seconds(self) -> int:
        """How long he will wait from now on."""
        return self.estimate(self.group, self.position)

    @property
    def is_blocked(self) -> bool:
        """Whether somebody before him waits for every line that serves him."""
        return any(
            row.key < self.row.key and row.line_ids >= self.row.line_ids
            for row in self.order.unblocked
            if row.call_id != self.row.call_id
        )

    def wake(self) -> None:
        """It may be his turn."""
        self.is_changed = True
        self.on_change()
