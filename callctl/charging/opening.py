"""The block in which a call has money: opened before dialling, settled however it is left.

Entered by flows.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from callctl.charging.bill import Bill
from callctl.charging.charge import Charge, TalkTimes
from callctl.errors import HandedOver


@asynccontextmanager
async def open_charge(
    charge: Charge,
    bill: Bill | None,
    *,
    beside: Sequence[Awaitable[object]],
    talk_times: Callable[[], Awaitable[TalkTimes]],
) -> AsyncIterator[Charge]:
    """The money of a call for the length of the block.

    Reserves the first slice for every payer, or none (`denial`); `beside` is what is
    done at the same time (the live call's row, the first line's leg). Without a bill the charge
    was resumed. On leaving, however the call ended, `talk_times` ends the talk and tells each
    leg's milliseconds; these are rated, the rest is posted, what remains held is voided. A call
    that is handed over keeps what it holds.
    """
    is_kept = False
    try:
        reserving = [charge.reserve_first(bill)] if bill else []
        for result in await asyncio.gather(*reserving, *beside, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        yield charge
    except HandedOver:
        is_kept = True
        raise
    finally:
        if not is_kept:
            await asyncio.shield(_finish(charge, talk_times))


async def _finish(charge: Charge, talk_times: Callable[[], Awaitable[TalkTimes]]) -> None:
    await charge.close(await talk_times())
