"""Money put in or taken out by hand: top-ups, refunds, fees; for `callctl account`.

A top-up comes from the clearing account of its payment source and a refund goes back to one; a fee
goes where the account's calls are posted. What is taken is taken from what is available, never
from what live calls hold.
"""

import re
import uuid

from callctl.api.answers import AccountAnswer
from callctl.cli.session import load_settings, open_database
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import AccountUnknown, InvalidInput, LedgerError
from callctl.ledger import Outcome, Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from callctl.values.money import format_micros
from callctl.views import Account, Views

_PAYING_KINDS = ("prepaid", "reseller")
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")


async def move(
    kind: str, name: str, amount_micros: int, transfer_id: uuid.UUID, *, memo: str, source: str
) -> AccountAnswer:
    """Do a topup, refund or fee, and return the account as it is then; one id is done once.

    `source` names where money comes from or goes back to (bank, card); "" is none in particular.

    Raises AccountUnknown, InvalidInput, LedgerError when less is available, or TransferMismatch
    when the id was used for other money.
    """
    if amount_micros <= 0:
        raise InvalidInput(f"a {kind} is more than 0: write an amount such as 100.00")
    async with open_database(load_settings()) as database:
        views = Views(database)
        account = await views.account(name)
        payer_id, payee_id = await _parties(database, TransferKind(kind), account, source)
        request = TransferRequest(
            id=transfer_id,
            kind=TransferKind(kind),
            from_account_id=payer_id,
            to_account_id=payee_id,
            amount_micros=amount_micros,
            memo=memo,
        )
        teller = Teller(database)
        await teller.start()
        try:
            [answer] = await teller.submit([request], Urgency.RESERVE)
        finally:
            await teller.stop()
        if answer.outcome is Outcome.DENIED:
            raise LedgerError(
                f"{account.name} has {format_micros(answer.available_micros)} available,"
                f" less than {format_micros(amount_micros)}: nothing was taken"
            )
        return AccountAnswer.model_validate(await views.account(name))


async def _parties(
    database: Database, kind: TransferKind, account: Account, source: str
) -> tuple[int, int]:
    """The ids of who pays and who gets it."""
    own_id = int((await queries.find_account(database, name=account.name))["id"])
    if kind is TransferKind.TOPUP:
        return await _clearing_account_id(database, source, account.currency), own_id
    if account.kind not in _PAYING_KINDS:
        raise InvalidInput(f"{account.name} is no account of a tenant or reseller: nobody owns it")
    if kind is TransferKind.REFUND:
        return own_id, await _clearing_account_id(database, source, account.currency)
    revenue_id = await queries.find_revenue_account(database, name=account.name)
    if revenue_id is None:
        raise AccountUnknown(f"nobody gets what {account.name} pays; callctl apply makes it so")
    return own_id, int(revenue_id)


async def _clearing_account_id(database: Database, source: str, currency: str) -> int:
    """The account of a payment source, opened with its first payment."""
    if source and _SOURCE.fullmatch(source) is None:
        raise InvalidInput(f"{source!r} is no payment source: write a word such as bank or card")
    name = f"clearing:{source}:{currency}" if source else f"clearing:{currency}"
    row = await queries.open_clearing_account(database, name=name, currency=currency)
    return int(row["id"])
