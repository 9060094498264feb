"""The exchange and what no event told it, or told it too late: by an Asterisk in memory."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl import clock
from callctl.ari.client import AriClient, AriSettings
from callctl.ari.transport import Answer
from callctl.calls import Call, LineToRing, releasing
from callctl.cdr import Cdr, Record
from callctl.exchange import Exchange, Reconciler, reconciling
from callctl.exchange import exchange as exchange_module
from callctl.flows.desk import Desk
from callctl.values.hangup import HangupCause
from callctl.values.ids import bridge_id, channel_id, new_id
from tests.unit.asterisk_double import CALLER, AsteriskDouble

OTHER = "1795626874.2"


@dataclass
class Site:
    """An exchange whose calls wait for `go_on`, or for their caller's end; its journal's CDRs."""

    asterisk: AsteriskDouble
    exchange: Exchange
    reconciler: Reconciler
    cdrs: list[Cdr]
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    line: LineToRing | None = None

    async def script(self, call: Call, _desk: Desk, _record: Record) -> None:
        """What a call does here: nothing, until it is over; or a line is rung."""
        if self.line is not None:
            await call.dial(self.line)
        await call.until(lambda: self.go_on.is_set() or call.a_leg.is_gone, 60)

    async def ended(self, count: int = 1) -> list[Cdr]:
        """The CDRs, once there are so many."""
        async with asyncio.timeout(5):
            while len(self.cdrs) < count or self.exchange.live_count:
                await clock.sleep(0.005)
        return self.cdrs


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """A site that has connected once; nothing in it takes longer than a moment."""
    monkeypatch.setattr(reconciling, "_ON_ITS_WAY_SECONDS", 0.02)
    monkeypatch.setattr(releasing, "_GOING_SECONDS_MAX", 0.02)
    monkeypatch.setattr(releasing, "_END_SECONDS_MAX", 0.05)
    asterisk = AsteriskDouble()
    settings = AriSettings("http://127.0.0.1:1", "nobody", "")
    ari = AriClient(settings, transport=asterisk)
    cdrs: list[Cdr] = []

    async def write(cdr: Cdr) -> None:
        cdrs.append(cdr)

    desk = SimpleNamespace(
        directory=lambda: SimpleNamespace(revision_id=1, dids={}),
        journal=SimpleNamespace(write=write),
    )
    exchange = Exchange(ari, cast(Any, desk), calls_max=10)
    asterisk.hear = exchange.on_event
    made = Site(asterisk, exchange, Reconciler(ari, exchange), cdrs)
    monkeypatch.setitem(exchange_module._SCRIPTS, "inbound", made.script)
    await made.reconciler.reconcile()
    yield made
    await exchange.drain(1)


async def test_a_channel_that_outlives_its_call_makes_no_second_one(site: Site) -> None:
    """Its hang-up got lost with all that tells of it: it is ended, told of again or found."""
    call_id = new_id()
    site.asterisk.fate = lambda one: (
        Answer(503, b"") if one == f"DELETE channels/{CALLER}" else None
    )
    site.asterisk.arrive(CALLER, call_id)
    site.go_on.set()
    await _forgotten(site)
    site.asterisk.fate = lambda _: None
    site.asterisk.arrive(CALLER, call_id)
    assert not site.exchange.live_count
    await site.reconciler.reconcile()
    assert not site.asterisk.channels
    assert {*site.asterisk.causes} == {HangupCause.SWITCH_CONGESTION}, "SIP 503"
    assert len(await site.ended()) == 1


async def test_what_is_over_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lives because Asterisk stood still as it was hung up: all of it ends at the first look."""
    site.asterisk.fate = lambda one: Answer(503, b"") if one.startswith("DELETE") else None
    callers = [f"1795626874.{number}" for number in range(10, 30)]
    for caller in callers:
        site.asterisk.arrive(caller, new_id())
    site.go_on.set()
    await _forgotten(site)
    site.asterisk.fate = lambda _: None
    monkeypatch.setattr(reconciling, "_ON_ITS_WAY_SECONDS", 60.0)
    looking = asyncio.create_task(site.reconciler.reconcile())
    async with asyncio.timeout(5):
        while site.asterisk.channels:
            await clock.sleep(0.005)
    looking.cancel()
    await asyncio.wait([looking])
    assert {*site.asterisk.causes} == {HangupCause.SWITCH_CONGESTION}, "SIP 503"


async def test_so_many_ended_calls_are_known_and_no_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest: a switch that runs for years remembers no more than one of today."""
    monkeypatch.setattr(exchange_module, "_ENDED_MAX", 2)
    site.go_on.set()
    began = clock.monotonic()
    call_ids = [new_id() for _ in range(4)]
    for number, call_id in enumerate(call_ids, 1):
        site.asterisk.arrive(f"1.{number}", call_id)
        await site.ended(number)
    known = [site.exchange.has_ended(["inbound", str(one)]) for one in call_ids]
    assert known == [False, False, True, True]
    assert not site.exchange.has_ended(["inbound", str(call_ids[3])], began), "they lived then"


async def test_a_caller_whom_no_event_told_of_is_taken(site: Site) -> None:
    """He is found at the next look, and his call begins."""
    site.asterisk.deaf = {"StasisStart"}
    site.asterisk.arrive(CALLER, new_id())
    await site.reconciler.reconcile()
    assert site.exchange.live_count == 1
    assert site.exchange.has(CALLER)


async def test_what_an_earlier_run_left_is_ended(site: Site) -> None:
    """At the first look: who rings without a row, and bridges of ours; nobody else's."""
    site.asterisk.deaf = {"StasisStart"}
    site.asterisk.arrive(CALLER, new_id())
    site.asterisk.channels[OTHER] = "Up"  # of a dialplan of the site's own
    site.asterisk.bridges = {bridge_id(new_id()), "conference"}
    await Reconciler(site.exchange._ari, site.exchange).reconcile()
    assert list(site.asterisk.channels) == [OTHER]
    assert site.asterisk.bridges == {"conference"}
    assert not site.exchange.live_count


@pytest.mark.parametrize("is_caller_left", [True, False])
async def test_a_switch_that_ends_touches_nothing_of_what_goes_on(
    site: Site, is_caller_left: bool
) -> None:
    """Whose calls are handed over are forgotten by then: they are no strays."""
    site.asterisk.deaf = {"StasisStart"}
    if is_caller_left:
        site.asterisk.arrive(CALLER, new_id())
    site.asterisk.bridges = {bridge_id(new_id())}
    await site.exchange.drain(1)
    await site.reconciler.reconcile()
    assert bool(site.asterisk.channels) is is_caller_left
    assert site.asterisk.bridges


async def test_an_end_that_no_event_told_of_is_where_all_was_known(site: Site) -> None:
    """Without Asterisk's record nobody is charged for what is not proven."""
    site.asterisk.arrive(CALLER, new_id())
    site.asterisk.answer(CALLER)
    await clock.sleep(0.05)
    known_from = clock.now()
    await site.reconciler.reconcile()
    known_until = clock.now()
    site.asterisk.deaf = {"ChannelDestroyed"}
    await clock.sleep(0.05)
    site.asterisk.end(CALLER)
    await site.reconciler.reconcile()
    [cdr] = await site.ended()
    drift = timedelta(milliseconds=10)  # of the call's clock
    assert known_from - drift < cdr.ended_at < known_until + drift


async def test_an_event_that_is_late_is_waited_for(site: Site) -> None:
    """It tells the very moment, and why."""
    site.asterisk.arrive(CALLER, new_id())
    site.asterisk.answer(CALLER)
    late = site.asterisk.told("ChannelDestroyed", CALLER, cause=int(HangupCause.BUSY), cause_txt="")
    del site.asterisk.channels[CALLER]
    asyncio.get_running_loop().call_later(0.005, site.exchange.on_event, late)
    await site.reconciler.reconcile()
    [cdr] = await site.ended()
    assert cdr.hangup_cause == HangupCause.BUSY
    assert cdr.ended_at == late.timestamp


async def test_what_was_hung_up_in_vain_is_hung_up_again(site: Site) -> None:
    """A leg that we have ended and that Asterisk still has; not one that was handed over."""
    site.asterisk.arrive(CALLER, new_id())
    [(call, _)] = site.exchange.legs
    hangup = f"DELETE channels/{CALLER}"
    site.asterisk.fate = lambda one: Answer(204, b"") if one == hangup else None
    await call.reject(HangupCause.UNALLOCATED)
    await site.reconciler.reconcile()
    assert site.asterisk.count(hangup) == 2
    assert [*site.asterisk.causes] == [HangupCause.UNALLOCATED] * 2
    site.exchange.let_go()
    await site.reconciler.reconcile()
    assert site.asterisk.count(hangup) == 2


async def test_a_refusal_is_said_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is carried out nothing more is asked: when many are refused that costs dearly."""
    monkeypatch.setattr(releasing, "_GOING_SECONDS_MAX", 1.0)
    hangup = f"DELETE channels/{CALLER}"

    def carry_out_later(command: str) -> Answer | None:
        if command != hangup:
            return None
        asyncio.get_running_loop().call_later(0.02, site.asterisk.end, CALLER)
        return Answer(204, b"")

    site.asterisk.fate = carry_out_later
    site.exchange.close()
    site.asterisk.arrive(CALLER, new_id())
    [cdr] = await site.ended()
    assert cdr.ended_by == "draining"
    assert site.asterisk.sent[-1:] == [hangup]
    assert site.asterisk.count(hangup) == 1


async def test_the_same_channel_of_another_call_is_none_of_ours(site: Site) -> None:
    """Asterisk was restarted and counts anew: our call has ended, its channel id lives on."""
    first, second = new_id(), new_id()
    site.asterisk.arrive(CALLER, first)
    site.asterisk.deaf = {"StasisStart"}
    site.asterisk.arrive(CALLER, second)
    await site.reconciler.reconcile()
    [cdr] = await site.ended()
    assert cdr.call_id == first


async def test_a_new_call_on_an_old_channel_ends_the_call_of_before(site: Site) -> None:
    """And has its events for itself, though the other one is forgotten later."""
    first, second = new_id(), new_id()
    site.asterisk.arrive(CALLER, first)
    site.asterisk.arrive(CALLER, second)
    async with asyncio.timeout(5):
        while not site.cdrs:
            await clock.sleep(0.005)
    assert [one.call_id for one in site.cdrs] == [first]
    async with asyncio.timeout(5):
        while site.exchange.live_count != 1:
            await clock.sleep(0.005)
    assert site.exchange.has(CALLER)
    site.asterisk.end(CALLER)
    assert [one.call_id for one in await site.ended(2)] == [first, second]


async def test_who_was_replaced_touches_no_call(site: Site) -> None:
    """Another switch has them: no command, neither to those who talk nor to lines that ring."""
    site.asterisk.arrive(CALLER, new_id())
    site.line = LineToRing(
        uuid.uuid4(), "a", "01062000401", "PJSIP/1@carrier", 9, has_ringback=True
    )
    site.asterisk.arrive(OTHER, new_id())
    line = channel_id(site.line.leg_id)
    async with asyncio.timeout(5):
        while not site.asterisk.count(f"POST channels/{line}/dial"):
            await clock.sleep(0.005)
    before = list(site.asterisk.sent)
    site.exchange.let_go()
    await site.exchange.drain(1)
    assert not site.exchange.live_count
    assert not site.cdrs
    assert site.asterisk.sent == before
    assert set(site.asterisk.channels) == {CALLER, OTHER, line}


async def _forgotten(site: Site) -> None:
    """Until no call lives, whatever Asterisk has."""
    async with asyncio.timeout(15):
        while site.exchange.live_count:
            await clock.sleep(0.005)
