"""The money of a call when answers get lost, or the switch: never twice, never kept (R21)."""

import asyncio
from typing import Any

import pytest

from callctl import clock
from callctl.charging import DATABASE_AWAY, Bill, open_charge, patience
from callctl.charging.abandoned import release_unclaimed
from callctl.db.pool import Database
from callctl.errors import DatabaseUnavailable
from callctl.exchange import read_abandoned
from callctl.ledger import Teller
from callctl.ledger.requests import Urgency
from tests.db.till import PER_SECOND, Till, talk_of


class _Forgetful(Teller):
    """A teller whose answers get lost: done or not, the caller hears DatabaseUnavailable."""

    def __init__(self, teller: Teller) -> None:
        self.teller, self.locks = teller, teller.locks
        self.lose: list[str] = []

    async def submit(self, step: Any, urgency: Urgency) -> Any:
        fate = self.lose.pop(0) if self.lose else "answered"
        if fate != "never arrived":
            answers = await self.teller.submit(step, urgency)
        if fate != "answered":
            raise DatabaseUnavailable(fate)
        return answers

    async def standing(self, account_id: int) -> Any:
        return await self.teller.standing(account_id)


@pytest.mark.parametrize("fate", ["answer lost", "never arrived"])
async def test_a_lost_answer_never_charges_twice(
    till: Till, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    """After a lost answer the same request is asked about before any other is made (R21)."""

    async def no_wait(seconds: float) -> None:
        till.time.now += seconds

    monkeypatch.setattr(clock, "sleep", no_wait)
    await till.top_up(10_000_000)
    teller = _Forgetful(till.teller)
    charge, payer = till.charge(60), till.payer(PER_SECOND)
    charge.teller = teller
    talk = {payer.leg_id: 70_000}
    async with open_charge(charge, Bill((payer,)), beside=[], talk_times=talk_of(talk)):
        till.start(charge)
        till.time.now += 40
        teller.lose = [fate]
        with pytest.raises(DatabaseUnavailable):
            await charge.advance()
        assert charge.seconds_to_act() == pytest.approx(1.0)
        till.time.now += 1
        await charge.advance()
        assert charge.paid_seconds >= 120
        teller.lose = [fate, fate]  # and the settlement's answer too
    assert charge.costs[0].cost_micros == 350_000
    assert await till.available() == 10_000_000 - 350_000


@pytest.mark.parametrize("fate", ["answer lost", "never arrived"])
async def test_a_lost_answer_to_a_reservation_leaves_nothing_held(till: Till, fate: str) -> None:
    """A call that could not learn whether its money is held gives it back, held or not."""
    await till.top_up(10_000_000)
    teller = _Forgetful(till.teller)
    charge = till.charge(60)
    charge.teller, teller.lose = teller, [fate]
    async with open_charge(
        charge, Bill((till.payer(PER_SECOND),)), beside=[], talk_times=talk_of({})
    ):
        assert charge.denial == DATABASE_AWAY, "without an answer there is no call"
    assert await till.available() == 10_000_000


@pytest.mark.parametrize("fate", ["answer lost", "never arrived"])
async def test_a_line_that_can_not_be_given_back_is_so_later(till: Till, fate: str) -> None:
    """The call goes on with another line meanwhile, and pays for that one alone."""
    await till.top_up(10_000_000)
    teller = _Forgetful(till.teller)
    charge, caller, lost = till.charge(60), till.payer(PER_SECOND), till.payer(PER_SECOND)
    charge.teller = teller
    talk = {caller.leg_id: 50_000}
    async with open_charge(charge, Bill((caller,)), beside=[], talk_times=talk_of(talk)):
        assert await charge.add([lost])
        teller.lose = [fate]
        await charge.drop(lost.leg_id)
        assert charge.payers == [caller]
        till.start(charge)
        till.time.now += 40
        await charge.advance()
        assert charge.paid_seconds >= 120
    assert [cost.cost_micros for cost in charge.costs] == [250_000]
    assert await till.available() == 10_000_000 - 250_000


async def test_a_ledger_that_is_late_keeps_no_caller_waiting_for_a_line(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line did not answer: its money is given back later, the next one is rung now."""
    monkeypatch.setattr(patience, "ANSWER_SECONDS_MAX", 0.1)
    await till.top_up(10_000_000)
    charge, caller, lost = till.charge(60), till.payer(PER_SECOND), till.payer(PER_SECOND)
    answers = till.teller.submit

    async def late(step: Any, urgency: Urgency) -> Any:
        await asyncio.Event().wait()

    async with open_charge(charge, Bill((caller,)), beside=[], talk_times=talk_of({})):
        assert await charge.add([lost])
        monkeypatch.setattr(till.teller, "submit", late)
        try:
            async with asyncio.timeout(2):
                await charge.drop(lost.leg_id)
        finally:
            monkeypatch.setattr(till.teller, "submit", answers)
    assert await till.available() == 10_000_000


async def test_a_reservation_without_a_live_call_is_given_back_at_the_next_start(
    till: Till, database: Database
) -> None:
    """A crash between the reservation and the call's row holds the money only until then."""
    await till.top_up(10_000_000)
    charge = till.charge()
    await charge.reserve_first(Bill((till.payer(PER_SECOND),)))
    assert await till.available() < 10_000_000

    for _ in range(2):  # whoever starts twice in a row does no harm
        await release_unclaimed(till.teller, (await read_abandoned(database, None)).reservations)
        assert await till.available() == 10_000_000


async def test_a_call_without_money_ends_though_the_ledger_is_silent(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it may hold is given back beside the calls, as soon as the ledger answers."""
    await till.top_up(10_000_000)
    teller = _Forgetful(till.teller)
    charge = till.charge(60)
    charge.teller, teller.lose = teller, ["answer lost", "never arrived", "never arrived"]
    async with open_charge(
        charge, Bill((till.payer(PER_SECOND),)), beside=[], talk_times=talk_of({})
    ):
        assert charge.denial == DATABASE_AWAY
    assert await till.available() < 10_000_000

    turns = iter([None, None])

    async def sleep(_: float) -> None:
        next(turns)

    monkeypatch.setattr(clock, "sleep", sleep)
    with pytest.raises(RuntimeError):  # StopIteration
        await charge.in_doubt.run(teller)
    assert await till.available() == 10_000_000
