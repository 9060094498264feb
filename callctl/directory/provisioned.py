"""What a provisioning file says about things that are provisioned already; called by apply.

A DID, line or reseller may name a tariff, a tenant a reseller and a tariff a calendar that the
file does not have. Everything that is wrong is listed with its line, its field and what to do.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.directory.answering_surroundings import (
    answering_problems,
    calendar_names,
    missing_calendar_message,
)
from callctl.directory.coverage import unpriced, unpriced_message, users_without_price
from callctl.directory.document import Document, Holder
from callctl.directory.fields import show_amount
from callctl.directory.references import currency_message
from callctl.directory.rows import Row, Rows
from callctl.directory.yaml_tree import Path, listed
from callctl.errors import Problem

_CHAIN_MAX = 5  # resellers above one tenant


class _Use(NamedTuple):
    """Where the file names a tariff, and the number that it must price ("": a hidden caller)."""

    path: Path
    tariff: str
    currency: str
    number: str


async def provisioned_problems(
    connection: Connection, document: Document, rows: Rows
) -> list[Problem]:
    """All that contradicts what is provisioned; `rows` has the file's tenants."""
    return [
        *_tariff_problems(document, rows),
        *await _use_problems(connection, document, rows),
        *await _change_problems(connection, document, rows),
        *_reseller_problems(document, rows),
        *_account_problems(document, rows),
        *await _owner_problems(connection, document),
        *await answering_problems(connection, document, rows),
    ]


def _tariff_problems(document: Document, rows: Rows) -> Iterator[Problem]:
    known = {row["name"]: row for row in rows.tariffs}
    calendars = calendar_names(document, rows)
    for index, tariff in enumerate(document.tariffs):
        row = known.get(tariff.name)
        if row and row["currency"] != tariff.currency:
            path = ("tariffs", index, "currency")
            yield document.problem(path, kept_currency_message(row["currency"]))
        if tariff.calendar is not None and tariff.calendar not in calendars:
            message = missing_calendar_message(tariff.calendar, calendars)
            yield document.problem(("tariffs", index, "calendar"), message)


def _uses(document: Document) -> Iterator[_Use]:
    """Every place of the file that names a tariff."""
    for index, reseller in enumerate(document.resellers):
        path: Path = ("resellers", index)
        currency = reseller.account.currency
        yield _Use((*path, "tariff"), reseller.tariff, currency, "")
        if reseller.line_tariff:
            yield _Use((*path, "line_tariff"), reseller.line_tariff, currency, "")
    for index, tenant in enumerate(document.tenants):
        path = ("tenants", index)
        currency = tenant.account.currency
        for position, line in enumerate(tenant.lines):
            for key in ("tariff", "carrier_tariff"):
                tariff = getattr(line, key)
                if tariff:
                    at = (*path, "lines", position, key)
                    yield _Use(at, tariff, currency, line.number)
        for position, did in enumerate(tenant.dids):
            yield _Use((*path, "dids", position, "tariff"), did.tariff, currency, "")
            for key in ("tariff", "carrier_tariff"):
                tariff = getattr(did.callback, key, None)
                if tariff:
                    within: Path = (*path, "dids", position, "callback", key)
                    yield _Use(within, tariff, currency, "")


async def _use_problems(connection: Connection, document: Document, rows: Rows) -> list[Problem]:
    """Tariffs that the file names and does not have; the others were checked as it was read."""
    own = {tariff.name for tariff in document.tariffs}
    known = {row["name"]: row for row in rows.tariffs}
    problems, priced = [], []
    for use in _uses(document):
        if use.tariff in own:
            continue
        row = known.get(use.tariff)
        if row is None:
            message = f"there is no tariff {use.tariff!r}{listed({*own, *known})}: add it to this "
            message += "file, or first callctl tariff import"
            problems.append(document.problem(use.path, message))
        elif row["currency"] != use.currency:
            message = currency_message(use.tariff, row["currency"], use.currency)
            problems.append(document.problem(use.path, message))
        else:
            priced.append((use, row["version_id"]))
    wanted = [(version_id, use.number) for use, version_id in priced]
    for position in await unpriced(connection, wanted):
        use, _ = priced[position]
        problems.append(document.problem(use.path, unpriced_message(use.number)))
    return problems


async def _change_problems(connection: Connection, document: Document, rows: Rows) -> list[Problem]:
    """Tariffs that would leave somebody who is not in the file without a price."""
    known = {row["name"] for row in rows.tariffs}
    problems = []
    for index, tariff in enumerate(document.tariffs):
        if tariff.name not in known:
            continue
        users = await users_without_price(
            connection,
            tariff.name,
            [rate.to_rate() for rate in tariff.rates],
            tenants=[tenant.name for tenant in document.tenants],
            resellers=[reseller.name for reseller in document.resellers],
        )
        if users:
            problems.append(document.problem(("tariffs", index, "rates"), users_message(users)))
    return problems


def kept_currency_message(currency: str) -> str:
    """What to say of a tariff in `currency` that shall have another."""
    return f"this tariff is in {currency}: give one in another currency a new name"


def users_message(users: list[str]) -> str:
    """What to say of a tariff that leaves `users` without a price."""
    more = f" and {len(users) - 3} more" if len(users) > 3 else ""
    return (
        f"{', '.join(users[:3])}{more} would have calls without a price: add a rate without prefix"
    )


class _Node(NamedTuple):
    """A reseller as it will be: who sells to it, in what currency, and where the file has it."""

    parent: str | None
    currency: str
    path: Path | None


def _nodes(document: Document, rows: Rows) -> dict[str, _Node]:
    nodes = {row["name"]: _Node(row["reseller"], row["currency"], None) for row in rows.resellers}
    for index, reseller in enumerate(document.resellers):
        path = ("resellers", index, "reseller")
        nodes[reseller.name] = _Node(reseller.reseller, reseller.account.currency, path)
    return nodes


def _reseller_problems(document: Document, rows: Rows) -> Iterator[Problem]:
    nodes = _nodes(document, rows)
    buyers: list[tuple[Path, str | None, str]] = [
        (("resellers", index, "reseller"), reseller.reseller, reseller.account.currency)
        for index, reseller in enumerate(document.resellers)
    ]
    buyers += [
        (("tenants", index, "reseller"), tenant.reseller, tenant.account.currency)
        for index, tenant in enumerate(document.tenants)
    ]
    for path, seller, currency in buyers:
        if seller is None:
            continue
        if seller not in nodes:
            message = f"there is no reseller {seller!r}{listed(nodes)}: add it to this file"
            yield document.problem(path, message)
        elif nodes[seller].currency != currency:
            message = f"reseller {seller!r} is in {nodes[seller].currency} and this account in "
            message += f"{currency}: resellers and their tenants need one currency"
            yield document.problem(path, message)
    yield from _chain_problems(document, nodes)


def _chain_problems(document: Document, nodes: Mapping[str, _Node]) -> Iterator[Problem]:
    """Resellers that sell to themselves in the end, and chains that are too long."""
    told: set[str] = set()
    for name in nodes:
        chain, end = _chain(name, nodes)
        path = next((nodes[one].path for one in chain if nodes[one].path), None)
        if path is None or told & set(chain):
            continue
        if end in chain:
            circle = " < ".join([*chain[chain.index(end) :], end])
            message = f"{circle} is a circle: one of them must have no reseller above it"
        elif len(chain) > _CHAIN_MAX:
            message = f"{' < '.join(chain)} are {len(chain)} resellers, one above the other: "
            message += f"at most {_CHAIN_MAX} are possible"
        else:
            continue
        told |= set(chain)
        yield document.problem(path, message)


def _chain(name: str, nodes: Mapping[str, _Node]) -> tuple[list[str], str]:
    """A reseller and those above it; then the first that repeats or is not known, or ""."""
    chain: list[str] = []
    at = name
    while at in nodes and at not in chain:
        chain.append(at)
        at = nodes[at].parent or ""
    return chain, at


def _account_problems(document: Document, rows: Rows) -> Iterator[Problem]:
    known = {
        "resellers": {row["name"]: row for row in rows.resellers},
        "tenants": {row["name"]: row for row in rows.tenants},
    }
    for holder in document.holders():
        row = known[holder.kind].get(holder.name)
        if row is None:
            continue
        for name, message in _account_refusals(holder, row):
            yield document.problem((*holder.path, "account", name), message)


def _account_refusals(holder: Holder, row: Row) -> Iterator[tuple[str, str]]:
    """What of an opened account cannot become as the file says: field and message."""
    account, topup = holder.account, f"callctl account topup {holder.shown_name}"
    if account.currency != row["currency"]:
        message = f"the account is in {row['currency']}: write that, or open a new one"
        yield "currency", message
    if account.opening_balance_micros != row["opening_balance_micros"]:
        opened = show_amount(row["opening_balance_micros"])
        message = f'the account was opened with "{opened}": write that, and use {topup} '
        yield "opening_balance", message + "for more money"
    least = -row["unheld_micros"]
    if account.credit_limit_micros < min(least, row["credit_limit_micros"]):
        message = f"{show_amount(least)} of the credit is in use: write at least that, or first "
        yield "credit_limit", message + topup


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
