"""How long a caller waits for the ledger's answer; used by charging.charge."""

import asyncio
from collections.abc import Awaitable, Sequence

import structlog

from callctl.charging.leg_money import LegMoney
from callctl.errors import DatabaseUnavailable
from callctl.ledger import Answer, Teller, TransferRequest
from callctl.ledger.requests import Urgency

ANSWER_SECONDS_MAX = 2.0
_log = structlog.get_logger()


async def reserved(teller: Teller, step: Sequence[TransferRequest]) -> tuple[Answer, ...]:
    """The answers to a step that reserves; raises DatabaseUnavailable when they are late.

    The step is not taken back: what became of it is found out later, by its ids.
    """
    asking = asyncio.shield(teller.submit(step, Urgency.RESERVE))
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await asking
    except TimeoutError:
        raise DatabaseUnavailable(
            f"no answer from the ledger in {ANSWER_SECONDS_MAX:g} s"
        ) from None


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
