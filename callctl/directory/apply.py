"""Makes the directory what a provisioning file says, or shows what would change; called by cli.

A tenant in the file becomes exactly as written; tenants and tariffs that are not in it stay.
Accounts are never deleted. The money of an opening balance moves in the same transaction, by the
ledger's own SQL function, under an id that the tenant's name determines: it cannot move twice.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from callctl.db.pool import Connection, Database
from callctl.db.queries import queries
from callctl.directory.document import Document, TariffEntry, TenantEntry, show_amount
from callctl.directory.plain import Change, Plain, difference, plain_rows
from callctl.directory.reading import refusal
from callctl.directory.rows import Row, read_rows
from callctl.errors import ConfigurationRefused, Problem
from callctl.values.ids import derived_id

_OPENINGS = uuid.UUID("5d0c0f0e-6a44-4a0c-9d1b-0f3f6f3a2b51")  # parent of every opening's id


@dataclass(frozen=True, slots=True)
class Plan:
    """What differs between the file and the directory; `revision_id` once it is applied."""

    changes: tuple[Change, ...] = ()
    tariffs: frozenset[str] = frozenset()  # names of those that change
    tenants: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()  # names of the tenants whose accounts change
    revision_id: int | None = None


async def plan(connection: Connection, document: Document) -> Plan:
    """What `apply` would change; raises ConfigurationRefused for what it would refuse."""
    rows = await read_rows(connection, [tenant.name for tenant in document.tenants])
    problems = [
        *_tariff_problems(document, {row["name"]: row for row in rows.tariffs}),
        *_account_problems(document, {row["name"]: row for row in rows.tenants}),
        *await _owner_problems(connection, document),
    ]
    if problems:
        raise refusal(problems)
    old, new = plain_rows(rows), document.to_plain()
    tariffs = _changes("tariffs", old, new)
    tenants = _changes("tenants", old, new)
    return Plan(
        changes=tuple(change for found in (tariffs | tenants).values() for change in found),
        tariffs=frozenset(path.partition(".")[2] for path in tariffs),
        tenants=frozenset(path.partition(".")[2] for path in tenants),
        accounts=frozenset(
            path.partition(".")[2]
            for path, found in tenants.items()
            if any(change.path.startswith(f"{path}.account.") for change in found)
        ),
    )


async def apply(database: Database, document: Document) -> Plan:
    """Write the difference in one transaction and tell the running switches; all or nothing.

    Without a difference nothing is written. Raises ConfigurationRefused, DatabaseError.
    """
    async with database.transaction() as connection:
        await queries.lock_directory(connection)
        found = await plan(connection, document)
        if not found.changes:
            return found
        tenants = [tenant for tenant in document.tenants if tenant.name in found.tenants]
        for tariff in document.tariffs:
            if tariff.name in found.tariffs:
                await _write_tariff(connection, tariff)
        accounts = await _open_accounts(connection, document, tenants)
        for tenant in tenants:
            # All removals first: a DID may move from one tenant of the file to another.
            kept = [did.number for did in tenant.dids]
            await queries.remove_dids(connection, tenant=tenant.name, kept=kept)
        for tenant in tenants:
            await _write_tenant(connection, tenant, accounts[account_name(tenant.name)]["id"])
        paying = [tenant for tenant in tenants if tenant.name in found.accounts]
        await _move_money(connection, document, paying, accounts)
        revision_id = await queries.announce_revision(connection, summary=_summary(found))
    return replace(found, revision_id=revision_id)


def account_name(tenant: str) -> str:
    """The name of a tenant's account in the ledger."""
    return f"tenant:{tenant}"


def _changes(kind: str, old: Plain, new: Plain) -> dict[str, list[Change]]:
    """The changes of each entry of the file that has any, by its path."""
    before = {entry["name"]: entry for entry in old[kind]}
    found = {
        f"{kind}.{entry['name']}": difference(
            f"{kind}.{entry['name']}", before.get(entry["name"]), entry
        )
        for entry in new[kind]
    }
    return {path: changes for path, changes in found.items() if changes}


def _summary(found: Plan) -> str:
    signs = [change.sign for change in found.changes]
    counts = " ".join(f"{sign}{signs.count(sign)}" for sign in "+~-")
    names = [*(f"tariff {name}" for name in sorted(found.tariffs))]
    names += [f"tenant {name}" for name in sorted(found.tenants)]
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{counts}: {', '.join(names[:20])}{more}"


def _tariff_problems(document: Document, known: dict[str, Row]) -> list[Problem]:
    problems = []
    for index, tariff in enumerate(document.tariffs):
        row = known.get(tariff.name)
        if row and row["currency"] != tariff.currency:
            message = (
                f"this tariff is in {row['currency']}: give one in another currency a new name"
            )
            problems.append(document.problem(("tariffs", index, "currency"), message))
    return problems


def _account_problems(document: Document, known: dict[str, Row]) -> list[Problem]:
    problems = []
    for index, tenant in enumerate(document.tenants):
        row = known.get(tenant.name)
        if row is None:
            continue
        for name, message in _account_refusals(tenant, row):
            problems.append(document.problem(("tenants", index, "account", name), message))
    return problems


def _account_refusals(tenant: TenantEntry, row: Row) -> list[tuple[str, str]]:
    """What of an opened account cannot become as the file says: field and message."""
    account, refused = tenant.account, []
    if account.currency != row["currency"]:
        message = f"the account is in {row['currency']}: write that, or open a new tenant"
        refused.append(("currency", message))
    if account.opening_balance_micros != row["opening_balance_micros"]:
        opened = show_amount(row["opening_balance_micros"])
        message = f'the account was opened with "{opened}": write that, and use callctl account '
        refused.append(("opening_balance", message + f"topup {tenant.name} for more money"))
    if account.credit_limit_micros < row["credit_limit_micros"]:
        least = -row["unheld_micros"]
        if account.credit_limit_micros < least:
            message = f"{show_amount(least)} of the credit is in use: write at least that, or "
            refused.append(("credit_limit", message + f"first callctl account topup {tenant.name}"))
    return refused


async def _owner_problems(connection: Connection, document: Document) -> list[Problem]:
    """DIDs that belong to tenants who are not in the file; those who are give them up in it."""
    at = {
        did.number: ("tenants", index, "dids", position, "number")
        for index, tenant in enumerate(document.tenants)
        for position, did in enumerate(tenant.dids)
    }
    names = {tenant.name for tenant in document.tenants}
    owners = await queries.find_did_owners(connection, numbers=list(at))
    return [
        document.problem(
            at[row["number"]],
            f"{row['number']} belongs to tenant {row['tenant']}: delete it here, or put that "
            "tenant in the file without it",
        )
        for row in owners
        if row["tenant"] not in names
    ]


async def _write_tariff(connection: Connection, tariff: TariffEntry) -> None:
    tariff_id = await queries.add_tariff(connection, name=tariff.name, currency=tariff.currency)
    rates = [
        {
            "prefix": rate.prefix,
            "connect_fee_micros": rate.connect_fee_micros,
            "price_per_minute_micros": rate.price_per_minute_micros,
            "minimum_seconds": rate.minimum_seconds,
            "first_increment_seconds": rate.increments.first_seconds,
            "next_increment_seconds": rate.increments.next_seconds,
            "round_to_micros": rate.round_to_micros,
        }
        for rate in tariff.rates
    ]
    await queries.add_tariff_version(connection, tariff_id=tariff_id, rates=rates)


async def _open_accounts(
    connection: Connection, document: Document, tenants: Sequence[TenantEntry]
) -> dict[str, Row]:
    """Open the accounts that are missing; return all that `tenants` need, by name."""
    wanted: dict[str, tuple[str, str]] = {}
    for tenant in tenants:
        currency = tenant.account.currency
        wanted[account_name(tenant.name)] = ("prepaid", currency)
        wanted[f"clearing:{currency}"] = ("clearing", currency)
        wanted[f"revenue:{currency}"] = ("revenue", currency)
    names = list(wanted)
    await queries.add_accounts(
        connection,
        names=names,
        kinds=[kind for kind, _ in wanted.values()],
        currencies=[currency for _, currency in wanted.values()],
    )
    rows = await queries.find_accounts_by_name(connection, names=names)
    accounts = {row["name"]: row for row in rows}
    for tenant in tenants:
        row = accounts[account_name(tenant.name)]
        if (row["kind"], row["currency"]) != ("prepaid", tenant.account.currency):
            path = ("tenants", document.tenants.index(tenant), "account", "currency")
            message = f"there is an account {row['name']} in {row['currency']}: write that"
            raise refusal([document.problem(path, message)])
    return accounts


async def _move_money(
    connection: Connection,
    document: Document,
    tenants: Sequence[TenantEntry],
    accounts: dict[str, Row],
) -> None:
    """Set credit limits and credit opening balances; last, since calls wait for the accounts."""
    names = [account_name(tenant.name) for tenant in tenants]
    names += {f"clearing:{tenant.account.currency}" for tenant in tenants}
    locked = await queries.lock_accounts_by_name(connection, names=names)
    standing = {row["name"]: row for row in locked}
    for tenant in tenants:
        await _set_limit(connection, document, tenant, standing[account_name(tenant.name)])
    await _credit_openings(connection, tenants, accounts)


async def _set_limit(
    connection: Connection, document: Document, tenant: TenantEntry, account: Row
) -> None:
    """Set the credit limit; the account is locked now, so what `plan` saw is looked at again."""
    limit = tenant.account.credit_limit_micros
    if account["balance_micros"] + limit < account["held_micros"]:
        path = ("tenants", document.tenants.index(tenant), "account", "credit_limit")
        message = "calls took more of the credit just now: write more, or top up first"
        raise refusal([document.problem(path, message)])
    await queries.set_credit_limit(connection, account_id=account["id"], credit_limit_micros=limit)


async def _credit_openings(
    connection: Connection, tenants: Sequence[TenantEntry], accounts: dict[str, Row]
) -> None:
    opened = [tenant for tenant in tenants if tenant.account.opening_balance_micros]
    count = len(opened)
    outcomes = await queries.credit_openings(
        connection,
        steps=list(range(count)),
        ids=[derived_id(_OPENINGS, account_name(tenant.name)) for tenant in opened],
        kinds=["opening"] * count,
        reservations=[None] * count,
        legs=[None] * count,
        payers=[accounts[f"clearing:{tenant.account.currency}"]["id"] for tenant in opened],
        payees=[accounts[account_name(tenant.name)]["id"] for tenant in opened],
        amounts=[tenant.account.opening_balance_micros for tenant in opened],
        holds=[0] * count,
        memos=["opening balance"] * count,
    )
    for tenant, row in zip(opened, outcomes, strict=True):
        if row["outcome"] != "granted":
            raise ConfigurationRefused(
                f"the ledger answered {row['outcome']} to the opening balance of {tenant.name}; "
                "nothing was changed"
            )


async def _write_tenant(connection: Connection, tenant: TenantEntry, account_id: int) -> None:
    tenant_id = await queries.write_tenant(
        connection,
        name=tenant.name,
        language=tenant.language,
        timezone=tenant.timezone,
        account_id=account_id,
        warn_seconds=tenant.account.warn_seconds,
    )
    dids = [dict(did) for did in tenant.dids]
    lines = [dict(line) for line in tenant.lines]
    await queries.remove_did_parts(connection, tenant_id=tenant_id)
    await queries.remove_lines(
        connection, tenant_id=tenant_id, kept=[line.name for line in tenant.lines]
    )
    await queries.write_lines(connection, tenant_id=tenant_id, lines=lines)
    await queries.write_dids(connection, tenant_id=tenant_id, dids=dids)
    await queries.write_did_parts(connection, tenant_id=tenant_id, dids=dids)
