"""How long a caller waits for the ledger's answer; used by charging.charge."""

import asyncio
from collections.abc import Sequence

from callctl.errors import DatabaseUnavailable
from callctl.ledger import Answer, Teller, TransferRequest
from callctl.ledger.requests import Urgency

ANSWER_SECONDS_MAX = 2.0


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
