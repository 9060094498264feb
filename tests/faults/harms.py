"""One harm of each family, for a while; for the tests that do two at once, and for the soak."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg

from callctl import clock
from callctl.errors import StackFailed
from callctl.stack.processes import Child
from tests.agents import Caller, Carrier, PlacedCall, ReceivedCall
from tests.faults import outages
from tests.faults.dialogs import vanish
from tests.faults.proxy import AriProxy, Line
from tests.faults.site import Site, freeze, thaw

_AGAIN_SECONDS = 0.2


@dataclass
class Scene:
    """A site whose switch is started again whenever it ends, as systemd does, behind a proxy."""

    site: Site
    switch: Child
    proxy: AriProxy
    starts: int = 0
    on_asterisk_lost: list[Callable[[], None]] = field(default_factory=list)

    async def keep(self) -> None:
        """Start the switch, and again each time it has ended; until cancelled."""
        while True:
            self.starts += 1
            with suppress(StackFailed):
                await self.site.start(self.switch)
                await self.switch.wait()
            await clock.sleep(_AGAIN_SECONDS)


@asynccontextmanager
async def scene(site: Site, dice: random.Random) -> AsyncIterator[Scene]:
    """A scene whose switch is ready; at the end it is left alone, and stopped with the site."""
    async with AriProxy(site.ari_url, dice) as proxy:
        site.ari_url = proxy.url
        made = Scene(site, site.switch(), proxy)
        keeping = asyncio.create_task(made.keep())
        try:
            await site.logged(made.switch, "ari_connected", seconds=30)
            yield made
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping


Harm = Callable[[Scene], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _switch_killed(it: Scene) -> AsyncIterator[None]:
    await it.switch.kill()
    yield


@asynccontextmanager
async def _switch_frozen(it: Scene) -> AsyncIterator[None]:
    frozen = [it.switch.pid] if it.switch.is_running else []
    freeze(frozen)
    try:
        yield
    finally:
        thaw(frozen)


@asynccontextmanager
async def _asterisk_killed(it: Scene) -> AsyncIterator[None]:
    await it.site.asterisk.kill()
    parties_lost(it.site.caller, it.site.carrier)
    try:
        yield
    finally:
        await it.site.asterisk.start()


@asynccontextmanager
async def _asterisk_frozen(it: Scene) -> AsyncIterator[None]:
    await it.site.grounds.freeze_asterisk()
    try:
        yield
    finally:
        await it.site.grounds.thaw_asterisk()


@asynccontextmanager
async def _socket_cut(it: Scene) -> AsyncIterator[None]:
    it.proxy.reset()
    yield


@asynccontextmanager
async def _socket_stalled(it: Scene) -> AsyncIterator[None]:
    it.proxy.set_line(Line.STALLED)
    try:
        yield
    finally:
        it.proxy.heal()


@asynccontextmanager
async def _account_locked(it: Scene) -> AsyncIterator[None]:
    is_over = asyncio.Event()

    async def lock() -> None:
        # PostgreSQL may be away, or go away with the lock.
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            async with outages.locked(it.site, "tenant:faults"):
                await is_over.wait()

    locking = asyncio.create_task(lock())
    try:
        yield
    finally:
        is_over.set()
        await locking


HARMS: dict[str, Harm] = {
    "switch killed": _switch_killed,
    "switch frozen": _switch_frozen,
    "asterisk killed": _asterisk_killed,
    "asterisk frozen": _asterisk_frozen,
    "socket cut": _socket_cut,
    "socket stalled": _socket_stalled,
    "postgres killed": lambda it: outages.killed(it.site),
    "postgres stopped": lambda it: outages.stopped(it.site),
    "postgres frozen": lambda it: outages.frozen(it.site),
    "account locked": _account_locked,
}


def parties_lost(caller: Caller, carrier: Carrier) -> None:
    """Asterisk is gone: nobody will say goodbye to those who talk."""
    parties: list[PlacedCall | ReceivedCall] = [*caller.calls, *carrier.calls]
    for party in parties:
        if party.outcome is None:
            vanish(party)
