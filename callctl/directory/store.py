"""The directory as the switch uses it: loaded whole, kept current; called by app and cli.

A call takes `watch.current` once, at its start, and keeps what it took; `export` writes the
directory as a provisioning file.
"""

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import structlog
from ruamel.yaml import YAML

from callctl import clock
from callctl.db.listen import Listener
from callctl.db.pool import Connection, Database
from callctl.db.queries import queries
from callctl.directory.models import Did, Directory, Line, Tenant
from callctl.directory.plain import plain_rows
from callctl.directory.rows import Row, Rows, read_rows
from callctl.errors import NotFound
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Rate, Tariff

CHANNEL = "callctl_directory"
_RETRY_SECONDS = 1.0
_log = structlog.get_logger()


async def load(connection: Connection) -> Directory:
    """Everything provisioned. `connection` is a transaction in which nothing was done yet."""
    await queries.begin_directory_snapshot(connection)
    revision_id = await queries.read_directory_revision(connection)
    return _directory(revision_id, await read_rows(connection))


async def export(connection: Connection, tenants: Sequence[str] | None = None) -> str:
    """The named tenants, or all, with the tariffs they use, as a provisioning file.

    `connection` is a transaction in which nothing was done yet. With `tenants` None, unused
    tariffs are written too. Raises NotFound for a tenant that does not exist.
    """
    await queries.begin_directory_snapshot(connection)
    rows = await read_rows(connection, tenants)
    missing = sorted(set(tenants or ()) - {row["name"] for row in rows.tenants})
    if missing:
        raise NotFound(f"there is no tenant {', '.join(missing)}: callctl export shows them all")
    plain = plain_rows(rows)
    if tenants is not None:
        plain["tariffs"] = _used_tariffs(plain)
    yaml = YAML(typ="rt")
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(plain, text)
    return text.getvalue()


class DirectoryWatch:
    """Holds the current directory and follows every callctl apply.

    `reload` once before the first call, then `run` beside the calls. While PostgreSQL is away
    the last directory stays.
    """

    def __init__(self, database: Database, dsn: str) -> None:
        self.current = Directory()
        self._database = database
        self._changed = asyncio.Event()
        self._listener = Listener(dsn, CHANNEL, lambda _payload: self._changed.set())

    async def reload(self) -> None:
        """Load if there is a newer revision; raises DatabaseError when it cannot be read."""
        newest = await queries.read_directory_revision(self._database)
        if newest == self.current.revision_id:
            return
        async with self._database.transaction() as connection:
            self.current = await load(connection)
        _log.info("directory_loaded", revision_id=self.current.revision_id)

    async def run(self) -> None:
        """Follow changes until cancelled."""
        await asyncio.gather(self._listener.run(), self._follow())

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.reload()
            except Exception as error:  # noqa: BLE001 - whatever it is, calls need the last one
                _log.warning("directory_kept", error=str(error))
                self._changed.set()
                await clock.sleep(_RETRY_SECONDS)


def _used_tariffs(plain: dict[str, Any]) -> list[dict[str, Any]]:
    used = {
        entry.get("tariff")
        for tenant in plain["tenants"]
        for entry in (*tenant["lines"], *tenant["dids"])
    }
    return [tariff for tariff in plain["tariffs"] if tariff["name"] in used]


def _directory(revision_id: int, rows: Rows) -> Directory:
    tariffs = {
        row["name"]: _tariff(row, rows.rates.get(row["version_id"], [])) for row in rows.tariffs
    }
    dids: dict[str, Did] = {}
    for row in rows.tenants:
        tenant = _tenant(row)
        lines = {line["id"]: _line(line, tariffs) for line in rows.lines.get(row["id"], [])}
        for did in rows.dids.get(row["id"], []):
            dids[did["number"]] = _did(did, tenant, tariffs, lines)
    return Directory(revision_id=revision_id, dids=dids)


def _tariff(row: Row, rates: Sequence[Row]) -> Tariff:
    columns = (
        "prefix",
        "connect_fee_micros",
        "price_per_minute_micros",
        "minimum_seconds",
        "first_increment_seconds",
        "next_increment_seconds",
        "round_to_micros",
    )
    lines = tuple(Rate(**{name: rate[name] for name in columns}) for rate in rates)
    return Tariff(row["name"], row["version"], row["currency"], lines)


def _tenant(row: Row) -> Tenant:
    return Tenant(
        name=row["name"],
        language=row["language"],
        timezone=row["timezone"],
        account_id=row["account_id"],
        account_name=row["account_name"],
        revenue_account_id=row["revenue_account_id"],
        currency=row["currency"],
        warn_seconds=tuple(row["warn_seconds"]),
    )


def _line(row: Row, tariffs: dict[str, Tariff]) -> Line:
    return Line(
        name=row["name"],
        number=PhoneNumber.parse(row["number"]),
        trunk=row["trunk"],
        tariff=tariffs[row["tariff"]] if row["tariff"] else None,
        ring_seconds=row["ring_seconds"],
        areas=tuple(row["areas"]),
    )


def _did(row: Row, tenant: Tenant, tariffs: dict[str, Tariff], lines: dict[int, Line]) -> Did:
    return Did(
        number=row["number"],
        tenant=tenant,
        tariff=tariffs[row["tariff"]],
        ringback=row["ringback"],
        lines=tuple(lines[line_id] for line_id in row["line_ids"]),
        blacklist=frozenset(row["blacklist"]),
    )
