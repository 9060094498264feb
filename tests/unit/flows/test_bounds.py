"""How long a script waits at most for what is no part of the call: the database, lines, timers."""

import asyncio
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl import clock
from callctl.calls import Leg
from callctl.cdr import Record
from callctl.directory.answering import Queue
from callctl.flows import desk, feature, inbound, paid_time, recorded, waiting
from callctl.flows.caller_rate import CallerRates
from callctl.flows.desk import Desk
from callctl.flows.paid_time import PaidTime
from callctl.routing import Overflowed
from callctl.values.phone_number import PhoneNumber
from tests.unit.asterisk_double import AsteriskDouble, call_through

_SOON = 0.05


async def _never(*_: object, **__: object) -> None:
    """A database that does not answer."""
    await asyncio.Event().wait()


async def _at_once(*_: object, **__: object) -> None:
    """A verb that is done at once."""


async def test_a_row_that_is_not_written_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller has no money then, as if the ledger had not answered, and hears so."""
    monkeypatch.setattr(desk, "ANSWER_SECONDS_MAX", _SOON)
    found = cast(Any, SimpleNamespace(journal=SimpleNamespace(keep=_never)))
    async with asyncio.timeout(5):
        assert not await Desk.keep(found, cast(Any, None))


async def test_a_bill_that_is_not_told_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where limits stand PostgreSQL knows: without it there is no bill, and the caller hears so."""
    monkeypatch.setattr(inbound, "ANSWER_SECONDS_MAX", _SOON)
    call = call_through(AsteriskDouble())
    biller = cast(Any, SimpleNamespace(service_leg=_never))
    async with asyncio.timeout(5):
        assert await inbound._bill(biller, call, Record(revision_id=1)) is None


async def test_a_recording_that_is_not_noted_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The talk goes on without it, and its trace says so."""
    monkeypatch.setattr(recorded, "_NOTED_SECONDS_MAX", _SOON)
    call, record = call_through(AsteriskDouble()), Record(revision_id=1)
    tenant = SimpleNamespace(name="acme", recording_days=30)
    conversation: Any = SimpleNamespace(
        call=call,
        record=record,
        did=SimpleNamespace(number="4001234567", tenant=tenant, is_recorded=True),
        desk=SimpleNamespace(recordings=SimpleNamespace(begin=_never)),
    )
    leg = Leg(uuid.uuid4(), "l1", "b", "", "a", clock.now())
    async with asyncio.timeout(5):
        await recorded.start(conversation, leg)
    assert "did not answer in time" in str(record.trace)


def _waiting(wait_seconds_max: int = 600) -> waiting._Waiting:
    """One who was answered and waits behind others, for lines of which nothing is heard."""
    call = call_through(AsteriskDouble())
    facts = SimpleNamespace(lines={}, at=clock.now())
    conversation: Any = SimpleNamespace(call=call, language="zh", facts=lambda: facts)
    place: Any = SimpleNamespace(
        row=SimpleNamespace(entered_at=clock.now()),
        is_changed=False,
        is_blocked=True,
        estimate_seconds=0,
    )
    queue = Queue(10, wait_seconds_max, "callctl/music", announce_seconds=None)
    group: Any = SimpleNamespace(members=())
    return waiting._Waiting(conversation, group, queue, place, is_back=False)


async def test_who_waits_looks_at_the_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nobody told that one is free."""
    monkeypatch.setattr(waiting, "_RETRY_SECONDS", _SOON)
    async with asyncio.timeout(5):
        await _waiting()._nap(600.0)


async def test_nobody_waits_longer_than_the_queue_says() -> None:
    """Then its overflow takes him."""
    async with asyncio.timeout(5):
        outcome = await _waiting(wait_seconds_max=0).outcome()
    assert isinstance(outcome, Overflowed)


async def test_of_one_caller_so_many_codes_are_tried_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within a minute: after five nobody finds a PIN out, be the sixth the right one."""
    did: Any = SimpleNamespace(number="4001234567")
    monkeypatch.setattr(feature, "judge", lambda *_: feature.Answer(did, "right"))
    turned: list[str] = []

    async def turn(number: str, *_: object, by: str) -> None:
        turned.append(by)

    rates, switches = CallerRates(), SimpleNamespace(turn=turn)
    found: Any = SimpleNamespace(caller_rates=rates, directory=lambda: None, switches=switches)
    call: Any = SimpleNamespace(
        caller=PhoneNumber.parse("01062005000"), play_early=_at_once, reject=_at_once
    )
    reasons = []
    for _ in range(7):
        record = Record(revision_id=1, dialled_text="*22")
        await feature.feature(call, found, record)
        reasons.append(record.reason)
    assert reasons == ["switched_closed"] * 5 + ["code_refused"] * 2
    assert len(turned) == 5


async def test_timers_that_are_not_sure_are_looked_at_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the paid time lasts: until they were read back nothing ends the legs."""
    monkeypatch.setattr(paid_time, "live_call", lambda *_: None)
    naps: list[float] = []

    async def until(_holds: Callable[[], bool], seconds: float) -> bool:
        naps.append(seconds)
        return True

    async def allow(_seconds: float) -> bool:
        return True

    call: Any = SimpleNamespace(until=until, allow=allow)
    charge: Any = SimpleNamespace(
        has_news=False, exhaustion="", seconds_left=lambda: 600.0, seconds_to_act=lambda: 600.0
    )
    found: Any = SimpleNamespace(note=lambda _: None)
    time = PaidTime(call, found, Record(revision_id=1), charge, "zh")
    await time.keep(lambda: bool(naps))
    assert naps == [1.0]
