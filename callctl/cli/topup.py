"""A top-up: money from the currency's clearing account to an account; for `callctl account`."""

import uuid

from callctl.api.answers import AccountAnswer
from callctl.cli.session import load_settings, open_database
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import AccountUnknown, InvalidInput
from callctl.ledger import Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from callctl.views import Views


async def credit(name: str, amount_micros: int, transfer_id: uuid.UUID, memo: str) -> AccountAnswer:
    """Credit the account and return it as it is then; the same id is credited once.

    Raises AccountUnknown, InvalidInput, or TransferMismatch when the id was used for other money.
    """
    if amount_micros <= 0:
        raise InvalidInput("a top-up is more than 0: write an amount such as 100.00")
    async with open_database(load_settings()) as database:
        views = Views(database)
        account = await views.account(name)
        request = TransferRequest(
            id=transfer_id,
            kind=TransferKind.TOPUP,
            from_account_id=await _clearing_account_id(database, account.currency),
            to_account_id=(await queries.find_account(database, name=account.name))["id"],
            amount_micros=amount_micros,
            memo=memo,
        )
        teller = Teller(database)
        await teller.start()
        try:
            await teller.submit([request], Urgency.RESERVE)
        finally:
            await teller.stop()
        return AccountAnswer.model_validate(await views.account(name))


async def _clearing_account_id(database: Database, currency: str) -> int:
    row = await queries.find_clearing_account(database, currency=currency)
    if row is None:
        raise AccountUnknown(f"there is no account clearing:{currency}; callctl apply makes it")
    return int(row["id"])
