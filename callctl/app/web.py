"""The web process: API, console and FastAGI look-ups over one pool; run by `callctl web`.

Pages and the API read the database; the look-ups answer from a directory in memory.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_address
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Receive, Scope, Send

from callctl import console
from callctl.agi import AgiServer, LookUps
from callctl.api import audio, callbacks, dids, problems, routes, voicemails
from callctl.app import watchdog
from callctl.app.database import connected
from callctl.app.ready import tell_ready
from callctl.callbacks import Callbacks
from callctl.db.pool import Database
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
    """Serve until SIGTERM or SIGINT; as long as PostgreSQL is away at the start, say so.

    Raises DatabaseError for what no waiting mends, or StackFailed.
    """
    dsn = settings.database_url
    if dsn is None:
        raise DatabaseUnavailable("no database: set CALLCTL_DATABASE_URL or start `callctl run`")
    door = _Door(_hosts(settings.api_host))
    server = _Server(_config(settings, door))
    serving = asyncio.ensure_future(_serve(settings, server))
    working = asyncio.ensure_future(_work(settings, dsn, door, server.listens))
    try:
        await asyncio.wait([serving, working], return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        working.cancel()
        results = await asyncio.gather(serving, working, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _work(settings: Settings, dsn: str, door: "_Door", listens: asyncio.Event) -> None:
    """Open the door once the database is there, and keep what is in memory current."""
    database = await connected(settings, dsn)
    try:
        watch, areas = DirectoryWatch(database, dsn), AreaBook()
        await watch.reload()
        await areas.load(database)
        lines = LineBook(database, dsn)
        queues = Queues(database, dsn, lines, is_open=is_open)
        look_ups = LookUps(
            lambda: watch.current, areas.area_of, Views(database), lines.states, queues.states
        )
        door.app = build_web(settings, database, lambda: watch.current, areas)
        async with _agi(settings, look_ups):
            await listens.wait()
            tell_ready()
            followed = (watch.run(), areas.run(database, dsn), lines.run(), queues.run())
            async with asyncio.TaskGroup() as tasks:  # one that fails ends them all
                for one in (*followed, watchdog.feed()):
                    tasks.create_task(one)
    finally:
        await database.close()


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


def _config(settings: Settings, app: Callable[..., Any]) -> uvicorn.Config:
    return uvicorn.Config(
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


async def _serve(settings: Settings, server: "_Server") -> None:
    try:
        await server.serve()
    except SystemExit as error:  # uvicorn's way to say that it can't listen; it has logged why
        raise StackFailed(f"the API can't listen on port {settings.api_port}") from error


class _Door:
    """What HTTP meets: `app` once it is there, before that 503."""

    def __init__(self, hosts: list[str]) -> None:
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
        problems.install(self.app)
        self.app.add_api_route("/{path:path}", self._away, methods=["GET", "POST", "PUT", "DELETE"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    async def _away(self) -> None:
        raise DatabaseUnavailable("PostgreSQL does not answer: callctl web waits for it")


class _Server(uvicorn.Server):
    """uvicorn that tells when it listens, and that lets us close the pool after a signal."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

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
            self.listens.set()


def _hosts(host: str) -> list[str]:
    with contextlib.suppress(ValueError):
        if ip_address(host).is_unspecified:
            return ["*"]
    return ["127.0.0.1", "localhost", host]


def _port_taken(use: str, port: int, error: OSError) -> str:
    return f"port {port}, wanted for {use}, can't be used ({error.strerror}): see ss -lntup"
