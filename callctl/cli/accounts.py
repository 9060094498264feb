"""`callctl account`: balances, statements, and money put in or taken out by hand."""

import asyncio
import uuid
from datetime import datetime
from typing import Annotated, NamedTuple

import typer

from callctl import clock
from callctl.api.answers import AccountAnswer, EntryAnswer
from callctl.cli import show
from callctl.cli.session import load_settings, open_database
from callctl.cli.wanted import parse_since
from callctl.errors import DatabaseUnavailable
from callctl.values.money import parse_micros
from callctl.views import Views

_COLUMNS = ("account", "tenant", ">balance", ">held", ">available", ">credit limit", "currency")
_ENTRY_COLUMNS = ("time", "kind", ">amount", ">balance", "caller", "did", "memo")
_SPARE = (">credit limit", "tenant")
_ENTRY_SPARE = ("memo", "did")
_STATEMENT_ROWS_MAX = 1000

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]
Name = Annotated[str, typer.Argument(help="The account's name, or its tenant's.")]
Amount = Annotated[str, typer.Argument(help="In the account's currency, such as 100.00.")]
Memo = Annotated[str, typer.Option(help="For the statement.")]
Source = Annotated[str, typer.Option(help="Where the money is from or goes to: bank, card, ...")]
TransferId = Annotated[
    uuid.UUID | None,
    typer.Option("--id", help="Of an earlier try whose answer was lost; never done twice."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Balances, statements, top-ups, fees.", no_args_is_help=True)
    group.command("list")(list_accounts)
    group.command("show")(show_account)
    group.command("topup")(top_up)
    group.command("refund")(refund)
    group.command("fee")(charge_fee)
    app.add_typer(group, name="account")


def list_accounts(
    *,
    is_all: Annotated[
        bool, typer.Option("--all", help="Those that keep limits, and what they count, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the accounts."""
    accounts = asyncio.run(_read_all(with_limits=is_all))
    if as_json:
        show.print_json(accounts)
    else:
        none = "no accounts: callctl apply FILE.yaml"
        show.print_table(_COLUMNS, map(_row, accounts), none=none, spare=_SPARE)


def show_account(
    name: Name,
    *,
    statement: Annotated[
        int, typer.Option(min=0, max=_STATEMENT_ROWS_MAX, help="So many latest entries.")
    ] = 0,
    at: Annotated[
        str | None, typer.Option(help="As it was at 2026-10-01T21:00, or 90m, 24h, 7d ago.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show an account's balance, what is held, and what can be spent; now or at a past moment."""
    moment = parse_since(at, clock.now(), "--at") if at else None
    account, entries = asyncio.run(_read(name, statement, moment))
    if as_json:
        answer: dict[str, object] = account.model_dump(mode="json")
        if statement:
            answer["statement"] = [entry.model_dump(mode="json") for entry in entries]
        show.print_json(answer)
        return
    title = f"as of {show.show_time(moment)}" if moment else ""
    show.print_table(_COLUMNS, [_row(account)], none="", title=title, spare=_SPARE)
    if statement:
        print()
        rows = map(_entry_row, entries)
        show.print_table(_ENTRY_COLUMNS, rows, none="no entries", spare=_ENTRY_SPARE)


def top_up(
    name: Name,
    amount: Amount,
    *,
    transfer_id: TransferId = None,
    memo: Memo = "",
    source: Source = "",
    as_json: AsJson = False,
) -> None:
    """Credit an account."""
    transfer = _Transfer("topup", "credited", transfer_id, memo, source)
    _move(name, amount, transfer, as_json=as_json)


def refund(
    name: Name,
    amount: Amount,
    *,
    transfer_id: TransferId = None,
    memo: Memo = "",
    source: Source = "",
    as_json: AsJson = False,
) -> None:
    """Take out money that is paid back to the customer; no more than is available."""
    transfer = _Transfer("refund", "refunded", transfer_id, memo, source)
    _move(name, amount, transfer, as_json=as_json)


def charge_fee(
    name: Name,
    amount: Amount,
    *,
    transfer_id: TransferId = None,
    memo: Memo = "",
    as_json: AsJson = False,
) -> None:
    """Charge a fee; no more than is available."""
    transfer = _Transfer("fee", "charged", transfer_id, memo)
    _move(name, amount, transfer, as_json=as_json)


class _Transfer(NamedTuple):
    """What to move money for: `done` says it in the past tense."""

    kind: str
    done: str
    id: uuid.UUID | None
    memo: str
    source: str = ""


def _move(name: str, amount: str, transfer: _Transfer, *, as_json: bool) -> None:
    from callctl.cli.topup import move  # noqa: PLC0415 - only here is the ledger written

    kind, done, given_id, memo, source = transfer
    transfer_id = given_id or uuid.uuid4()
    micros = parse_micros(amount)
    try:
        account = asyncio.run(move(kind, name, micros, transfer_id, memo=memo, source=source))
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(
            f"{error}; whether it was {done} is unknown: repeat it with --id {transfer_id}"
        ) from error
    if as_json:
        show.print_json({"transfer_id": str(transfer_id), **account.model_dump(mode="json")})
        return
    print(f"{done}; transfer {transfer_id}")
    show.print_table(_COLUMNS, [_row(account)], none="", spare=_SPARE)


async def _read_all(*, with_limits: bool) -> list[AccountAnswer]:
    async with open_database(load_settings()) as database:
        accounts = await Views(database).accounts(with_limits=with_limits)
        return [AccountAnswer.model_validate(account) for account in accounts]


async def _read(
    name: str, statement: int, at: datetime | None
) -> tuple[AccountAnswer, list[EntryAnswer]]:
    async with open_database(load_settings()) as database:
        views = Views(database)
        account = AccountAnswer.model_validate(await views.account(name, at))
        entries = await views.statement(name, statement, at) if statement else []
        return account, [EntryAnswer.model_validate(entry) for entry in entries]


def _row(account: AccountAnswer) -> tuple[show.Cell, ...]:
    return (
        *(account.name, account.tenant, account.balance, account.held, account.available),
        *(account.credit_limit, account.currency),
    )


def _entry_row(entry: EntryAnswer) -> tuple[show.Cell, ...]:
    return (
        *(show.show_time(entry.created_at), entry.kind, entry.amount, entry.balance),
        *(entry.caller, entry.did, entry.memo),
    )
