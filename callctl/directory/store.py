"""The directory as the switch uses it: loaded whole, kept current; called by app and cli.

A call takes `watch.current` once, at its start, and keeps what it took; `export` writes the
directory as a provisioning file.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
import structlog

from callctl import clock
from callctl.db.listen import Listener
from callctl.db.pool import Connection, Database
from callctl.db.queries import queries
from callctl.directory.assembly import did_of, house
from callctl.directory.calendars import dump, provisioned_calendars
from callctl.directory.models import Did, Directory, Limits, Reseller, Tenant
from callctl.directory.plain import plain_rows
from callctl.directory.rates import (
    calendar_of,
    collector_paused,
    rate_of,
    read_rates,
    read_tariff,
)
from callctl.directory.rows import Row, Rows, read_rows
from callctl.errors import NotFound
from callctl.values.tariff import Calendar, Rate, Tariff

CHANNEL = "callctl_directory"
EXPORTED_RATES_MAX = 5_000  # a file of YAML shall stay one that people can read
_CALLBACK_TARIFFS = ("callback_tariff", "callback_carrier_tariff")
_PAGE = 10_000  # rates asked for by id at once
_RETRY_SECONDS = 1.0
_LASTING_RATES = 10_000  # so many objects that looking for garbage among them would be felt
_log = structlog.get_logger()


async def load(connection: Connection) -> Directory:
    """Everything provisioned. `connection` is a transaction in which nothing was done yet."""
    directory, _ = await _load(connection, {})
    return directory


async def list_tariffs(connection: Connection) -> list[dict[str, Any]]:
    """Every tariff at its newest version: name, version, currency, rate_count, calendar's name."""
    return [
        {
            "name": row["name"],
            "version": row["version"],
            "currency": row["currency"],
            "rate_count": row["rate_count"],
            "calendar": row["calendar"] and row["calendar"]["name"],
            "created_at": row["created_at"],
        }
        for row in await queries.read_directory_tariffs(connection, tariffs=None)
    ]


async def load_tariff(connection: Connection, name: str) -> Tariff:
    """The newest version of a tariff; raises NotFound."""
    rows = await queries.read_directory_tariffs(connection, tariffs=[name])
    if not rows:
        raise NotFound(f"there is no tariff {name}: callctl tariff list shows them all")
    return await read_tariff(connection, rows[0])


async def frozen_rates(
    connection: Connection, rate_ids: Sequence[int]
) -> dict[int, tuple[Rate, Calendar | None]]:
    """Rates of any version by their ids, with their calendars; ids that are none are left out."""
    found: dict[int, tuple[Rate, Calendar | None]] = {}
    calendars: dict[str | None, Calendar | None] = {None: None}
    for start in range(0, len(rate_ids), _PAGE):
        page = list(rate_ids[start : start + _PAGE])
        for row in await queries.read_frozen_rates(connection, rate_ids=page):
            text = row["calendar"]
            if text not in calendars:
                calendars[text] = calendar_of(orjson.loads(text))
            found[row["id"]] = rate_of(row), calendars[text]
    return found


async def export(connection: Connection, tenants: Sequence[str] | None = None) -> str:
    """The named tenants, or all, with what they use, as a provisioning file.

    `connection` is a transaction in which nothing was done yet. With `tenants` None, what is
    unused is written too. A tariff that is too long for the file is only named, in a comment.
    Raises NotFound for a tenant that does not exist.
    """
    await queries.begin_directory_snapshot(connection)
    rows = await read_rows(connection, tenants)
    missing = sorted(set(tenants or ()) - {row["name"] for row in rows.tenants})
    if missing:
        raise NotFound(f"there is no tenant {', '.join(missing)}: callctl export shows them all")
    if tenants is not None:
        rows = _only_used(rows)
    rates = {
        row["name"]: await read_rates(connection, row["version_id"])
        for row in rows.tariffs
        if row["rate_count"] <= EXPORTED_RATES_MAX
    }
    plain = {kind: found for kind, found in plain_rows(rows, rates).items() if found}
    comments = [
        f"# tariff {row['name']} has {row['rate_count']} rates: callctl tariff export "
        f"{row['name']}\n"
        for row in rows.tariffs
        if row["name"] not in rates
    ]
    return "".join(comments) + (dump(plain) if plain else "")


class DirectoryWatch:
    """Holds the current directory and follows every callctl apply.

    `reload` once before the first call, then `run` beside the calls. While PostgreSQL is away
    the last directory stays. `before_use` is awaited before a new one becomes current: for what
    it names outside the database.
    """

    def __init__(
        self,
        database: Database,
        dsn: str,
        *,
        before_use: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.current = Directory()
        self._tariffs: Mapping[int, Tariff] = {}  # those in use, by version: they never change
        self._database = database
        self._before_use = before_use
        self._changed = asyncio.Event()
        self._listener = Listener(dsn, CHANNEL, lambda _payload: self._changed.set())

    async def reload(self) -> None:
        """Load if there is a newer revision; raises DatabaseError when it cannot be read."""
        newest = await queries.read_directory_revision(self._database)
        if newest == self.current.revision_id:
            return
        known = self._tariffs
        with collector_paused():
            async with self._database.transaction() as connection:
                loaded, tariffs = await _load(connection, known)
            fresh = [one for version, one in tariffs.items() if version not in known]
            if sum(len(tariff.rates) for tariff in fresh) >= _LASTING_RATES:
                gc.freeze()  # the garbage collector need not look through what stays
        if self._before_use is not None:
            await self._before_use()
        self.current, self._tariffs = loaded, tariffs
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


async def _load(
    connection: Connection, known: Mapping[int, Tariff]
) -> tuple[Directory, Mapping[int, Tariff]]:
    """Everything provisioned, and its tariffs by version_id; those of `known` are not read."""
    await queries.begin_directory_snapshot(connection)
    revision_id = await queries.read_directory_revision(connection)
    rows = await read_rows(connection)
    used = _tariffs_in_use(rows)
    tariffs: dict[int, Tariff] = {}
    for row in rows.tariffs:
        if row["name"] in used:
            version_id = row["version_id"]
            kept = known.get(version_id)
            tariffs[version_id] = kept or await read_tariff(connection, row)
    by_name = {tariff.name: tariff for tariff in tariffs.values()}
    return await asyncio.to_thread(_directory, revision_id, rows, by_name), tariffs


def _tariffs_in_use(rows: Rows) -> set[str | None]:
    used = {row[name] for row in rows.resellers for name in ("tariff", "line_tariff")}
    for found in (*rows.lines.values(), *rows.dids.values()):
        used |= {row["tariff"] for row in found}
    for lines in rows.lines.values():
        used |= {row["carrier_tariff"] for row in lines}
    for dids in rows.dids.values():
        used |= {row[name] for row in dids for name in _CALLBACK_TARIFFS}
    return used


def _only_used(rows: Rows) -> Rows:
    """The rows of the tenants and of what they use: resellers, tariffs, calendars."""
    sellers = {row["name"]: row for row in rows.resellers}
    chain: set[str] = set()
    for tenant in rows.tenants:
        name = tenant["reseller"]
        while name is not None:
            chain.add(name)
            name = sellers[name]["reseller"]
    rows = replace(rows, resellers=[row for row in rows.resellers if row["name"] in chain])
    used = _tariffs_in_use(rows)
    tariffs = [row for row in rows.tariffs if row["name"] in used]
    calendars = {row["calendar"]["name"] for row in tariffs if row["calendar"]}
    calendars |= {row["calendar"] for row in rows.tenants}
    return replace(
        rows,
        tariffs=tariffs,
        calendars=[row for row in rows.calendars if row["name"] in calendars],
    )


def _directory(revision_id: int, rows: Rows, tariffs: Mapping[str, Tariff]) -> Directory:
    resellers = _resellers(rows.resellers, tariffs)
    calendars = provisioned_calendars(rows.calendars)
    dids: dict[str, Did] = {}
    for row in rows.tenants:
        lines = rows.lines.get(row["id"], [])
        found = house(row, _tenant(row, resellers), lines, tariffs, calendars)
        for did in rows.dids.get(row["id"], []):
            dids[did["number"]] = did_of(did, found, tariffs)
    return Directory(revision_id=revision_id, dids=dids)


def _resellers(rows: Sequence[Row], tariffs: Mapping[str, Tariff]) -> dict[str, Reseller]:
    """The resellers by name, each with the one that is its parent."""
    by_id = {row["id"]: row for row in rows}
    made: dict[str, Reseller] = {}

    def reseller(row: Row) -> Reseller:
        if row["name"] not in made:
            parent = by_id.get(row["parent_id"])
            made[row["name"]] = Reseller(
                name=row["name"],
                timezone=row["timezone"],
                account_id=row["account_id"],
                account_name=row["account_name"],
                revenue_account_id=row["revenue_account_id"],
                currency=row["currency"],
                tariff=tariffs[row["tariff"]],
                line_tariff=tariffs[row["line_tariff"]] if row["line_tariff"] else None,
                limits=Limits(**row["limits"]),
                parent=reseller(parent) if parent else None,
            )
        return made[row["name"]]

    return {row["name"]: reseller(row) for row in rows}


def _tenant(row: Row, resellers: Mapping[str, Reseller]) -> Tenant:
    return Tenant(
        name=row["name"],
        language=row["language"],
        timezone=row["timezone"],
        account_id=row["account_id"],
        account_name=row["account_name"],
        revenue_account_id=row["revenue_account_id"],
        currency=row["currency"],
        warn_seconds=tuple(row["warn_seconds"]),
        limits=Limits(**row["limits"]),
        reseller=resellers[row["reseller"]] if row["reseller"] else None,
        recording_days=row["recording_days"],
        switch_pin=row["switch_pin"],
    )
