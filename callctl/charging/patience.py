"""How long a caller waits for the ledger's answer; used by charging.charge.

Money that was asked for and not heard of is in doubt: it may be held, or be held any moment now.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress

import structlog

from callctl.charging.leg_money import LegMoney, holding_nothing, voiding
from callctl.errors import DatabaseBusy, DatabaseUnavailable, ReservationUnknown, TransferMismatch
from callctl.ledger import Answer, Teller, TransferRequest
from callctl.ledger.requests import Urgency

ANSWER_SECONDS_MAX = 2.0
_log = structlog.get_logger()


async def reserved(
    teller: Teller, step: Sequence[TransferRequest], in_doubt: list[TransferRequest]
) -> tuple[Answer, ...]:
    """The answers to a step that reserves; raises DatabaseUnavailable when they are late.

    Such a step is put `in_doubt`: `void` takes it back. Where somebody else has kept one of its
    accounts locked for longer than a caller waits, nothing is asked, and DatabaseBusy comes at
    once. Cancelled, the step is in doubt as well.
    """
    accounts = {request.from_account_id for request in step}
    patience = ANSWER_SECONDS_MAX - teller.locks.seconds(accounts)
    if patience <= 0:
        raise DatabaseBusy
    try:
        async with asyncio.timeout(patience):
            return await teller.submit(step, Urgency.RESERVE)
    except TimeoutError:
        in_doubt += step
        raise DatabaseUnavailable(f"no answer from the ledger in {patience:.2g} s") from None
    except (DatabaseUnavailable, asyncio.CancelledError):
        in_doubt += step
        raise


async def void(teller: Teller, request: TransferRequest) -> None:
    """Give back what a request in doubt holds; one that is still under way finds it is too late.

    Where there is no reservation yet, one of nothing is made and closed: whatever comes after
    that under its name is refused. Raises DatabaseUnavailable.
    """
    end = voiding(request)
    with suppress(ReservationUnknown):
        await teller.submit([end], Urgency.SETTLE)
        return
    with suppress(TransferMismatch):  # it was made in between
        await teller.submit([holding_nothing(request), end], Urgency.SETTLE)
        return
    with suppress(ReservationUnknown):  # it is closed already
        await teller.submit([end], Urgency.SETTLE)


async def given_back(settling: Awaitable[None], legs: Sequence[LegMoney]) -> list[TransferRequest]:
    """Settle legs that cost nothing; what is to be sent again later if the ledger is late.

    Another line may be there to talk: he does not wait for it.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await settling
    except (DatabaseUnavailable, TimeoutError):
        _log.warning("not_given_back_yet", legs=len(legs))
        return [request for leg in legs for request in leg.settle(0)[1]]
    return []
