"""What is provisioned now, as rows read in a few queries; joined by plan, export and store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from callctl.db.pool import Connection
from callctl.db.queries import queries

Row = Any  # an asyncpg record: columns by name


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of some tenants, or of all; every reseller, calendar and head of a tariff."""

    calendars: Sequence[Row]  # one row a day
    tariffs: Sequence[Row]
    resellers: Sequence[Row]
    tenants: Sequence[Row]
    lines: dict[int, list[Row]]  # by tenant_id
    dids: dict[int, list[Row]]  # by tenant_id


async def read_rows(connection: Connection, tenants: Sequence[str] | None = None) -> Rows:
    """Read the named tenants, or all; six queries however many there are."""
    names = None if tenants is None else list(tenants)
    tenant_rows = await queries.read_directory_tenants(connection, tenants=names)
    ids = [row["id"] for row in tenant_rows]
    lines = await queries.read_directory_lines(connection, tenant_ids=ids)
    dids = await queries.read_directory_dids(connection, tenant_ids=ids)
    return Rows(
        calendars=await queries.read_directory_calendars(connection),
        tariffs=await queries.read_directory_tariffs(connection, tariffs=None),
        resellers=await queries.read_directory_resellers(connection),
        tenants=tenant_rows,
        lines=_grouped(lines, "tenant_id"),
        dids=_grouped(dids, "tenant_id"),
    )


def _grouped(rows: Sequence[Row], key: str) -> dict[int, list[Row]]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups
