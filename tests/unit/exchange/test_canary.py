"""The canary that does not come back: two misses tear the connection down, whatever was sent."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from callctl import clock
from callctl.ari.asterisk_clock import AsteriskClock
from callctl.exchange import Canary, canary
from tests.unit.asterisk_double import event

_ROUND_SECONDS = 0.05


class Asterisk:
    """What the canary needs of one: it hears what it sends, unless it is deaf, or stands still."""

    def __init__(self) -> None:
        self.clock = AsteriskClock()
        self.events = self
        self.is_connected = True
        self.is_deaf = self.is_still = False
        self.lost: list[bool] = []  # of the next ones
        self.sent: list[str] = []
        self.sent_at: dict[str, float] = {}
        self.reconnects = self.hurries = self.connection_count = 0
        self.woken = asyncio.Event()  # it answers what was asked while it stood still
        self.canary: Canary | None = None

    async def user_event(self, name: str, *, variables: dict[str, str]) -> None:
        """See ari.system.Events."""
        self.sent.append(variables["number"])
        self.sent_at[variables["number"]] = clock.monotonic()
        if self.is_still:
            await self.woken.wait()
        is_lost = self.lost.pop(0) if self.lost else self.is_deaf
        if not is_lost:
            self.tell(variables["number"], name)

    def tell(self, number: str, name: str = canary.EVENT) -> None:
        """The event comes."""
        assert self.canary is not None
        self.canary.hear(event("ChannelUserevent", eventname=name, userevent={"number": number}))

    async def reconnect(self) -> None:
        """See AriClient."""
        self.reconnects += 1

    def hurry(self) -> None:
        """See AriClient."""
        self.hurries += 1


@dataclass
class Flight:
    """A canary that flies."""

    asterisk: Asterisk
    canary: Canary

    async def rounds(self, count: int) -> None:
        """Wait until it was sent so many times more."""
        wanted = len(self.asterisk.sent) + count
        async with asyncio.timeout(5):
            while len(self.asterisk.sent) < wanted:
                await clock.sleep(0.005)


@pytest.fixture
async def flight(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Flight]:
    """A canary whose rounds are short."""
    monkeypatch.setattr(canary, "_ROUND_SECONDS", _ROUND_SECONDS)
    monkeypatch.setattr(canary, "_FRESH_SECONDS", 4 * _ROUND_SECONDS)
    monkeypatch.setattr(canary, "_SLOW_SECONDS", _ROUND_SECONDS)
    asterisk = Asterisk()
    asterisk.canary = Canary(cast(Any, asterisk))
    flying = asyncio.create_task(asterisk.canary.run())
    yield Flight(asterisk, asterisk.canary)
    flying.cancel()
    await asyncio.wait([flying])


async def test_one_that_comes_back_disturbs_nobody(flight: Flight) -> None:
    """And says until when all events have come."""
    began = clock.monotonic()
    await flight.rounds(3)
    assert flight.canary.is_fresh
    assert flight.canary.told_until > began
    assert not flight.asterisk.reconnects


@pytest.mark.parametrize("harm", ["is_deaf", "is_still"])
async def test_two_misses_tear_the_connection_down(flight: Flight, harm: str) -> None:
    """The event gets lost, or the command that makes it is not even answered."""
    await flight.rounds(1)
    told_until = flight.canary.told_until
    setattr(flight.asterisk, harm, True)
    async with asyncio.timeout(5):
        while not flight.asterisk.reconnects:
            await clock.sleep(0.005)
        while flight.canary.is_fresh:
            await clock.sleep(0.005)
    assert flight.canary.told_until <= told_until + 2 * _ROUND_SECONDS


async def test_one_that_comes_back_makes_good_those_before_it(flight: Flight) -> None:
    """What a later one has overtaken is not missed: only two in a row are."""
    flight.asterisk.lost = [True, False] * 3
    await flight.rounds(8)
    assert not flight.asterisk.reconnects


async def test_one_that_was_never_sent_proves_nothing(flight: Flight) -> None:
    """Of another switch, say; one that comes late does."""
    flight.asterisk.is_deaf = True
    await flight.rounds(1)
    told_until = flight.canary.told_until
    flight.asterisk.tell("0")
    flight.asterisk.tell(flight.asterisk.sent[-1], "another")
    assert flight.canary.told_until == told_until
    latest = flight.asterisk.sent[-1]
    await clock.sleep(0.01)
    flight.asterisk.tell(latest)
    assert told_until < flight.canary.told_until <= flight.asterisk.sent_at[latest]


async def test_what_was_sent_before_a_connection_was_lost_is_not_missed(flight: Flight) -> None:
    """The reader connects again by itself; until then nothing is sent."""
    flight.asterisk.lost = [True]
    async with asyncio.timeout(5):
        while flight.asterisk.lost:
            await clock.sleep(0.001)
    flight.asterisk.is_connected = False
    flight.asterisk.lost = [True, False]
    sent = len(flight.asterisk.sent)
    await clock.sleep(4 * _ROUND_SECONDS)
    assert len(flight.asterisk.sent) <= sent + 1  # one was on its way
    flight.asterisk.is_connected = True
    await flight.rounds(3)
    assert not flight.asterisk.reconnects


async def test_an_asterisk_that_wakes_is_known_at_once(flight: Flight) -> None:
    """What it was asked as it fell asleep it answers then; nothing more is asked meanwhile."""
    await flight.rounds(1)
    flight.asterisk.is_still = True
    await flight.rounds(1)
    async with asyncio.timeout(5):
        while not flight.asterisk.reconnects:
            await clock.sleep(0.005)
    sent = len(flight.asterisk.sent)
    flight.asterisk.is_connected = False
    await clock.sleep(2 * _ROUND_SECONDS)
    assert len(flight.asterisk.sent) == sent
    assert not flight.asterisk.hurries
    flight.asterisk.woken.set()
    async with asyncio.timeout(5):
        while not flight.asterisk.hurries:
            await clock.sleep(0.001)


async def test_another_connection_is_not_kept_from_its_canary(flight: Flight) -> None:
    """By one that was sent before it, and whose answer may never come."""
    await flight.rounds(1)
    flight.asterisk.is_still = True
    await flight.rounds(1)
    flight.asterisk.is_still = False
    flight.asterisk.connection_count += 1
    await flight.rounds(3)
    assert flight.canary.is_fresh
