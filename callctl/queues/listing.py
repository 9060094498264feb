"""Lines and queues as they stand, for people; read by cli."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from callctl.db.pool import Connection
from callctl.db.queries import queries


class LineListed(BaseModel):
    """A line and what it does; `rested_why` says why it rests."""

    tenant: str
    line: str
    number: str
    is_on: bool
    schedule: str | None
    live_calls: int
    capacity: int | None
    calls_today: int
    last_call_at: datetime | None
    rested_until: datetime | None
    rested_why: str | None
    wraps_up_until: datetime | None


class PlaceListed(BaseModel):
    """Someone in a queue; `place` is 1 for the first. `state`: waiting, ringing or callback."""

    tenant: str
    group: str
    place: int
    did: str
    caller: str
    is_vip: bool
    entered_at: datetime
    state: str
    callback_until: datetime | None
    call_id: UUID


async def list_lines(connection: Connection, *, tenant: str | None, limit: int) -> list[LineListed]:
    """The lines of a tenant, or of all."""
    rows = await queries.list_lines(connection, tenant=tenant, limit=limit)
    return [LineListed(**row) for row in rows]


async def list_places(
    connection: Connection, *, tenant: str | None, limit: int
) -> list[PlaceListed]:
    """Who waits in the queues of a tenant, or of all, each queue in its order."""
    rows = await queries.list_queue_places(connection, tenant=tenant, limit=limit)
    return [PlaceListed(**row) for row in rows]
