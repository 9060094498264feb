"""Wires the switch process: lease, services, ARI, exchange; run by `callctl switch`.

One switch owns an Asterisk at a time. Another one that is started stands by, and has the calls
within seconds of the owner's end.
"""

import asyncio
import gc
import signal
from contextlib import AsyncExitStack

import structlog

from callctl import clock, crash
from callctl.app.ready import tell_ready
from callctl.app.services import Services, open_services
from callctl.ari.client import AriClient, AriSettings, Connected
from callctl.ari.models import Event
from callctl.db import pool
from callctl.db.lease import Lease, Owner
from callctl.db.migrate import migrate
from callctl.errors import AriReplaced, InvalidInput, Superseded
from callctl.exchange import Canary, Exchange, Recovery, read_abandoned
from callctl.exchange.outbound import Outbound
from callctl.settings import Settings

_DRAIN_SECONDS = 10.0
_log = structlog.get_logger()


class _Stop:
    """The wish to end: by SIGTERM the calls go on for the next switch, by SIGINT they end."""

    def __init__(self) -> None:
        self.wish = asyncio.Event()
        self.hands_over = True
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._take, True)
        loop.add_signal_handler(signal.SIGINT, self._take, False)

    def _take(self, hands_over: bool) -> None:
        self.hands_over = hands_over and not self.wish.is_set()
        self.wish.set()


async def run_switch(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises Superseded or AriReplaced: another one has the calls."""
    dsn = settings.database_url
    if dsn is None:
        raise InvalidInput("CALLCTL_DATABASE_URL is not set: set it, or start all with callctl run")
    stop = _Stop()
    crash.arm(settings.crash_at, settings.crash_points_path)
    await migrate(dsn)
    async with AsyncExitStack() as opened:
        database = await pool.connect(
            dsn,
            size=settings.database_pool_size,
            timeout_seconds=settings.database_timeout_seconds,
        )
        opened.push_async_callback(database.close)
        lease = Lease(database, settings.asterisk_name)
        owner = await _acquired(lease, stop)
        if owner is None:
            return
        opened.push_async_callback(lease.release, owner)
        services = await opened.enter_async_context(
            open_services(settings, dsn, database, owner, lease.is_answered)
        )
        _rest_the_collector()
        await _serve(settings, services, lease, owner, stop)
    _log.info("switch_stopped")


async def _acquired(lease: Lease, stop: _Stop) -> Owner | None:
    """The lease; None when the wish to end came first."""
    acquiring = asyncio.ensure_future(lease.acquire(on_wait=tell_ready))
    stopping = asyncio.ensure_future(stop.wish.wait())
    try:
        await asyncio.wait([acquiring, stopping], return_when=asyncio.FIRST_COMPLETED)
        return acquiring.result() if acquiring.done() else None
    finally:
        acquiring.cancel()
        stopping.cancel()


def _rest_the_collector() -> None:
    """What lives for ever is not looked at again; calls make few cycles, so look seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


async def _serve(
    settings: Settings, services: Services, lease: Lease, owner: Owner, stop: _Stop
) -> None:
    """Take calls until `stop`, then end or hand over those that live; let go when superseded."""
    abandoned = await read_abandoned(services.database, owner.asterisk)
    lost: list[float] = []  # since when, on clock.monotonic()

    def hear(event: Event) -> None:
        canary.hear(event)
        exchange.on_event(event)

    def note_loss(_reason: str) -> None:
        lost.append(clock.monotonic())

    async def connected(_: Connected) -> None:
        await recovery.run()
        if lost:
            await exchange.reconcile(clock.monotonic() - lost[0])
            lost.clear()
        tell_ready()

    async with AriClient(
        AriSettings(settings.ari_url, settings.ari_user, settings.ari_password),
        app=settings.ari_app,
        on_event=hear,
        on_connected=connected,
        on_lost=note_loss,
    ) as ari:
        exchange = Exchange(ari, services.desk, calls_max=settings.calls_max)
        canary = Canary(ari)
        recovery = Recovery(
            *(ari, services.database, services.desk, exchange, abandoned),
            legs_path=settings.legs_path,
        )
        works = services.beside() | {
            "lease": lease.keep(owner),
            "ari": ari.run(),
            "canary": canary.run(),
            "callbacks": Outbound(ari, services.dsn, services.desk, exchange).run(),
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
