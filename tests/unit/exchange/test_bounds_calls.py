"""How many calls the exchange has at a time, and how long it waits for what goes on without it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl import clock
from callctl.ari.asterisk_clock import AsteriskClock
from callctl.ari.client import AriClient, AriSettings
from callctl.calls import Call, CallClock, Leg
from callctl.cdr import Cdr
from callctl.exchange import Exchange, reconciling
from callctl.exchange import exchange as exchange_module
from callctl.exchange.reconciling import Inquiry, Seen
from callctl.values.ids import new_id
from tests.unit.asterisk_double import AsteriskDouble


class Site:
    """An exchange whose calls do nothing, and do not hear their callers go, before `go_on`."""

    def __init__(self, calls_max: int) -> None:
        self.asterisk, self.cdrs = AsteriskDouble(), list[Cdr]()
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        settings = AriSettings("http://127.0.0.1:1", "nobody", "")
        self.ari = AriClient(settings, transport=self.asterisk)
        desk = SimpleNamespace(directory=lambda: SimpleNamespace(revision_id=1, dids={}))
        self.exchange = Exchange(
            *(self.ari, cast(Any, desk)), calls_max=calls_max, write_cdr=self.write
        )
        self.asterisk.hear = self.exchange.on_event

    async def script(self, _call: Call, *_: object) -> None:
        """What a call does here."""
        self.begun.set()
        await self.go_on.wait()

    async def write(self, cdr: Cdr) -> None:
        """See Exchange."""
        self.cdrs.append(cdr)

    async def ended(self, count: int) -> list[str]:
        """By what calls were ended, once there are so many."""
        async with asyncio.timeout(5):
            while len(self.cdrs) < count:
                await clock.sleep(0.005)
        return [cdr.ended_by for cdr in self.cdrs]


@asynccontextmanager
async def _site(monkeypatch: pytest.MonkeyPatch, calls_max: int = 10) -> AsyncIterator[Site]:
    site = Site(calls_max)
    monkeypatch.setitem(exchange_module._SCRIPTS, "inbound", site.script)
    yield site
    site.go_on.set()
    await site.exchange.drain(5)


async def test_so_many_calls_are_taken_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused at once, and so is the next one after it."""
    async with _site(monkeypatch, calls_max=2) as site:
        for number in range(4):
            site.asterisk.arrive(f"1.{number}", new_id())
        assert await site.ended(2) == ["overloaded"] * 2
        assert set(site.asterisk.channels) == {"1.0", "1.1"}


async def test_who_was_not_come_to_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """He has waited for more than two seconds: others would only wait longer behind him."""
    async with _site(monkeypatch) as site:
        site.asterisk.channels = {"1.1": "Ring", "1.2": "Ring"}
        late, soon = (
            site.asterisk.told("StasisStart", channel, args=["inbound", str(new_id())])
            for channel in ("1.1", "1.2")
        )
        site.exchange.on_event(
            late.model_copy(update={"timestamp": clock.now() - timedelta(seconds=3)})
        )
        site.exchange.on_event(soon)
        assert await site.ended(1) == ["overloaded"]
        assert site.exchange.live_count == 1


async def test_calls_that_do_not_end_do_not_keep_the_switch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They were hung up; what they do after that is not waited for any longer than said."""
    async with _site(monkeypatch) as site:
        site.asterisk.arrive("1.1", new_id())
        async with asyncio.timeout(5):
            await site.begun.wait()
            await site.exchange.drain(0.05)
        assert site.exchange.live_count == 1
        assert not site.asterisk.channels


@pytest.mark.parametrize(("bytes_between", "is_found"), [(0, True), (1000, False)])
async def test_of_asterisk_s_record_only_the_end_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_between: int, is_found: bool
) -> None:
    """It is as long as the site is old; what a call of now asks about is among the latest."""
    monkeypatch.setattr(reconciling, "LAST_BYTES", 500)
    monkeypatch.setattr(reconciling, "_RECORD_RETRY_SECONDS", 0.0)
    call_id, record, at = new_id(), tmp_path / "legs.csv", datetime.fromtimestamp(20, UTC)
    lines = [f"HANGUP,20.000000,1.1,1.1,{call_id},PJSIP/carrier,"]
    lines += ["x" * 50] * (bytes_between // 50)
    record.write_text("\n".join(["x" * 50] * 20 + lines) + "\n")
    setup = datetime.fromtimestamp(5, UTC)
    leg = Leg(new_id(), "1.1", "a", "", None, setup)
    call = SimpleNamespace(
        call_id=call_id, wake=lambda: None, clock=CallClock.since(setup, AsteriskClock())
    )
    ari = cast(Any, SimpleNamespace(clock=AsteriskClock()))
    async with asyncio.timeout(5):
        await Inquiry(ari, record).believe([Seen(cast(Any, call), leg, None)])
    assert (leg.destroyed_at == at) is is_found


async def test_a_record_that_says_nothing_is_read_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the leg has ended when it was last known to be there, and its call goes on."""
    monkeypatch.setattr(reconciling, "_RECORD_RETRY_SECONDS", 0.001)
    record = tmp_path / "legs.csv"
    record.write_text("")
    leg = Leg(new_id(), "1.1", "a", "", None, clock.now())
    call = SimpleNamespace(
        call_id=new_id(), wake=lambda: None, clock=CallClock.since(clock.now(), AsteriskClock())
    )
    ari = cast(Any, SimpleNamespace(clock=AsteriskClock()))
    async with asyncio.timeout(5):
        await Inquiry(ari, record).believe([Seen(cast(Any, call), leg, None)])
    assert leg.destroyed_at is not None
