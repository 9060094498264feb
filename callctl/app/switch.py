"""Wires the switch process: database, directory, ledger, ARI, exchange; run by `callctl switch`."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from callctl import clock
from callctl.app.ready import tell_ready
from callctl.ari.client import AriClient, AriSettings, Connected
from callctl.ari.models import Event
from callctl.cdr import Journal
from callctl.charging import LimitBook, Neighbours, SlicePolicy
from callctl.db import pool
from callctl.db.migrate import migrate
from callctl.directory.areas import AreaTable
from callctl.directory.store import DirectoryWatch
from callctl.errors import DatabaseUnavailable, InvalidInput
from callctl.exchange import Exchange, Recovery, read_abandoned
from callctl.flows.desk import Desk
from callctl.ledger import Teller
from callctl.settings import Settings

_DRAIN_SECONDS = 10.0
_OVERDUE_SECONDS, _OVERDUE_AT_ONCE = 60.0, 1000  # how often, and how many at a time
_log = structlog.get_logger()


async def run_switch(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT: then end the live calls, settle them, and return."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with _services(settings) as services:
        _rest_the_collector()
        await _serve(settings, services, stop)
    _log.info("switch_stopped")


def _rest_the_collector() -> None:
    """What lives for ever is not looked at again; calls make few cycles, so look seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@dataclass(frozen=True, slots=True)
class _Services:
    """What lives as long as the process."""

    database: pool.Database
    watch: DirectoryWatch
    desk: Desk


@asynccontextmanager
async def _services(settings: Settings) -> AsyncIterator[_Services]:
    """Open the database and what stands on it; closed in reverse, teller and journal drained."""
    if settings.database_url is None:
        raise InvalidInput("CALLCTL_DATABASE_URL is not set: set it, or start all with callctl run")
    await migrate(settings.database_url)
    async with AsyncExitStack() as opened:
        database = await pool.connect(
            settings.database_url,
            size=settings.database_pool_size,
            timeout_seconds=settings.database_timeout_seconds,
        )
        opened.push_async_callback(database.close)
        watch = DirectoryWatch(database, settings.database_url)
        await watch.reload()
        teller, journal = Teller(database), Journal(database)
        for service in (teller, journal):
            await service.start()
            opened.push_async_callback(service.stop)
        desk = Desk(
            directory=lambda: watch.current,
            areas=AreaTable.load(),
            teller=teller,
            limits=LimitBook(database),
            neighbours=Neighbours(),
            journal=journal,
            policy=SlicePolicy(settings.slice_seconds, settings.renew_lead_seconds),
        )
        yield _Services(database, watch, desk)


async def _serve(settings: Settings, services: _Services, stop: asyncio.Event) -> None:
    """Take calls until `stop`; then end those that live, and let go of Asterisk."""
    abandoned = await read_abandoned(services.database)

    def hear(event: Event) -> None:
        exchange.on_event(event)

    lost_at: list[datetime] = []

    def lost(_reason: str) -> None:
        lost_at.append(clock.now())

    async def connected(_: Connected) -> None:
        await recovery.run()
        if lost_at:
            await exchange.reconcile(lost_at[0])
            lost_at.clear()
        tell_ready()

    async with AriClient(
        AriSettings(settings.ari_url, settings.ari_user, settings.ari_password),
        app=settings.ari_app,
        on_event=hear,
        on_connected=connected,
        on_lost=lost,
    ) as ari:
        recovery = Recovery(ari, services.database, services.desk, abandoned)
        exchange = Exchange(ari, services.desk, calls_max=settings.calls_max)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(services.watch.run(), name="directory"),
                tasks.create_task(ari.run(), name="ari"),
                tasks.create_task(_give_back_overdue(services.desk.teller), name="overdue"),
            ]
            await _until_stopped_or_failed(stop, running)
            await exchange.drain(_DRAIN_SECONDS)
            for task in running:
                task.cancel()


async def _give_back_overdue(teller: Teller) -> None:
    """Now and then give back what reservations still hold long after their paid time."""
    while True:
        try:
            count = await teller.expire_due(_OVERDUE_AT_ONCE)
        except DatabaseUnavailable as error:
            _log.warning("overdue_not_given_back", error=str(error))
        else:
            if count:
                _log.warning("overdue_given_back", reservations=count)
        await clock.sleep(_OVERDUE_SECONDS)


async def _until_stopped_or_failed(stop: asyncio.Event, running: list[asyncio.Task[None]]) -> None:
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
