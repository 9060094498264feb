"""Wires the switch process: lease, services, ARI, exchange; run by `callctl switch`.

One switch owns an Asterisk at a time. Another one that is started stands by, and has the calls
within seconds of the owner's end.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import structlog

from callctl import crash
from callctl.app.commands import Commands
from callctl.app.condition import Parts
from callctl.app.database import connected
from callctl.app.metrics import Metrics
from callctl.app.ready import tell_ready
from callctl.app.report import reporting
from callctl.app.services import Services, open_services
from callctl.ari.client import AriClient, AriSettings, Connected
from callctl.ari.models import Event
from callctl.cdr import LeftCdrs
from callctl.db.lease import Lease, Owner
from callctl.errors import AriError, AriReplaced, InvalidInput, Superseded
from callctl.exchange import Canary, Exchange, Reconciler, Recovery, read_abandoned
from callctl.exchange.outbound import Outbound
from callctl.settings import Settings

_DRAIN_SECONDS = 10.0
Result = TypeVar("Result")
_log = structlog.get_logger()


class _Stop:
    """The wish to end: by SIGTERM the calls go on for the next switch, by SIGINT they end."""

    def __init__(self) -> None:
        self.wish = asyncio.Event()
        self.hands_over = True
        self.is_drained = False
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._take, True)
        loop.add_signal_handler(signal.SIGINT, self._take, False)

    def _take(self, hands_over: bool) -> None:
        self.hands_over = hands_over and not self.wish.is_set()
        self.wish.set()

    def drained(self) -> None:
        """No call is left, or those that are go on for the next switch."""
        self.is_drained = True
        self.wish.set()


async def run_switch(settings: Settings) -> bool:
    """Run until SIGTERM or SIGINT, or until drained; returns whether it was.

    Raises Superseded or AriReplaced: another one has the calls.
    """
    dsn = settings.database_url
    if dsn is None:
        raise InvalidInput("CALLCTL_DATABASE_URL is not set: set it, or start all with callctl run")
    stop = _Stop()
    crash.arm(settings.crash_at, settings.crash_points_path)
    async with AsyncExitStack() as opened:
        database = await _unless(stop, connected(settings, dsn))
        if database is None:
            return False
        opened.push_async_callback(database.close)
        left = LeftCdrs(database, settings.cdrs_folder)
        await opened.enter_async_context(_beside(left.keep_writing()))
        lease = Lease(database, settings.asterisk_name)
        metrics = await opened.enter_async_context(reporting(settings, database, lease))
        owner = await _unless(stop, lease.acquire(on_wait=partial(tell_ready, "stands by")))
        if owner is None:
            return False
        opened.push_async_callback(lease.release, owner)
        services = await opened.enter_async_context(
            open_services(settings, dsn, database, owner, lease.is_answered)
        )
        await left.write_first()
        _rest_the_collector()
        await _serve(settings, services, owner, stop, metrics)
    _log.info("switch_stopped")
    return stop.is_drained


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have `work` done while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _unless(stop: _Stop, work: Coroutine[Any, Any, Result]) -> Result | None:
    """What `work` returns; None when the wish to end came first."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wish.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()


def _rest_the_collector() -> None:
    """What lives for ever is not looked at again; calls make few cycles, so look seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


async def _serve(
    settings: Settings, services: Services, owner: Owner, stop: _Stop, metrics: Metrics
) -> None:
    """Take calls until `stop`, then end or hand over those that live; let go when superseded."""
    abandoned = await read_abandoned(services.database, owner.asterisk)

    def hear(event: Event) -> None:
        canary.hear(event)
        exchange.on_event(event)

    async def connected(_: Connected) -> None:
        try:
            await recovery.run()
            await reconciler.reconcile(canary.told_until)
        except AriError as error:
            _log.warning("calls_not_seen", error=str(error))
            await ari.reconnect()  # which comes here again
            return
        tell_ready("owns the Asterisk")

    async with AriClient(
        AriSettings(settings.ari_url, settings.ari_user, settings.ari_password),
        app=settings.ari_app,
        on_event=hear,
        on_connected=connected,
    ) as ari:
        exchange = Exchange(
            *(ari, services.desk),
            calls_max=settings.calls_max,
            on_ended=metrics.call_ended,
            legs_path=settings.legs_path,
            write_cdr=services.spool.write,
        )
        reconciler = Reconciler(ari, exchange)
        canary = Canary(ari)
        metrics.condition.parts = Parts(owner, services, ari, canary, exchange)
        recovery = Recovery(
            *(ari, services.database, services.desk, exchange, abandoned),
            legs_path=settings.legs_path,
        )
        works = services.beside() | {
            "lease": metrics.condition.lease.keep(owner),
            "ari": ari.run(),
            "canary": canary.run(),
            "gate": exchange.gate.run(),
            "reconciler": reconciler.run(),
            "callbacks": Outbound(ari, services.dsn, services.desk, exchange).run(),
            "commands": Commands(
                *(services.database, services.dsn, owner, exchange), on_drained=stop.drained
            ).run(),
        }
        running = [asyncio.create_task(work, name=name) for name, work in works.items()]
        try:
            await _until_stopped_or_failed(stop, running)
            if _is_superseded(running):
                exchange.let_go()
            await exchange.drain(_DRAIN_SECONDS, hands_over=stop.hands_over)
        finally:
            await _end(running)


async def _until_stopped_or_failed(stop: _Stop, running: list[asyncio.Task[None]]) -> None:
    stopping = asyncio.ensure_future(stop.wish.wait())
    try:
        await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()


def _is_superseded(running: list[asyncio.Task[None]]) -> bool:
    """Whether another switch has the calls."""
    failures = [task.exception() for task in running if task.done()]
    return any(isinstance(one, Superseded | AriReplaced) for one in failures)


async def _end(running: list[asyncio.Task[None]]) -> None:
    """Cancel what still runs; raises the first failure of what ended by itself."""
    for task in running:
        task.cancel()
    results = await asyncio.gather(*running, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
