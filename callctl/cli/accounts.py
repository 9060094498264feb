"""`callctl account`: balances, statements and top-ups."""

import asyncio
import uuid
from typing import Annotated

import typer

from callctl.api.answers import AccountAnswer, EntryAnswer
from callctl.cli import show
from callctl.cli.session import load_settings, open_database
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


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Balances, statements and top-ups.", no_args_is_help=True)
    group.command("list")(list_accounts)
    group.command("show")(show_account)
    group.command("topup")(top_up)
    app.add_typer(group, name="account")


def list_accounts(*, as_json: AsJson = False) -> None:
    """Show every account."""
    accounts = asyncio.run(_read_all())
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
    as_json: AsJson = False,
) -> None:
    """Show an account's balance, what is held, and what can be spent."""
    account, entries = asyncio.run(_read(name, statement))
    if as_json:
        answer: dict[str, object] = account.model_dump(mode="json")
        if statement:
            answer["statement"] = [entry.model_dump(mode="json") for entry in entries]
        show.print_json(answer)
        return
    show.print_table(_COLUMNS, [_row(account)], none="", spare=_SPARE)
    if statement:
        print()
        rows = map(_entry_row, entries)
        show.print_table(_ENTRY_COLUMNS, rows, none="no entries", spare=_ENTRY_SPARE)


def top_up(
    name: Name,
    amount: Annotated[str, typer.Argument(help="In the account's currency, such as 100.00.")],
    *,
    transfer_id: Annotated[
        uuid.UUID | None,
        typer.Option("--id", help="Of an earlier try whose answer was lost; never credited twice."),
    ] = None,
    memo: Annotated[str, typer.Option(help="For the statement.")] = "",
    as_json: AsJson = False,
) -> None:
    """Credit an account."""
    from callctl.cli.topup import credit  # noqa: PLC0415 - only here is the ledger written

    transfer_id = transfer_id or uuid.uuid4()
    try:
        account = asyncio.run(credit(name, parse_micros(amount), transfer_id, memo))
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(
            f"{error}; whether it was credited is unknown: repeat it with --id {transfer_id}"
        ) from error
    if as_json:
        show.print_json({"transfer_id": str(transfer_id), **account.model_dump(mode="json")})
        return
    print(f"credited; transfer {transfer_id}")
    show.print_table(_COLUMNS, [_row(account)], none="", spare=_SPARE)


async def _read_all() -> list[AccountAnswer]:
    async with open_database(load_settings()) as database:
        return [AccountAnswer.model_validate(row) for row in await Views(database).accounts()]


async def _read(name: str, statement: int) -> tuple[AccountAnswer, list[EntryAnswer]]:
    async with open_database(load_settings()) as database:
        views = Views(database)
        account = AccountAnswer.model_validate(await views.account(name))
        entries = await views.statement(name, statement) if statement else []
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
