"""The accounts of tenants and resellers: opened, limited and credited; called by directory.apply.

An opening balance moves in the same transaction as all else, by the ledger's own SQL function,
under an id that the account's name determines: it cannot move twice.
"""

import uuid
from collections.abc import Sequence

from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.directory.document import Document, Holder
from callctl.directory.reading import refusal
from callctl.directory.rows import Row
from callctl.errors import ConfigurationRefused
from callctl.values.ids import derived_id

_OPENINGS = uuid.UUID("5d0c0f0e-6a44-4a0c-9d1b-0f3f6f3a2b51")  # parent of every opening's id
_KINDS = {"tenants": "prepaid", "resellers": "reseller"}


async def open_accounts(
    connection: Connection, document: Document, holders: Sequence[Holder]
) -> dict[str, Row]:
    """Open the accounts that are missing; return all that `holders` need, by name."""
    wanted: dict[str, tuple[str, str]] = {}
    for holder in holders:
        currency = holder.account.currency
        wanted[holder.account_name] = (_KINDS[holder.kind], currency)
        wanted[f"clearing:{currency}"] = ("clearing", currency)
        wanted[f"revenue:{currency}"] = ("revenue", currency)
        if holder.kind == "resellers":
            wanted[f"revenue:{holder.account_name}"] = ("revenue", currency)
        for trunk in document.carriers_of(holder):
            wanted[f"carrier:{trunk}:{currency}"] = ("carrier", currency)
    names = list(wanted)
    await queries.add_accounts(
        connection,
        names=names,
        kinds=[kind for kind, _ in wanted.values()],
        currencies=[currency for _, currency in wanted.values()],
    )
    rows = await queries.find_accounts_by_name(connection, names=names)
    accounts = {row["name"]: row for row in rows}
    for holder in holders:
        row = accounts[holder.account_name]
        if (row["kind"], row["currency"]) != wanted[holder.account_name]:
            message = f"there is an account {row['name']} in {row['currency']}: write that"
            path = (*holder.path, "account", "currency")
            raise refusal([document.problem(path, message)])
    return accounts


async def move_money(
    connection: Connection,
    document: Document,
    holders: Sequence[Holder],
    accounts: dict[str, Row],
) -> None:
    """Set credit limits and credit opening balances; last, since calls wait for the accounts."""
    names = [holder.account_name for holder in holders]
    names += {f"clearing:{holder.account.currency}" for holder in holders}
    locked = await queries.lock_accounts_by_name(connection, names=names)
    standing = {row["name"]: row for row in locked}
    for holder in holders:
        await _set_limit(connection, document, holder, standing[holder.account_name])
    await _credit_openings(connection, holders, accounts)


async def _set_limit(
    connection: Connection, document: Document, holder: Holder, account: Row
) -> None:
    """Set the credit limit; the account is locked now, so what `plan` saw is looked at again."""
    limit = holder.account.credit_limit_micros
    if account["balance_micros"] + limit < account["held_micros"]:
        message = "calls took more of the credit just now: write more, or top up first"
        path = (*holder.path, "account", "credit_limit")
        raise refusal([document.problem(path, message)])
    await queries.set_credit_limit(connection, account_id=account["id"], credit_limit_micros=limit)


async def _credit_openings(
    connection: Connection, holders: Sequence[Holder], accounts: dict[str, Row]
) -> None:
    opened = [holder for holder in holders if holder.account.opening_balance_micros]
    count = len(opened)
    outcomes = await queries.credit_openings(
        connection,
        steps=list(range(count)),
        ids=[derived_id(_OPENINGS, holder.account_name) for holder in opened],
        kinds=["opening"] * count,
        reservations=[None] * count,
        legs=[None] * count,
        payers=[accounts[f"clearing:{holder.account.currency}"]["id"] for holder in opened],
        payees=[accounts[holder.account_name]["id"] for holder in opened],
        amounts=[holder.account.opening_balance_micros for holder in opened],
        holds=[0] * count,
        memos=["opening balance"] * count,
    )
    for holder, row in zip(opened, outcomes, strict=True):
        if row["outcome"] != "granted":
            raise ConfigurationRefused(
                f"the ledger answered {row['outcome']} to the opening balance of {holder.name}; "
                "nothing was changed"
            )
