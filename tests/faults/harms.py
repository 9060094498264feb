"""One harm of each family, for a while; for the tests that do two at once, and for the soak."""

import asyncio
import os
import random
import resource
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg

from callctl import clock
from callctl.errors import DatabaseError, StackFailed
from callctl.stack.processes import Child
from tests.agents import Caller, Carrier, PlacedCall, ReceivedCall
from tests.demo.world import eventually
from tests.faults import outages
from tests.faults.dialogs import vanish
from tests.faults.lossy import Harm as EventHarm
from tests.faults.proxy import Answer, AriProxy, Line
from tests.faults.site import Site, freeze, thaw

_AGAIN_SECONDS = 0.2
_ANSWER_SECONDS_MAX = 1.0  # of a PostgreSQL that is there
_STANDBY_SECONDS_MAX = 20.0  # until a switch stands by, or has the lease
_SLOW_SECONDS = 0.2  # of each step of the ledger
_FAILING_MAX = 4  # kinds of commands at a time
_TIMES_MAX = 3
_COMMANDS = (
    "ari POST channels/create",
    "ari POST channels/*/dial",
    "ari POST channels/*/variable",
    "ari GET channels/*/variable",
    "ari GET channels/*",
    "ari GET channels",
    "ari DELETE channels/*",
    "ari POST channels/*/answer",
    "ari POST bridges/*",
    "ari POST bridges/*/addChannel",
    "ari POST bridges/*/play/*",
    "ari DELETE bridges/*",
)


@dataclass
class Scene:
    """A site whose switch is started again whenever it ends, as systemd does, behind a proxy.

    `other` is a second one of the same Asterisk; only some harms start it.
    """

    site: Site
    switch: Child
    other: Child
    proxy: AriProxy
    dice: random.Random
    starts: int = 0

    async def keep(self) -> None:
        """Start the switch, and again each time it has ended; until cancelled."""
        while True:
            self.starts += 1
            with suppress(StackFailed):
                await self.site.start(self.switch)
                await self.switch.wait()
            await clock.sleep(_AGAIN_SECONDS)

    @asynccontextmanager
    async def second_switch(self) -> AsyncIterator[None]:
        """The other switch stands by; at the end it hands what it has got to the first one.

        While PostgreSQL is away it can't, and would only make the harm longer than talks are paid.
        """
        before = self._said(self.switch, "standing_by")
        if await self._has_database():
            await self.site.start(self.other)
        try:
            yield
        finally:
            await self._until_said(self.switch, "standing_by", before)
            await self.other.stop(signal.SIGTERM)

    async def taken_over(self, how: Callable[[], None]) -> None:
        """Do something to the owner, and wait until the other switch owns the Asterisk."""
        before = self._said(self.other, "lease_taken")
        how()
        await self._until_said(self.other, "lease_taken", before)

    async def _has_database(self) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS_MAX):
                await self.site.database.fetch("SELECT 1")
        except (DatabaseError, TimeoutError):
            return False
        return True

    def _said(self, switch: Child, event: str) -> int:
        path = switch.log_path
        return path.read_text().count(f'"{event}"') if path.exists() else 0

    async def _until_said(self, switch: Child, event: str, before: int) -> None:
        """Until it has logged that once more; PostgreSQL may be away, then it does not."""

        async def look() -> bool | None:
            return True if self._said(switch, event) > before else None

        if self.other.is_running:
            with suppress(AssertionError):
                await eventually(look, event, _STANDBY_SECONDS_MAX)


@asynccontextmanager
async def scene(site: Site, dice: random.Random) -> AsyncIterator[Scene]:
    """A scene whose switch is ready; at the end it is left alone, and stopped with the site."""
    async with AriProxy(site.ari_url, dice) as proxy:
        site.ari_url = proxy.url
        made = Scene(site, site.switch(), site.switch("other"), proxy, dice)
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
async def _switch_stopped(it: Scene) -> AsyncIterator[None]:
    _end(it.switch, signal.SIGTERM)
    yield


@asynccontextmanager
async def _switch_taken_over(it: Scene) -> AsyncIterator[None]:
    async with it.second_switch():
        await it.taken_over(lambda: _end(it.switch, signal.SIGKILL))
        yield


@asynccontextmanager
async def _switch_superseded(it: Scene) -> AsyncIterator[None]:
    """It stands still until its lease is another's, and wakes."""
    frozen = [it.switch.pid] if it.switch.is_running else []
    try:
        async with it.second_switch():
            await it.taken_over(lambda: freeze(frozen))
            thaw(frozen)
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
async def _asterisk_reloaded(it: Scene) -> AsyncIterator[None]:
    await it.site.asterisk.cli("core reload")
    yield


@asynccontextmanager
async def _socket_cut(it: Scene) -> AsyncIterator[None]:
    it.proxy.reset()
    yield


@asynccontextmanager
async def _socket_stalled(it: Scene) -> AsyncIterator[None]:
    it.proxy.set_line(Line.STALLED)  # until the switch ends it
    yield


def _events(harm: EventHarm) -> Harm:
    @asynccontextmanager
    async def harmed(it: Scene) -> AsyncIterator[None]:
        it.proxy.harm = harm
        try:
            yield
        finally:
            it.proxy.harm = EventHarm()

    return harmed


def _answers(answer: Answer) -> Harm:
    """Some commands of this while have no right answer."""

    @asynccontextmanager
    async def failing(it: Scene) -> AsyncIterator[None]:
        for command in it.dice.sample(_COMMANDS, _FAILING_MAX):
            times, passed = it.dice.randint(1, _TIMES_MAX), it.dice.randint(0, _TIMES_MAX)
            it.proxy.fail(answer, command, times=times, passed=passed)
        try:
            yield
        finally:
            it.proxy.fail_no_more()

    return failing


def _while_there(outage: Callable[[Site], AbstractAsyncContextManager[None]]) -> Harm:
    """An outage that somebody makes through PostgreSQL, which may be away, or go away with it."""

    @asynccontextmanager
    async def harmed(it: Scene) -> AsyncIterator[None]:
        is_over = asyncio.Event()

        async def harm() -> None:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                async with outage(it.site):
                    await is_over.wait()

        harming = asyncio.create_task(harm())
        try:
            yield
        finally:
            is_over.set()
            await harming

    return harmed


@asynccontextmanager
async def _log_full(it: Scene) -> AsyncIterator[None]:
    """The disk of the log has no more room."""
    limited = [it.switch.pid] if it.switch.is_running else []
    room, unlimited = it.switch.log_path.stat().st_size, resource.RLIM_INFINITY
    _limit_files(limited, room)
    try:
        yield
    finally:
        _limit_files(limited, unlimited)


HARMS: dict[str, Harm] = {
    "switch killed": _switch_killed,
    "switch frozen": _switch_frozen,
    "switch stopped": _switch_stopped,
    "switch taken over": _switch_taken_over,
    "switch superseded": _switch_superseded,
    "asterisk killed": _asterisk_killed,
    "asterisk frozen": _asterisk_frozen,
    "asterisk reloaded": _asterisk_reloaded,
    "socket cut": _socket_cut,
    "socket stalled": _socket_stalled,
    "events dropped": _events(EventHarm(dropped=0.3, spared=frozenset({"ChannelDtmfReceived"}))),
    "events doubled": _events(EventHarm(doubled=0.5)),
    "events reordered": _events(EventHarm(reordered=0.5)),
    "events delayed": _events(EventHarm(delayed=0.5)),
    "answers lost": _answers(Answer.LOST),
    "answers wrong": _answers(Answer.ERROR_AFTER),
    "answers refusing": _answers(Answer.ERROR_INSTEAD),
    "answers hanging": _answers(Answer.HANGS_AFTER),
    "postgres killed": lambda it: outages.killed(it.site),
    "postgres stopped": lambda it: outages.stopped(it.site),
    "postgres frozen": lambda it: outages.frozen(it.site),
    "postgres slow": _while_there(lambda site: outages.slow(site, _SLOW_SECONDS)),
    "account locked": _while_there(lambda site: outages.locked(site, "tenant:faults")),
    "log full": _log_full,
}
ENDS_SWITCH = frozenset(
    {"switch killed", "switch stopped", "switch taken over", "switch superseded"}
)


def parties_lost(caller: Caller, carrier: Carrier) -> None:
    """Asterisk is gone: nobody will say goodbye to those who talk."""
    parties: list[PlacedCall | ReceivedCall] = [*caller.calls, *carrier.calls]
    for party in parties:
        if party.outcome is None:
            vanish(party)


def _end(switch: Child, signum: signal.Signals) -> None:
    """End it if it runs, however it is started again."""
    with suppress(StackFailed, ProcessLookupError):
        os.kill(switch.pid, signum)


def _limit_files(process_ids: list[int], room_bytes: int) -> None:
    for process_id in process_ids:
        with suppress(ProcessLookupError):
            limits = (room_bytes, resource.RLIM_INFINITY)
            resource.prlimit(process_id, resource.RLIMIT_FSIZE, limits)
