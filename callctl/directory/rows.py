"""What is provisioned now, as rows read in a few queries; joined by plan, export and store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from callctl.db.pool import Connection
from callctl.db.queries import queries

Row = Any  # an asyncpg record: columns by name


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of some tenants, or of all, and every tariff; rates are by tariff_version_id."""

    tariffs: Sequence[Row]
    rates: dict[int, list[Row]]
    tenants: Sequence[Row]
    lines: dict[int, list[Row]]  # by tenant_id
    dids: dict[int, list[Row]]  # by tenant_id


async def read_rows(connection: Connection, tenants: Sequence[str] | None = None) -> Rows:
    """Read the named tenants, or all; five queries however many there are."""
    names = None if tenants is None else list(tenants)
    tariff_rows = await queries.read_directory_tariffs(connection)
    versions = [row["version_id"] for row in tariff_rows]
    rates = await queries.read_directory_rates(connection, version_ids=versions)
    tenant_rows = await queries.read_directory_tenants(connection, tenants=names)
    ids = [row["id"] for row in tenant_rows]
    lines = await queries.read_directory_lines(connection, tenant_ids=ids)
    dids = await queries.read_directory_dids(connection, tenant_ids=ids)
    return Rows(
        tariffs=tariff_rows,
        rates=_grouped(rates, "tariff_version_id"),
        tenants=tenant_rows,
        lines=_grouped(lines, "tenant_id"),
        dids=_grouped(dids, "tenant_id"),
    )


def _grouped(rows: Sequence[Row], key: str) -> dict[int, list[Row]]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups
