"""The web process: API, console and FastAGI look-ups over one pool; run by `callctl web`.

Pages and the API read the database; the look-ups answer from a directory in memory.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from ipaddress import ip_address
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from callctl import console
from callctl.agi import AgiServer, LookUps
from callctl.api import audio, callbacks, dids, problems, routes, voicemails
from callctl.app import watchdog
from callctl.app.ready import tell_ready
from callctl.callbacks import Callbacks
from callctl.db.migrate import migrate
from callctl.db.pool import Database, connect
from callctl.directory.area_book import AreaBook
from callctl.directory.manual_switch import ManualSwitches
from callctl.directory.models import Directory
from callctl.directory.store import DirectoryWatch
from callctl.errors import DatabaseUnavailable, StackFailed
from callctl.flows.waiting import is_open
from callctl.queues import LineBook, Queues
from callctl.settings import Settings
from callctl.views import Views

_STOP_SECONDS_MAX = 5


def build_web(
    settings: Settings,
    database: Database,
    directory: Callable[[], Directory],
    areas: AreaBook | None = None,
) -> FastAPI:
    """The ASGI application: API and console under one roof, errors answered by one table."""
    app = FastAPI(title="callctl", version="1", docs_url=None, redoc_url=None)
    views = Views(database)
    # Only by name or address of this machine: a web page elsewhere must not read through DNS.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_hosts(settings.api_host))
    problems.install(app)
    app.include_router(routes.build(views))
    app.include_router(voicemails.build(views))
    app.include_router(dids.build(directory, ManualSwitches(database)))
    app.include_router(audio.build(database))
    area_of = (areas or AreaBook()).area_of
    app.include_router(callbacks.build(Callbacks(database), directory, area_of))
    app.include_router(console.build(views))
    return app


async def run_web(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises DatabaseUnavailable or StackFailed at the start."""
    dsn = settings.database_url
    if dsn is None:
        raise DatabaseUnavailable("no database: set CALLCTL_DATABASE_URL or start `callctl run`")
    await migrate(dsn)
    database = await connect(
        dsn,
        size=settings.database_pool_size,
        timeout_seconds=settings.database_timeout_seconds,
    )
    try:
        watch, areas = DirectoryWatch(database, dsn), AreaBook()
        await watch.reload()
        await areas.load(database)
        lines = LineBook(database, dsn)
        queues = Queues(database, dsn, lines, is_open=is_open)
        look_ups = LookUps(
            lambda: watch.current, areas.area_of, Views(database), lines.states, queues.states
        )
        followed = (watch.run(), areas.run(database, dsn), lines.run(), queues.run())
        beside = (*followed, watchdog.feed())
        async with _following(*beside), _agi(settings, look_ups):
            await _serve(settings, build_web(settings, database, lambda: watch.current, areas))
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def _following(*changes: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Keep what is in memory current while the block runs; one that fails ends it."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one) for one in changes]
        yield
        for task in running:
            task.cancel()


@contextlib.asynccontextmanager
async def _agi(settings: Settings, look_ups: LookUps) -> AsyncIterator[None]:
    server = AgiServer(settings.agi_host, settings.agi_port, look_ups.paths())
    try:
        await server.start()
    except OSError as error:
        raise StackFailed(_port_taken("FastAGI", settings.agi_port, error)) from error
    try:
        yield
    finally:
        await server.stop()


async def _serve(settings: Settings, app: FastAPI) -> None:
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        lifespan="off",
        limit_concurrency=500,
        timeout_graceful_shutdown=_STOP_SECONDS_MAX,
    )
    server = _Server(config)
    try:
        await server.serve()
    except SystemExit as error:  # uvicorn's way to say that it can't listen; it has logged why
        raise StackFailed(f"the API can't listen on port {settings.api_port}") from error


class _Server(uvicorn.Server):
    """uvicorn that tells when it listens, and that lets us close the pool after a signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end)
        yield

    def _end(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            tell_ready()


def _hosts(host: str) -> list[str]:
    with contextlib.suppress(ValueError):
        if ip_address(host).is_unspecified:
            return ["*"]
    return ["127.0.0.1", "localhost", host]


def _port_taken(use: str, port: int, error: OSError) -> str:
    return f"port {port}, wanted for {use}, can't be used ({error.strerror}): see ss -lntup"
