"""The gate: what the dialplan is told while there are too many calls, and what it refuses."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from callctl import clock
from callctl.ari import models
from callctl.ari.client import AriClient, AriSettings
from callctl.ari.transport import Answer
from callctl.calls import Call
from callctl.cdr import Cdr
from callctl.errors import AriUnavailable
from callctl.exchange import Exchange, gate
from callctl.exchange import exchange as exchange_module
from callctl.exchange.gate import VARIABLE, Gate
from tests.unit.asterisk_double import CALLER, DID, AsteriskDouble, call_through, event

_CALLS_MAX = 20
CALL_ID = uuid.UUID(int=7)


class _Dialplan:
    """See Transport: of the global variable's values the last is what Asterisk goes by."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.failures = 0

    async def request(self, method: str, target: str, _body: bytes | None = None) -> Answer:
        """See Transport."""
        address = urlsplit(target)
        assert (method, address.path) == ("POST", "/ari/asterisk/variable")
        if self.failures:
            self.failures -= 1
            raise AriUnavailable("no answer")
        query = parse_qs(address.query)
        assert query["variable"] == [VARIABLE]
        self.told.append(int(query["value"][0]))
        return Answer(204, b"")

    async def close(self) -> None:
        """See Transport."""

    async def hears(self, count: int) -> int:
        """The last value, once it was told so many."""
        async with asyncio.timeout(5):
            while len(self.told) < count:
                await clock.sleep(0.005)
        return self.told[-1]


@pytest.fixture(name="dialplan")
def _dialplan() -> _Dialplan:
    return _Dialplan()


@pytest.fixture
async def made(dialplan: _Dialplan, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    """A gate that runs."""
    monkeypatch.setattr(gate, "_RENEW_SECONDS", 0.02)
    ari = AriClient(AriSettings("http://127.0.0.1:1", "nobody", ""), transport=dialplan)
    one = Gate(ari, _CALLS_MAX)
    running = asyncio.create_task(one.run())
    yield one
    running.cancel()


def _calls(count: int, *, are_arriving: bool = False) -> list[Call]:
    """Calls, of which the caller hears something already, or not."""
    made = [call_through(AsteriskDouble()) for _ in range(count)]
    for call in made:
        call.a_leg.answered_at = None if are_arriving else clock.now()
    return made


async def test_asterisk_is_told_that_it_is_full_and_that_it_is_no_more(
    made: Gate, dialplan: _Dialplan
) -> None:
    """Full is told at the bound and again and again, each time for seconds; its end at once."""
    calls = _calls(_CALLS_MAX)
    for call in calls[1:]:
        made.enter(call)
    assert not made.is_shut
    made.enter(calls[0])
    until = await dialplan.hears(3)
    assert 1 < until - clock.now().timestamp() <= 3
    made.leave(calls.pop())
    made.leave(calls.pop())
    assert made.is_shut, "it opens for several callers, not for each"
    made.leave(calls.pop())
    async with asyncio.timeout(5):
        while dialplan.told[-1]:
            await clock.sleep(0.005)
    assert not made.is_shut


async def test_what_asterisk_did_not_hear_is_said_again(made: Gate, dialplan: _Dialplan) -> None:
    """No answer ends nothing: the gate goes on."""
    dialplan.failures = 2
    for call in _calls(_CALLS_MAX):
        made.enter(call)
    assert await dialplan.hears(1)


async def test_many_who_hear_nothing_yet_shut_it(
    dialplan: _Dialplan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few calls live; until half of them do, by a prompt, or have waited for long."""
    monkeypatch.setattr(gate, "_ARRIVING_SECONDS_MAX", 0.1)
    ari = AriClient(AriSettings("http://127.0.0.1:1", "nobody", ""), transport=dialplan)
    made = Gate(ari, calls_max=2500)
    calls = _calls(gate.ARRIVING_MAX, are_arriving=True)
    for call in calls[1:]:
        made.enter(call)
    assert not made.is_shut
    made.enter(calls[0])
    assert made.is_shut
    for call in calls[: gate.ARRIVING_MAX // 2 - 1]:
        call.note_under_way()
    assert made.is_shut
    calls[-1].note_under_way()
    assert not made.is_shut
    for call in _calls(gate.ARRIVING_MAX // 2, are_arriving=True):
        made.enter(call)
    assert made.is_shut
    async with asyncio.timeout(5):
        while made.is_shut:
            await clock.sleep(0.005)


@pytest.mark.parametrize("why", ["caught up", "no news", "never faster"])
async def test_while_asterisk_is_behind_it_stays_shut(
    made: Gate, dialplan: _Dialplan, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """By how long refusals take: until they are quick, or none comes, or it has lasted too long."""
    monkeypatch.setattr(gate, "_NEWS_SECONDS", 0.1 if why == "no news" else 60.0)
    monkeypatch.setattr(gate, "_BEHIND_SECONDS_MAX", 0.1 if why == "never faster" else 60.0)
    calls = _calls(_CALLS_MAX)
    for call in calls:
        made.enter(call)
    for _ in range(5):
        made.refused(_refusal(seconds=0.5))
    for call in calls:
        made.leave(call)
    assert made.is_shut
    for _ in range(30 if why == "caught up" else 1):
        made.refused(_refusal(seconds=0.002))
    async with asyncio.timeout(5):
        while made.is_shut or dialplan.told[-1:] != [0]:
            await clock.sleep(0.005)


async def test_a_clock_that_was_set_keeps_nobody_out(made: Gate) -> None:
    """A refusal that seems to have taken an hour weighs no more than one of a second."""
    made.refused(_refusal(seconds=3600.0))
    assert made._refusal_seconds == pytest.approx(gate._WEIGHT)
    made.refused(_refusal(seconds=-3600.0))
    assert made._refusal_seconds < gate._WEIGHT


def _refusal(seconds: float) -> models.ChannelDestroyed:
    """The end of a caller's channel that lived for so long."""
    channel = AsteriskDouble().channel(CALLER)
    channel["creationtime"] -= timedelta(seconds=seconds)
    told = event("ChannelDestroyed", channel=channel, cause=42, cause_txt="")
    assert isinstance(told, models.ChannelDestroyed)
    return told


async def test_who_was_refused_by_the_dialplan_has_one_cdr() -> None:
    """The channel's end is all that is told of him, be it twice; nothing is asked of Asterisk."""
    asterisk, cdrs = AsteriskDouble(), list[Cdr]()
    ari = AriClient(AriSettings("http://127.0.0.1:1", "nobody", ""), transport=asterisk)

    async def write(cdr: Cdr) -> None:
        cdrs.append(cdr)

    desk = SimpleNamespace(directory=lambda: SimpleNamespace(revision_id=1))
    exchange = Exchange(ari, cast(Any, desk), calls_max=1, write_cdr=write)
    channel = asterisk.channel(CALLER)
    channel["dialplan"] |= {"context": "callctl-full"}
    told = event("ChannelDestroyed", channel=channel, cause=42, cause_txt="")
    exchange.on_event(told)
    exchange.on_event(told)
    await exchange.drain(5)
    exchange.on_event(told)
    await exchange.drain(5)

    [cdr] = cdrs
    assert (cdr.ended_by, cdr.disposition, cdr.hangup_cause) == ("overloaded", "rejected", 42)
    assert (cdr.did, cdr.caller, cdr.sip_call_id) == (DID, "+861062005000", CALLER)
    assert cdr.cost_micros == 0
    assert not asterisk.sent


async def test_the_gate_is_told_of_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """That it begins, that its caller hears something, that it ends."""
    asterisk = AsteriskDouble()
    exchange, _ = _exchange(asterisk)

    async def script(call: Call, _desk: object, _record: object) -> None:
        await call.play_early("callctl/closed", "zh")

    monkeypatch.setitem(exchange_module._SCRIPTS, "inbound", script)
    asterisk.arrive(CALLER, CALL_ID)
    await asyncio.sleep(0)
    assert (exchange.gate._calls, exchange.gate._arriving) == ({CALL_ID}, {CALL_ID})
    async with asyncio.timeout(0.5):  # by the prompt, not because of the time
        while exchange.gate._arriving:
            await clock.sleep(0.005)
    assert exchange.gate._calls == {CALL_ID}
    asterisk.end(CALLER)
    await exchange.drain(5)
    assert not exchange.gate._calls


async def test_of_too_many_who_hear_nothing_the_last_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those whom the dialplan has let in a moment before."""
    asterisk, waits = AsteriskDouble(), asyncio.Event()
    exchange, cdrs = _exchange(asterisk)

    async def script(_call: object, _desk: object, _record: object) -> None:
        await waits.wait()

    monkeypatch.setitem(exchange_module._SCRIPTS, "inbound", script)
    for number in range(gate.ARRIVING_MAX + 2):
        asterisk.arrive(f"1.{number}", uuid.UUID(int=number))
    async with asyncio.timeout(5):
        while len(cdrs) < 2:
            await clock.sleep(0.005)
    waits.set()
    await exchange.drain(5)
    refused = [cdr for cdr in cdrs if cdr.ended_by == "overloaded"]
    assert [cdr.hangup_cause for cdr in refused] == [42, 42]


def _exchange(asterisk: AsteriskDouble) -> tuple[Exchange, list[Cdr]]:
    """An exchange for many calls, and their CDRs."""
    ari, cdrs = (
        AriClient(AriSettings("http://127.0.0.1:1", "", ""), transport=asterisk),
        list[Cdr](),
    )

    async def write(cdr: Cdr) -> None:
        cdrs.append(cdr)

    desk = SimpleNamespace(directory=lambda: SimpleNamespace(revision_id=1, dids={}))
    exchange = Exchange(ari, cast(Any, desk), calls_max=2500, write_cdr=write)
    asterisk.hear = exchange.on_event
    return exchange, cdrs
