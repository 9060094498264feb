"""A tenant with lines and a group whose queue two switches share, for tests of queues."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from callctl import clock
from callctl.db.listen import Listener
from callctl.db.pool import Database, connect
from callctl.directory.answering import Group, Line, Member, Queue, Strategy, Target, TargetKind
from callctl.directory.models import Answering, Did, Tenant
from callctl.queues import LineBook, Place, Queues
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Tariff
from tests.db.ledger_desk import open_account

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
Seen = TypeVar("Seen")


def after(seconds: float) -> datetime:
    """A moment of a morning long ago."""
    return LONG_AGO + timedelta(seconds=seconds)


async def eventually(look: Callable[[], Seen | None], what: str, seconds: float = 1.0) -> Seen:
    """Look again and again until something is seen; by default NOTIFY's second."""
    deadline = clock.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert clock.monotonic() < deadline, f"waited {seconds} s for {what}"
        await clock.sleep(0.01)


@dataclass
class Switch:
    """What one switch has of lines and queues."""

    database: Database
    lines: LineBook
    queues: Queues

    async def enter(
        self,
        room: "Room",
        at: float = 0.0,
        *,
        call_id: uuid.UUID | None = None,
        is_vip: bool = False,
        lines: Iterable[Line] | None = None,
        length_max: int | None = None,
    ) -> Place:
        """A place entered at so many seconds, however many have one unless `length_max` is given.

        An assertion when the queue is full.
        """
        place = await self.queues.enter(
            room.did,
            room.group,
            call_id or uuid.uuid4(),
            caller="01062001234",
            is_vip=is_vip,
            line_ids=[line.id for line in (room.lines if lines is None else lines)],
            length_max=length_max or 0,
            on_change=lambda: None,
            entered_at=None if length_max else after(at),
        )
        assert place is not None, "the queue is full"
        return place

    async def seat(self, place: Place, lines: Sequence[Line], capacity: int = 1) -> Line | None:
        """The line that is his."""
        return await self.queues.claim(place, [(line, capacity) for line in lines])

    async def claim(self, place: Place) -> bool:
        """Whether it is his turn; the lines that serve him take as many calls as come."""
        lines = [member.line for member in place.group.members]
        serving = [line for line in lines if line.id in place.row.line_ids]
        return await self.seat(place, serving, 1000) is not None


@dataclass
class Room:
    """The tenant `t`, its lines, and its group `support`."""

    database: Database
    dsn: str
    lines: list[Line]
    group: Group
    did: Did

    @asynccontextmanager
    async def switch(
        self, *, seat_seconds: float = 30.0, place_seconds: float = 60.0
    ) -> AsyncIterator[Switch]:
        """A switch that runs; when it is left it is gone, and nothing is given back."""
        database = await connect(self.dsn, size=4, timeout_seconds=5)
        lines = LineBook(database, self.dsn, lease_seconds=seat_seconds)
        queues = Queues(database, self.dsn, lines, lease_seconds=place_seconds)
        await lines.start()
        await queues.start()
        connected = [_connected(part._following._listener) for part in (lines, queues)]
        running = asyncio.gather(lines.run(), queues.run())
        try:
            async with asyncio.timeout(10):
                for one in connected:  # a test of what is heard must not see the first look
                    await one.wait()
            yield Switch(database, lines, queues)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await queues.stop()
            await lines.stop()
            await database.close()


def _connected(listener: Listener) -> asyncio.Event:
    """Set once the listener hears."""
    on_notify, connected = listener._on_notify, asyncio.Event()

    def heard(payload: str) -> None:
        on_notify(payload)
        connected.set()

    listener._on_notify = heard
    return connected


async def open_room(database: Database, dsn: str, line_count: int = 3) -> Room:
    """Write the tenant and its lines, and make the models that the directory would load."""
    account_id = await open_account(database, "tenant:t")
    tenant_id = await database.fetchval(
        "INSERT INTO tenants (name, language, timezone, account_id, warn_seconds)"
        " VALUES ('t', 'zh', 'Asia/Shanghai', $1, '{}') RETURNING id",
        account_id,
    )
    lines = []
    for number in range(line_count):
        text = f"0106200{number:04}"
        line_id = await database.fetchval(
            "INSERT INTO lines (tenant_id, name, number, trunk, ring_seconds, areas)"
            " VALUES ($1, $2, $3, 'carrier', 20, '{}') RETURNING id",
            tenant_id,
            f"line-{number}",
            text,
        )
        parsed = PhoneNumber.parse(text)
        lines.append(Line(f"line-{number}", parsed, "carrier", None, 20, (), id=line_id))
    tenant = Tenant("t", "zh", "Asia/Shanghai", account_id, "tenant:t", 0, "CNY", ())
    queue = Queue(20, 300, "callctl/hold", 30)
    group = Group("support", Strategy.SEQUENTIAL, tuple(map(Member, lines)), queue=queue)
    answering = Answering({group.name: group}, lines={line.name: line for line in lines})
    target = Target(TargetKind.GROUP, group.name)
    did = Did("4001234567", tenant, Tariff("t", 1, "CNY", ()), answering, target)
    return Room(database, dsn, lines, group, did)
