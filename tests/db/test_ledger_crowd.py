"""A thousand legs at once on one account: exactly as many are granted as its money allows."""

import asyncio
import random
import uuid

import pytest

from callctl.db.pool import Database
from callctl.ledger import Answer, Teller, TransferKind
from callctl.ledger.requests import Urgency
from tests.db.ledger_desk import open_account, request, unbalanced
from tests.db.ledger_proofs import CROWDS, SECONDS_MAX

_LEGS = 1000
_SLICE = 100


@pytest.mark.timeout(SECONDS_MAX)
async def test_a_crowd_gets_exactly_what_the_money_allows(database: Database) -> None:
    """With money for k slices k of 1000 legs are granted, for any k, and nothing is overdrawn."""
    chance = random.Random(20_260_101)
    tellers = [Teller(database), Teller(database)]  # two processes, as far as the database knows
    for teller in tellers:
        await teller.start()
    payee = await open_account(database, "revenue:CNY", "revenue")
    for crowd in range(CROWDS):
        slices, rest = chance.randrange(_LEGS + 1), chance.randrange(_SLICE)
        payer = await open_account(
            database, f"tenant:{crowd}", credit_limit_micros=slices * _SLICE + rest
        )
        answers = await _all_at_once(tellers, payer, payee)
        granted = [answer for answer in answers if answer.outcome == "granted"]
        assert len(granted) == slices
        assert min(answer.available_micros for answer in answers) == rest
        assert (await tellers[0].standing(payer)).available_micros == rest
    for teller in tellers:
        await teller.stop()
    assert await unbalanced(database) == []


async def _all_at_once(tellers: list[Teller], payer: int, payee: int) -> list[Answer]:
    asked = [
        request(TransferKind.RESERVE, payer, payee, hold=_SLICE, reservation=uuid.uuid4())
        for _ in range(_LEGS)
    ]
    answers = await asyncio.gather(
        *(tellers[n % 2].submit([one], Urgency.RESERVE) for n, one in enumerate(asked))
    )
    return [answer for [answer] in answers]


async def test_check_then_debit_overdraws_the_same_account(database: Database) -> None:
    """Why there is a ledger: two statements at READ COMMITTED give away what is not there."""
    await database.execute("CREATE TABLE naive AS SELECT $1::bigint AS balance", _SLICE)
    all_have_looked = asyncio.Barrier(3)

    async def debit() -> bool:
        async with database.transaction() as connection:
            if await connection.fetchval("SELECT balance FROM naive") < _SLICE:
                return False
            await all_have_looked.wait()
            await connection.execute("UPDATE naive SET balance = balance - $1", _SLICE)
            return True

    granted = await asyncio.gather(*(debit() for _ in range(all_have_looked.parties)))

    assert granted == [True, True, True]
    assert await database.fetchval("SELECT balance FROM naive") == -2 * _SLICE
