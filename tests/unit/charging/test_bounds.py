"""The bounds of charging: what is remembered, how long one waits, and for whom no longer."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from callctl import clock
from callctl.charging import Bill, Charge, LimitBook, in_doubt, limits
from callctl.charging import charge as charge_module
from callctl.charging.in_doubt import InDoubt
from callctl.charging.leg_money import LegMoney, count_request
from callctl.charging.limits import Limited
from callctl.charging.payer import CountedCall
from callctl.db.pool import Database
from callctl.directory.models import Limits, Tenant
from callctl.errors import DatabaseUnavailable
from callctl.ledger import Answer, Outcome, Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from tests.db.till import PER_SECOND, FakeClock, Till

_SECONDS_MAX = 5.0
_NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
_TENANT = Tenant("t", "zh", "Asia/Shanghai", 1, "tenant:t", 2, "CNY", ())


class _NoLocks:
    """Nobody keeps an account locked."""

    def seconds(self, _: Any) -> float:
        return 0.0


@dataclass
class _Teller:
    """A ledger that grants all, is away, or never answers."""

    is_away: bool = False
    is_silent: bool = False
    available: Callable[[], int] = lambda: 10**9
    steps: list[Sequence[TransferRequest]] = field(default_factory=list)
    locks: _NoLocks = field(default_factory=_NoLocks)

    async def submit(self, step: Sequence[TransferRequest], _: Urgency) -> tuple[Answer, ...]:
        self.steps.append(step)
        if self.is_silent:
            await asyncio.Event().wait()
        if self.is_away:
            raise DatabaseUnavailable("away")
        available = self.available()
        is_short = any(request.hold_micros > available for request in step)
        outcome = Outcome.DENIED if is_short else Outcome.GRANTED
        return tuple(Answer(outcome, 0, available, 1, 0) for _ in step)


def _till(teller: _Teller, time: FakeClock) -> Till:
    nobody = cast(Database, None)
    return Till(nobody, cast(Teller, teller), _TENANT, 0, time)


def _request() -> TransferRequest:
    return TransferRequest(
        id=uuid.uuid4(),
        kind=TransferKind.RESERVE,
        from_account_id=1,
        to_account_id=2,
        hold_micros=100,
        reservation_id=uuid.uuid4(),
    )


async def _run_once(waiting: InDoubt, teller: _Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter([None])

    async def sleep(_: float) -> None:
        next(turns)

    with monkeypatch.context() as patched:
        patched.setattr(clock, "sleep", sleep)
        with pytest.raises(RuntimeError):  # StopIteration
            await waiting.run(cast(Teller, teller))


async def test_what_waits_to_be_given_back_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while so many wait is left to expire, and the first of them are given back."""
    monkeypatch.setattr(in_doubt, "_WAITING_MAX", 3)
    waiting, teller = InDoubt(), _Teller(is_away=True)
    requests = [_request() for _ in range(5)]
    for few in (requests[:2], requests[2:]):
        await waiting.give_back(cast(Teller, teller), few[:])

    teller.is_away, teller.steps = False, []
    await _run_once(waiting, teller, monkeypatch)
    assert [step[0].reservation_id for step in teller.steps] == [
        request.reservation_id for request in requests[:3]
    ]


async def test_an_end_does_not_wait_for_a_silent_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call without money may hold is given back beside the calls, at another time."""
    monkeypatch.setattr(in_doubt, "ANSWER_SECONDS_MAX", 0.05)
    waiting, teller = InDoubt(), _Teller(is_silent=True)
    request = _request()
    async with asyncio.timeout(_SECONDS_MAX):
        await waiting.give_back(cast(Teller, teller), [request])

    teller.is_silent, teller.steps = False, []
    await _run_once(waiting, teller, monkeypatch)
    assert [step[0].reservation_id for step in teller.steps] == [request.reservation_id]


async def test_a_settlement_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the ledger is away it is repeated, to its deadline; then recovery has it."""
    time, sleeps = FakeClock(), 0

    async def sleep(seconds: float) -> None:
        nonlocal sleeps
        sleeps += 1
        assert sleeps < 100
        time.now += seconds

    monkeypatch.setattr(clock, "monotonic", time.monotonic)
    monkeypatch.setattr(clock, "sleep", sleep)
    monkeypatch.setattr(charge_module, "_SETTLE_SECONDS_MAX", 10.0)
    teller = _Teller()
    charge, till = await _reserved(teller, time)
    till.start(charge)
    teller.is_away = True
    with pytest.raises(DatabaseUnavailable):
        await charge.close({})
    assert sleeps == 10


async def _reserved(teller: _Teller, time: FakeClock) -> tuple[Charge, Till]:
    till = _till(teller, time)
    charge = till.charge()
    await charge.reserve_first(Bill((till.payer(PER_SECOND),)))
    assert charge.denial == ""
    return charge, till


async def test_a_first_share_is_asked_for_a_few_times() -> None:
    """Others may take what was there, again and again: then there is no call."""
    shares = iter([500_000, 120_000, 30_000, 7_500, 10**9])
    teller = _Teller(available=lambda: next(shares))
    till = _till(teller, FakeClock())
    charge = till.charge()
    await charge.reserve_first(Bill((till.payer(PER_SECOND),)))
    assert charge.denial == "no_credit"
    assert len(teller.steps) == charge_module._TRIES


async def test_a_further_share_is_asked_for_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """The talk goes on with what is paid, and is asked for again a second later."""
    time, teller = FakeClock(), _Teller()
    monkeypatch.setattr(clock, "monotonic", time.monotonic)
    charge, till = await _reserved(teller, time)
    till.start(charge)
    time.now += 119.0
    shares = iter(range(600_000, 0, -50_000))
    teller.available, teller.steps = (lambda: next(shares)), []
    before = charge.paid_seconds
    await charge.advance()
    assert charge.exhaustion == "money"
    assert charge.paid_seconds == before
    renewals = [step for step in teller.steps if step[0].kind is TransferKind.RENEW]
    assert len(renewals) == charge_module._TRIES


class _Asked:
    """A database that opens the control account it is asked for, and counts."""

    def __init__(self) -> None:
        self.count = 0

    async def fetchrow(self, *_: Any) -> dict[str, int]:
        self.count += 1
        return {"id": self.count, "usage_id": 0}


async def test_the_control_accounts_remembered_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each day has new ones: of so many none is kept, and one that is asked for again is found."""
    monkeypatch.setattr(limits, "_KNOWN_MAX", 3)
    database = _Asked()
    book = LimitBook(cast(Database, database))
    limited = Limited("did:1", "tenant:t", "Asia/Shanghai", "CNY", Limits(calls_per_day=5))
    days = [_NOW + timedelta(days=number) for number in range(4)]
    for day in (*days[:3], days[0]):
        await book.count_accounts(limited, day)
    assert database.count == 3
    for day in (days[3], days[0]):
        await book.count_accounts(limited, day)
    assert database.count == 5


def test_what_nobody_settles_is_given_back_in_the_end() -> None:
    """Four hours after the paid time; a place among the live calls a day after it was taken."""
    payer = _till(_Teller(), FakeClock()).payer(PER_SECOND)
    money = LegMoney(payer)
    counted = CountedCall(uuid.uuid4(), payer.account, is_used_up=False)
    assert money.reserve(60).expires_seconds == 60 + 14_400
    assert money.renew(30_000, 120).expires_seconds == 90 + 14_400
    assert count_request(counted, TransferKind.RESERVE).expires_seconds == 86_400
