"""Makes the directory what a provisioning file says, or shows what would change; called by cli.

What is in the file becomes exactly as written; what is not in it stays. Accounts are never
deleted. A changed tariff is a new version, and so is one whose calendar changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from callctl.db.pool import Connection, Database
from callctl.db.queries import queries
from callctl.directory.calendars import future_calendars, outdated, write_calendar
from callctl.directory.columns import Plain, did_columns, limits_json, line_columns, tenant_columns
from callctl.directory.document import Document, ResellerEntry, TenantEntry
from callctl.directory.opening import move_money, open_accounts
from callctl.directory.plain import (
    KINDS,
    Change,
    difference,
    plain_document,
    plain_rows,
)
from callctl.directory.provisioned import provisioned_problems
from callctl.directory.rates import read_rates, write_version
from callctl.directory.reading import refusal
from callctl.directory.rows import Row, Rows, read_rows


@dataclass(frozen=True, slots=True)
class Plan:
    """What differs between the file and the directory; `revision_id` once it is applied.

    The names are of those that change; `outdated` are tariffs that the file does not have and
    whose calendar it changes, `accounts` names in the ledger.
    """

    changes: tuple[Change, ...] = ()
    calendars: frozenset[str] = frozenset()
    tariffs: frozenset[str] = frozenset()
    outdated: frozenset[str] = frozenset()
    resellers: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    revision_id: int | None = None


async def plan(connection: Connection, document: Document) -> Plan:
    """What `apply` would change; raises ConfigurationRefused for what it would refuse."""
    return await _plan(connection, document, await _read_rows(connection, document))


async def apply(database: Database, document: Document) -> Plan:
    """Write the difference in one transaction and tell the running switches; all or nothing.

    Without a difference nothing is written. Raises ConfigurationRefused, DatabaseError.
    """
    async with database.transaction() as connection:
        await queries.lock_directory(connection)
        rows = await _read_rows(connection, document)
        found = await _plan(connection, document, rows)
        if not found.changes:
            return found
        await _write_prices(connection, document, rows, found)
        await _write_holders(connection, document, found)
        revision_id = await queries.announce_revision(connection, summary=_summary(found))
    return replace(found, revision_id=revision_id)


async def _read_rows(connection: Connection, document: Document) -> Rows:
    return await read_rows(connection, [tenant.name for tenant in document.tenants])


async def _plan(connection: Connection, document: Document, rows: Rows) -> Plan:
    problems = await provisioned_problems(connection, document, rows)
    if problems:
        raise refusal(problems)
    written = {tariff.name for tariff in document.tariffs}
    rates = {
        row["name"]: await read_rates(connection, row["version_id"])
        for row in rows.tariffs
        if row["name"] in written
    }
    old, new = plain_rows(rows, rates), plain_document(document)
    changes = {kind: _changes(kind, old, new) for kind in KINDS}
    late = outdated(rows.tariffs, future_calendars(rows.calendars, document))
    _add_versions(changes["tariffs"], late)
    return Plan(
        changes=tuple(
            change for kind in KINDS for found in changes[kind].values() for change in found
        ),
        calendars=frozenset(changes["calendars"]),
        tariffs=frozenset(changes["tariffs"]) & written,
        outdated=frozenset(changes["tariffs"]) - written,
        resellers=frozenset(changes["resellers"]),
        tenants=frozenset(changes["tenants"]),
        accounts=frozenset(_changed_accounts(document, changes)),
    )


def _changes(kind: str, old: Plain, new: Plain) -> dict[str, list[Change]]:
    """The changes of each entry of the file that has any, by its name."""
    before = {entry["name"]: entry for entry in old[kind]}
    found = {
        entry["name"]: difference(f"{kind}.{entry['name']}", before.get(entry["name"]), entry)
        for entry in new[kind]
    }
    return {name: changes for name, changes in found.items() if changes}


def _add_versions(changes: dict[str, list[Change]], late: Sequence[Row]) -> None:
    """Tariffs that get a new version because of their calendar, beside those of the file."""
    for row in late:
        if row["name"] not in changes:
            path, version = f"tariffs.{row['name']}.version", row["version"]
            changes[row["name"]] = [Change("~", path, str(version), str(version + 1))]


def _changed_accounts(
    document: Document, changes: Mapping[str, Mapping[str, list[Change]]]
) -> Iterator[str]:
    for holder in document.holders():
        own = f"{holder.kind}.{holder.name}.account."
        found = changes[holder.kind].get(holder.name, [])
        if any(change.path.startswith(own) for change in found):
            yield holder.account_name


def _summary(found: Plan) -> str:
    signs = [change.sign for change in found.changes]
    counts = " ".join(f"{sign}{signs.count(sign)}" for sign in "+~-")
    names = [
        f"{kind} {name}"
        for kind, changed in (
            ("calendar", found.calendars),
            ("tariff", found.tariffs | found.outdated),
            ("reseller", found.resellers),
            ("tenant", found.tenants),
        )
        for name in sorted(changed)
    ]
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{counts}: {', '.join(names[:20])}{more}"


async def _write_prices(
    connection: Connection, document: Document, rows: Rows, found: Plan
) -> None:
    """Calendars, then the tariffs that keep copies of them."""
    for calendar in document.calendars:
        if calendar.name in found.calendars:
            await write_calendar(connection, calendar)
    calendars = future_calendars(rows.calendars, document)
    for tariff in document.tariffs:
        if tariff.name in found.tariffs:
            rates = [rate.to_rate() for rate in tariff.rates]
            await write_version(
                connection,
                tariff.name,
                tariff.currency,
                rates,
                calendars.get(tariff.calendar or ""),
            )
    for row in rows.tariffs:
        if row["name"] in found.outdated:
            kept = await read_rates(connection, row["version_id"])
            days = calendars[row["calendar"]["name"]]
            await write_version(connection, row["name"], row["currency"], kept, days)


async def _write_holders(connection: Connection, document: Document, found: Plan) -> None:
    """Resellers and tenants with all they have, and last their money."""
    changed = {"resellers": found.resellers, "tenants": found.tenants}
    holders = [one for one in document.holders() if one.name in changed[one.kind]]
    accounts = await open_accounts(connection, document, holders)
    for reseller in _parents_first(document.resellers):
        if reseller.name in found.resellers:
            account_id = accounts[f"reseller:{reseller.name}"]["id"]
            await _write_reseller(connection, reseller, account_id)
    tenants = [tenant for tenant in document.tenants if tenant.name in found.tenants]
    for tenant in tenants:
        # All removals first: a DID may move from one tenant of the file to another.
        kept = [did.number for did in tenant.dids]
        await queries.remove_dids(connection, tenant=tenant.name, kept=kept)
    for tenant in tenants:
        await _write_tenant(connection, tenant, accounts[f"tenant:{tenant.name}"]["id"])
    paying = [one for one in holders if one.account_name in found.accounts]
    await move_money(connection, document, paying, accounts)


def _parents_first(resellers: Sequence[ResellerEntry]) -> list[ResellerEntry]:
    """The resellers so that each comes after the one that sells to it; there are no circles."""
    by_name = {reseller.name: reseller for reseller in resellers}
    ordered: dict[str, ResellerEntry] = {}

    def take(reseller: ResellerEntry) -> None:
        parent = by_name.get(reseller.reseller or "")
        if parent:
            take(parent)
        ordered.setdefault(reseller.name, reseller)

    for reseller in resellers:
        take(reseller)
    return list(ordered.values())


async def _write_reseller(connection: Connection, reseller: ResellerEntry, account_id: int) -> None:
    await queries.write_reseller(
        connection,
        name=reseller.name,
        timezone=reseller.timezone,
        account_id=account_id,
        tariff=reseller.tariff,
        line_tariff=reseller.line_tariff,
        reseller=reseller.reseller,
        limits=limits_json(reseller.account.limits.to_limits()),
    )


async def _write_tenant(connection: Connection, tenant: TenantEntry, account_id: int) -> None:
    tenant_id = await queries.write_tenant(
        connection, account_id=account_id, **tenant_columns(tenant)
    )
    dids = [did_columns(did) for did in tenant.dids]
    lines = [line_columns(line) for line in tenant.lines]
    await queries.remove_did_parts(connection, tenant_id=tenant_id)
    await queries.remove_lines(
        connection, tenant_id=tenant_id, kept=[line.name for line in tenant.lines]
    )
    await queries.write_lines(connection, tenant_id=tenant_id, lines=lines)
    await queries.write_dids(connection, tenant_id=tenant_id, dids=dids)
    await queries.write_did_parts(connection, tenant_id=tenant_id, dids=dids)
