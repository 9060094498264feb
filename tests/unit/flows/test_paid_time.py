"""The paid time of a call when the ledger, or Asterisk's timers, do not do what was asked."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl import clock
from callctl.cdr import Record
from callctl.charging import Advance
from callctl.errors import DatabaseUnavailable
from callctl.flows import paid_time
from callctl.flows.paid_time import PaidTime


@dataclass
class Money:
    """A charge whose next renewals come out like `fates`; afterwards the talk is over."""

    fates: list[Advance | Exception] = field(default_factory=list)
    paid_seconds: float = 100.0
    has_news: bool = False
    exhaustion: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    shrunk: list[int] = field(default_factory=list)

    def seconds_left(self) -> float:
        return self.paid_seconds

    def seconds_to_act(self) -> float:
        return 0.0 if self.fates else 60.0

    async def advance(self) -> Advance:
        fate = self.fates.pop(0) if self.fates else Advance()
        if not self.fates:
            self.over.set()
        if isinstance(fate, Exception):
            raise fate
        return fate

    async def shrink(self, total_seconds: int) -> None:
        self.shrunk.append(total_seconds)


class Talk:
    """A call whose timers are set and read back as a test says: True once the lists are empty."""

    def __init__(self, money: Money) -> None:
        self.money = money
        self.set_answers: list[bool] = []
        self.seen_answers: list[bool] = []
        self.timers: list[float] = []
        self.looks = 0
        self.b_leg = None

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        deadline = clock.monotonic() + min(seconds, 0.01)
        while not holds() and clock.monotonic() < deadline:
            await clock.sleep(0.001)
        return holds()

    async def allow(self, seconds: float) -> bool:
        self.timers.append(seconds)
        return self.set_answers.pop(0) if self.set_answers else True

    async def is_timed(self, at_most: float = 0.0) -> bool:
        self.looks += 1
        return self.seen_answers.pop(0) if self.seen_answers else True

    async def meanwhile(self, act: Coroutine[Any, Any, Any], _is_over: Callable[[], bool]) -> Any:
        return await act


@dataclass
class Stage:
    """A talk and its money; `keep` runs until the money's fates are told."""

    money: Money
    talk: Talk
    time: PaidTime

    async def keep(self, *fates: Advance | Exception) -> None:
        self.money.fates = list(fates)
        async with asyncio.timeout(2):
            await self.time.keep(self.money.over.is_set)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """All is well, unless a test says otherwise."""
    monkeypatch.setattr(paid_time, "live_call", lambda *_: None)
    money = Money()
    talk = Talk(money)
    desk = SimpleNamespace(note=lambda _: None)
    time = PaidTime(cast(Any, talk), cast(Any, desk), Record(revision_id=1), cast(Any, money), "zh")
    return Stage(money, talk, time)


async def test_a_ledger_that_does_not_answer_ends_no_talk(stage: Stage) -> None:
    """What is paid goes on, and it is asked again."""
    away = DatabaseUnavailable("away")
    await stage.keep(away, away, Advance(is_extended=True), Advance())
    assert not stage.money.fates
    assert stage.time.record.paid_time_over is None or not stage.time.record.paid_time_over
    assert len(stage.talk.timers) == 2, "at the begin, and when there was more"


async def test_a_talk_that_its_timers_did_not_end_is_ended(stage: Stage) -> None:
    """Half a second after its money: whatever Asterisk's timers do, nobody talks on for nothing."""
    stage.money.paid_seconds = -0.6
    async with asyncio.timeout(2):
        await stage.time.keep(lambda: False)
    assert stage.time.record.paid_time_over == "money"


async def test_timers_that_were_not_set_are_set_again(stage: Stage) -> None:
    """At the next turn, whether there is more money or not."""
    stage.talk.set_answers = [False, False, True]
    await stage.keep(Advance(), Advance(), Advance(), Advance())
    assert len(stage.talk.timers) == 3


async def test_timers_that_do_not_run_are_set_again(stage: Stage) -> None:
    """Asterisk takes nonsense for no limit: they are read back, once they were seen no more."""
    stage.talk.seen_answers = [False]
    await stage.keep(Advance(), Advance(), Advance(), Advance())
    assert len(stage.talk.timers) == 2
    assert stage.talk.looks == 2


@pytest.mark.parametrize(("is_set", "is_seen"), [(True, True), (False, True), (True, False)])
async def test_money_is_given_back_once_the_timers_have_let_it_go(
    stage: Stage, is_set: bool, is_seen: bool
) -> None:
    """Time first, then money: else a leg would live on money that others have."""
    stage.talk.set_answers = [True, is_set]
    stage.talk.seen_answers = [True, is_seen]
    await stage.keep(Advance(), Advance(shrink_to=60), Advance())
    assert stage.money.shrunk == ([60] if is_set and is_seen else [])
    assert stage.talk.timers[1] == 60
    assert (len(stage.talk.timers) > 2) is not (is_set and is_seen)


async def test_a_failure_of_the_money_ends_what_it_pays_for(stage: Stage) -> None:
    """A stage that is charged is not done to its end for nothing."""
    is_hung_up = asyncio.Event()

    async def hang_up(_leg: object) -> None:
        is_hung_up.set()

    stage.talk.__dict__.update(a_leg=SimpleNamespace(is_gone=False), hang_up=hang_up)
    stage.talk.__dict__.update(wake=lambda: None)
    stage.money.paid_seconds = -0.6
    async with asyncio.timeout(2):
        await stage.time.during(is_hung_up.wait())
    assert stage.time.record.paid_time_over == "money"
