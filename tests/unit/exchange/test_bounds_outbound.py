"""How many callbacks are made at a time, and how long none is looked for without news."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl import clock
from callctl.callbacks.store import Since
from callctl.exchange import outbound
from callctl.exchange.outbound import Outbound

_WAITING = 50


class Site:
    """Callbacks that wait, whose turn it is and for whom lines are free; their calls never end."""

    is_draining = False

    def __init__(self) -> None:
        self.waiting = [
            SimpleNamespace(id=uuid.UUID(int=number), call_id=uuid.UUID(int=number), attempts=1)
            for number in range(_WAITING)
        ]
        self.looks = self.begun = 0
        desk: Any = SimpleNamespace(callbacks=self, queues=self)
        self.outbound = Outbound(cast(Any, None), "", desk, cast(Any, self))
        replaced = cast(Any, self.outbound)
        replaced._is_line_free, replaced._call = lambda _: True, lambda _: (None, None)

    async def begin(self, *what: Any) -> Any:
        """See Callbacks; of the exchange it is, too, with a call that never ends."""
        if what[0] is None:
            self.begun += 1
            await asyncio.Event().wait()
        return what[0]

    async def clear(self) -> None:
        """See Callbacks."""
        self.looks += 1

    async def claim(self, _switch: str, callback_id: uuid.UUID | None = None) -> Any:
        """See Callbacks."""
        found = [one for one in self.waiting if callback_id in {None, one.id}][:1]
        self.waiting = [one for one in self.waiting if one not in found]
        return found[0] if found else None

    async def since(self, _request: object) -> Since:
        """See Callbacks."""
        return Since.NOTHING

    async def keeping_places(self) -> Any:
        """See Callbacks."""
        self.looks += 1
        return list(self.waiting)

    async def callbacks_may_be_due(self, seconds: float) -> None:
        """See Queues: nothing changes any more, so that this takes all the time it may."""
        await clock.sleep(seconds)

    def due_callbacks(self) -> Any:
        """See Queues."""
        return list(self.waiting)

    async def until_looked(self, count: int) -> None:
        """Wait until it was looked for callbacks so many times."""
        async with asyncio.timeout(5):
            while self.looks < count:
                await clock.sleep(0.005)


@asynccontextmanager
async def _doing(work: Coroutine[Any, Any, None], site: Site) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    yield
    for one in (task, *site.outbound._live.values()):
        one.cancel()
    await asyncio.wait([task, *site.outbound._live.values()])


async def test_so_many_callbacks_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others wait on, here or for another switch, however often it is looked."""
    monkeypatch.setattr(outbound, "_POLL_SECONDS", 0.01)
    site = Site()
    async with _doing(site.outbound._claiming(), site):
        await site.until_looked(3)
        assert site.begun == len(site.outbound._live) == 10
        assert len(site.waiting) == _WAITING - 10


async def test_of_those_who_keep_places_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are free for all of them, and yet there are only so many calls."""
    monkeypatch.setattr(outbound, "_TURN_SECONDS", 0.001)
    monkeypatch.setattr(outbound, "_GATHER_SECONDS", 0.001)
    site = Site()
    async with _doing(site.outbound._claiming_places(), site):
        await site.until_looked(1)
        await site.outbound._claim_those({one.call_id for one in site.waiting})
        assert len(site.outbound._live) == 10
        assert len(site.waiting) == _WAITING - 10


async def test_a_callback_whose_notification_got_lost_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is looked again, whatever was heard."""
    monkeypatch.setattr(outbound, "_POLL_SECONDS", 0.01)
    site = Site()
    site.waiting = []
    async with _doing(site.outbound._claiming(), site):
        await site.until_looked(3)


async def test_a_place_whose_turn_nobody_told_of_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked again for whose turn it is, whatever was heard."""
    monkeypatch.setattr(outbound, "_TURN_SECONDS", 0.01)
    monkeypatch.setattr(outbound, "_GATHER_SECONDS", 0.001)
    site = Site()
    monkeypatch.setattr(site.outbound, "_claim_those", lambda _: site.clear())
    async with _doing(site.outbound._claiming_places(), site):
        await site.until_looked(3)
