"""The money of a call whose switch is gone: charged as far as it is proven, or taken up again."""

import asyncio
import json
import uuid
from datetime import timedelta
from typing import Any

import orjson
import pytest

from callctl import clock
from callctl.charging import Bill, Charge, Neighbours, Payer, open_charge, read_held, resumed
from callctl.charging.abandoned import Settled, release_count, settle_abandoned
from callctl.db.pool import Database
from callctl.errors import HandedOver
from callctl.values.tariff import Rate
from tests.db.till import BEGIN, PER_SECOND, Till

_FREE = Rate("", 0, 0, 0, 1, 1)
_SECOND_MICROS = 5_000
_MONEY = 10_000_000


def _row(payer: Payer, *, paid_seconds: int = 0, from_second: float | None = 0.0) -> dict[str, Any]:
    """One of a live call's `charges`, as PostgreSQL gives it back."""
    account, moment = payer.account, payer.meter.started_at
    began_at = None if from_second is None else BEGIN + timedelta(seconds=from_second)
    row = {
        "leg_id": payer.leg_id,
        "role": account.role,
        "account": account.name,
        "account_id": account.id,
        "payee_account_id": account.payee_id,
        "reservation_id": payer.reservation_id,
        "tariff": "t",
        "tariff_version": 1,
        "rate": payer.meter.rate,
        "calendar": None,
        "timezone": payer.meter.timezone,
        "quoted_from": moment,
        "charged_from": began_at,
        "paid_seconds": paid_seconds,
    }
    return dict(json.loads(orjson.dumps(row, default=str)))


async def _held(database: Database, row: dict[str, Any]) -> Any:
    return (await read_held(database, [row])).get(uuid.UUID(row["reservation_id"]))


async def _dying(till: Till, payer: Payer) -> Charge:
    """A charge of 60 s of which 20 are posted, and whose switch is gone."""
    await till.top_up(_MONEY)
    charge = till.charge(60)
    await charge.reserve_first(Bill((payer,)))
    till.start(charge)
    till.time.now += 31
    await charge.advance()
    return charge


@pytest.mark.parametrize(
    ("ended_after", "seconds"),
    [
        (45.0, 45),
        (3600.0, 120),  # found dead long after its timers have ended it
        (None, 30),  # nobody knows when: what was posted stands
        (10.0, 30),  # what was posted is not given back for an end that is told later
    ],
)
async def test_an_abandoned_leg_is_charged_to_its_end_and_never_beyond_what_is_paid(
    till: Till, database: Database, ended_after: float | None, seconds: int
) -> None:
    """And once: whoever settles it again finds it as it is."""
    payer = till.payer(PER_SECOND)
    charge = await _dying(till, payer)
    row = _row(payer, paid_seconds=charge.paid_seconds)
    ended_at = None if ended_after is None else BEGIN + timedelta(seconds=ended_after)
    for _ in range(2):
        paid = await settle_abandoned(till.teller, row, await _held(database, row), ended_at)
        assert (paid.billed_seconds, paid.cost_micros) == (seconds, seconds * _SECOND_MICROS)
        assert await till.available() == _MONEY - seconds * _SECOND_MICROS


async def _found_late(till: Till, database: Database, *, paid_seconds: int) -> Settled:
    """A leg that holds 60 s and by its row has so much paid, settled an hour after its begin."""
    await till.top_up(_MONEY)
    payer = till.payer(PER_SECOND)
    await till.charge(60).reserve_first(Bill((payer,)))
    row = _row(payer, paid_seconds=paid_seconds)
    end = BEGIN + timedelta(hours=1)
    return await settle_abandoned(till.teller, row, await _held(database, row), end)


async def test_a_row_that_was_not_told_what_is_paid_is_bounded_by_what_is_held(
    till: Till, database: Database
) -> None:
    """The first row of a call is written beside the reservation."""
    paid = await _found_late(till, database, paid_seconds=0)
    assert paid.cost_micros == 60 * _SECOND_MICROS


async def test_more_than_is_held_is_never_asked_for(till: Till, database: Database) -> None:
    """A row that believes more than the ledger has: what is held is all."""
    paid = await _found_late(till, database, paid_seconds=600)
    assert (paid.billed_seconds, paid.cost_micros) == (60, 60 * _SECOND_MICROS)
    assert await till.available() == _MONEY - 60 * _SECOND_MICROS


async def test_what_the_timers_had_let_go_is_not_charged(till: Till, database: Database) -> None:
    """The paid time had become shorter, its money was not given back yet: the time counts."""
    paid = await _found_late(till, database, paid_seconds=30)
    assert (paid.billed_seconds, paid.cost_micros) == (30, 30 * _SECOND_MICROS)
    assert await till.available() == _MONEY - 30 * _SECOND_MICROS


@pytest.mark.parametrize(
    ("rate", "ended_after", "seconds"), [(PER_SECOND, 45, 0), (_FREE, 45, 45), (_FREE, 3600, 60)]
)
async def test_a_leg_without_a_reservation_costs_nothing(
    till: Till, rate: Rate, ended_after: float, seconds: int
) -> None:
    """It was free and talked, or the switch died before its money was held, and it did not."""
    row = _row(till.payer(rate), paid_seconds=60)
    end = BEGIN + timedelta(seconds=ended_after)
    paid = await settle_abandoned(till.teller, row, None, end)
    assert (paid.billed_seconds, paid.cost_micros) == (seconds, 0)


async def test_a_leg_that_did_not_begin_costs_nothing(till: Till, database: Database) -> None:
    """Its line rang only: all that is held is given back."""
    await till.top_up(_MONEY)
    payer = till.payer(PER_SECOND)
    await till.charge(60).reserve_first(Bill((payer,)))
    row = _row(payer, paid_seconds=60, from_second=None)
    end = BEGIN + timedelta(seconds=45)
    paid = await settle_abandoned(till.teller, row, await _held(database, row), end)
    assert paid.cost_micros == 0
    assert await till.available() == _MONEY


async def test_a_call_that_was_not_counted_yet_is_let_be(till: Till) -> None:
    """The switch died between the row and the reservation of its place."""
    count = {
        "call_id": str(uuid.uuid4()),
        "account": "limit",
        "account_id": till.tenant.account_id,
        "payee_account_id": till.tenant.revenue_account_id,
        "is_used_up": False,
    }
    await release_count(till.teller, count, is_answered=True)


async def test_the_next_run_charges_on_where_the_last_one_stopped(
    till: Till, database: Database
) -> None:
    """Its renewals are others than the last run's: none is taken for one that was made before."""
    payer = till.payer(PER_SECOND)
    charge = await _dying(till, payer)
    for _ in range(2):  # and the one after it
        row = _row(payer, paid_seconds=charge.paid_seconds)
        money = resumed([row], [], None, await read_held(database, [row]))
        assert money is not None
        till.neighbours = Neighbours()  # another process
        later = till.charge(60)
        later.resume(money, till.time.now - _elapsed(charge))
        assert later.paid_seconds == charge.paid_seconds
        till.time.now += 60
        await later.advance()
        assert later.paid_seconds == charge.paid_seconds + 60
        charge = later
    elapsed = _elapsed(charge)
    await charge.close({payer.leg_id: round(elapsed * 1000)})
    assert elapsed == 151
    assert await till.available() == _MONEY - 151 * _SECOND_MICROS


async def test_a_leg_that_joined_later_is_charged_from_there_by_the_next_run(
    till: Till, database: Database
) -> None:
    """The forwarding leg of a menu talks shorter than the caller's."""
    await till.top_up(_MONEY)
    caller, line = till.payer(PER_SECOND), till.payer(PER_SECOND)
    charge = till.charge(60)
    await charge.reserve_first(Bill((caller,)))
    till.start(charge)
    till.time.now += 10
    assert await charge.add([line])
    rows = [
        _row(caller, paid_seconds=60),
        _row(line, paid_seconds=60, from_second=10.0),
    ]
    money = resumed(rows, [], None, await read_held(database, rows))
    assert money is not None
    later = till.charge(60)
    later.resume(money, till.time.now - 10)
    till.time.now += 20
    await later.advance()
    await later.close({caller.leg_id: 30_000, line.leg_id: 20_000})
    assert [cost.billed_seconds for cost in later.costs] == [30, 20]
    assert await till.available() == _MONEY - 50 * _SECOND_MICROS


async def test_a_call_whose_money_was_given_back_does_not_go_on(
    till: Till, database: Database
) -> None:
    """Its reservation is closed, or there never was one."""
    payer = till.payer(PER_SECOND)
    charge = await _dying(till, payer)
    row = _row(payer, paid_seconds=charge.paid_seconds)
    await charge.close({payer.leg_id: 31_000})
    assert resumed([row], [], None, await read_held(database, [row])) is None
    assert resumed([row], [], None, {}) is None
    free = _row(till.payer(_FREE))
    assert resumed([free], [], None, {}) is not None


async def test_a_call_that_is_handed_over_keeps_what_it_holds(till: Till) -> None:
    """The next run needs it; nothing is posted and nothing is given back."""
    await till.top_up(_MONEY)
    payer = till.payer(PER_SECOND)

    async def talk_times() -> dict[uuid.UUID, int]:
        raise AssertionError("the talk is not over")

    async def live() -> None:
        async with open_charge(
            till.charge(60), Bill((payer,)), beside=[], talk_times=talk_times
        ) as charge:
            till.start(charge)
            raise HandedOver

    with pytest.raises(HandedOver):
        await live()
    assert await till.available() == _MONEY - 60 * _SECOND_MICROS


async def test_a_task_that_is_cancelled_settles_all_the_same(till: Till) -> None:
    """However often: the money of a call is closed before its task is done with."""
    await till.top_up(_MONEY)
    payer, is_open, is_ending = till.payer(PER_SECOND), asyncio.Event(), asyncio.Event()
    go_on = asyncio.Event()

    async def talk_times() -> dict[uuid.UUID, int]:
        is_ending.set()
        await go_on.wait()
        return {payer.leg_id: 10_000}

    charge = till.charge(60)

    async def live() -> None:
        async with open_charge(charge, Bill((payer,)), beside=[], talk_times=talk_times):
            till.start(charge)
            is_open.set()
            await asyncio.Event().wait()

    living = asyncio.create_task(live())
    async with asyncio.timeout(10):
        await is_open.wait()
        living.cancel()
        await is_ending.wait()
        living.cancel()
        await asyncio.wait([living])
        go_on.set()
        while not charge.costs:
            await clock.sleep(0.01)
    assert await till.available() == _MONEY - 10 * _SECOND_MICROS


def _elapsed(charge: Charge) -> float:
    assert charge._started is not None
    return charge.paid_seconds - charge.seconds_left()
