"""The bounds of the teller: how much it takes, and how much of it is with PostgreSQL at a time."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, cast

import pytest

from callctl.db.pool import Database
from callctl.errors import DatabaseUnavailable
from callctl.ledger import Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency

_QUEUE_MAX = 20_000


def _step(number: int = 0) -> tuple[TransferRequest, ...]:
    one = TransferRequest(
        id=uuid.UUID(int=number), kind=TransferKind.FEE, from_account_id=1, to_account_id=2
    )
    return (one,)


class _Counted(Teller):
    """A teller whose flushes are counted and go nowhere."""

    def __init__(self) -> None:
        super().__init__(cast(Database, None))
        self.under_way = self.most = 0
        self.sizes: list[int] = []

    async def _flush(self, steps: Sequence[Any]) -> list[Any]:
        self.sizes.append(len(steps))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        for _ in range(20):  # turns of the loop, in which another might begin
            await asyncio.sleep(0)
        self.under_way -= 1
        return [()] * len(steps)


async def test_two_flushes_are_with_postgresql_at_a_time() -> None:
    """A crowd is shared between two connections, in flushes of a bounded size."""
    teller = _Counted()
    await teller.start()
    await asyncio.gather(*(teller.submit(_step(n), Urgency.RENEW) for n in range(2000)))
    await teller.stop()
    assert teller.most == 2
    assert max(teller.sizes) == 256


async def test_the_steps_that_wait_are_bounded() -> None:
    """The one too many is refused at once, and nothing is done for it."""
    teller = _Counted()  # not started: all of them wait
    for number in range(_QUEUE_MAX):
        teller._batcher.hand_in(_step(number))
    async with asyncio.timeout(5):
        with pytest.raises(DatabaseUnavailable, match="nothing was done"):
            await teller.submit(_step(), Urgency.RESERVE)
