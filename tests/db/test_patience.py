"""Callers, and the money that they asked for, while somebody keeps their account's row locked."""

import asyncio
import uuid

import pytest

from callctl import clock
from callctl.charging import DATABASE_AWAY, Bill, Charge, patience
from callctl.charging.leg_money import LegMoney
from callctl.errors import TransferMismatch
from callctl.ledger import TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from tests.db.ledger_desk import open_account, request
from tests.db.test_ledger_locks import locked
from tests.db.till import PER_SECOND, Till

_PATIENCE_SECONDS = 0.4


async def _talking(till: Till) -> Charge:
    charge = till.charge()
    await charge.reserve_first(Bill((till.payer(PER_SECOND),)))
    till.start(charge)
    return charge


async def _asked(till: Till) -> tuple[Charge, float]:
    """A new caller's charge, and after how long he had an answer, in real time."""
    charge, loop = till.charge(), asyncio.get_running_loop()
    began = loop.time()
    await charge.reserve_first(Bill((till.payer(PER_SECOND),)))
    return charge, loop.time() - began


async def _open_count(till: Till) -> int:
    count: int = await till.database.fetchval(
        "SELECT count(*) FROM reservations WHERE state = 'open'"
    )
    return count


async def _until_locked(till: Till, payer: int) -> None:
    """Until the teller has met the lock."""
    async with asyncio.timeout(5):
        while not till.teller.locks.seconds([payer]):
            await clock.sleep(0.01)


async def test_a_caller_given_up_leaves_nothing_behind_an_end(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a caller asked for and did not wait for is held by nobody, whoever goes first then."""
    monkeypatch.setattr(patience, "ANSWER_SECONDS_MAX", _PATIENCE_SECONDS)
    await till.top_up(10_000_000)
    leaving = await _talking(till)
    async with locked(till.database, till.tenant.account_id):
        ending = asyncio.create_task(leaving.close({}))
        await _until_locked(till, till.tenant.account_id)
        late, _ = await _asked(till)
        assert late.denial == DATABASE_AWAY
        closing = asyncio.create_task(late.close({}))
        await asyncio.sleep(0)  # its end is handed in, and goes before what it ends
    await asyncio.gather(ending, closing)
    assert await _open_count(till) == 0
    assert await till.available() == 10_000_000


async def test_a_reservation_that_comes_after_its_end_is_refused(till: Till) -> None:
    """A request that is executed late, after it was taken back, holds nothing; again and again."""
    await till.top_up(10_000_000)
    late = LegMoney(till.payer(PER_SECOND)).reserve(120)
    for _ in range(2):
        await patience.void(till.teller, late)
        with pytest.raises(TransferMismatch):
            await till.teller.submit([late], Urgency.RESERVE)
    done = LegMoney(till.payer(PER_SECOND)).reserve(120)
    await till.teller.submit([done], Urgency.RESERVE)
    for _ in range(2):
        await patience.void(till.teller, done)
    assert await _open_count(till) == 0
    assert await till.available() == 10_000_000


async def test_callers_of_a_locked_account_are_refused_at_once(till: Till) -> None:
    """Known to be locked for longer than one waits, it is not asked; once free, it is again."""
    await till.top_up(10_000_000)
    talking, leaving = await _talking(till), await _talking(till)
    async with locked(till.database, till.tenant.account_id):
        ending = asyncio.create_task(leaving.close({}))
        await _until_locked(till, till.tenant.account_id)
        till.time.now += patience.ANSWER_SECONDS_MAX
        asked = [await _asked(till) for _ in range(20)]
        assert {charge.denial for charge, _ in asked} == {DATABASE_AWAY}
        assert sum(seconds for _, seconds in asked) < 0.3
        assert till.teller.load.waiting == 0  # only the end, which is under way
        await asyncio.gather(*(charge.close({}) for charge, _ in asked))
        till.time.now += 60
        renewing = asyncio.create_task(talking.advance())
    assert (await renewing).is_extended
    await ending
    charge, _ = await _asked(till)
    assert charge.denial == ""
    await asyncio.gather(charge.close({}), talking.close({}))


async def test_who_shares_an_account_with_a_locked_one_goes_on(till: Till) -> None:
    """A reseller's other tenants pay it as before, while one of its tenants is locked."""
    reseller = await open_account(till.database, "reseller:r", "reseller", 10**9)
    other = await open_account(till.database, "tenant:other", credit_limit_micros=10**9)

    def step(tenant: int) -> list[TransferRequest]:
        ids = [uuid.uuid4() for _ in range(2)]
        return [
            request(TransferKind.RESERVE, one, till.source, hold=1, reservation=name)
            for one, name in zip((tenant, reseller), ids, strict=True)
        ]

    async def reserve(tenant: int) -> list[str]:
        answers = await till.teller.submit(step(tenant), Urgency.RESERVE)
        return [str(answer.outcome) for answer in answers]

    await till.top_up(1_000)
    async with locked(till.database, till.tenant.account_id):
        waiting = asyncio.create_task(reserve(till.tenant.account_id))
        await _until_locked(till, till.tenant.account_id)
        till.time.now += patience.ANSWER_SECONDS_MAX
        assert till.teller.locks.seconds([other, reseller]) == 0
        async with asyncio.timeout(2):
            assert [await reserve(other) for _ in range(20)] == [["granted"] * 2] * 20
        assert not waiting.done()
        assert till.teller.locks.seconds([till.tenant.account_id]) > 0
    assert await waiting == ["granted"] * 2
    assert till.teller.locks.seconds([till.tenant.account_id]) == 0


async def test_a_lock_that_nobody_looks_at_is_forgotten(till: Till) -> None:
    """Where no request waits for an account any more, the next caller asks for himself."""
    account = [till.tenant.account_id]
    async with locked(till.database, till.tenant.account_id):
        await till.teller._locked([till.tenant.account_id, till.source])
        till.time.now += 14
        assert till.teller.locks.seconds(account) > 14
        till.time.now += 2
        assert till.teller.locks.seconds(account) == 0
        await till.teller._locked([till.tenant.account_id])
        assert till.teller.locks.seconds(account) < 1
    await till.teller._locked([till.tenant.account_id])
    assert till.teller.locks.seconds(account) == 0
