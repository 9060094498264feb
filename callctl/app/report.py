"""Serves the switch's metrics and health; run by app.switch beside the calls.

On its own port, from the process itself: who asks gets the answer of this very switch.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from callctl import clock
from callctl.app import watchdog
from callctl.app.condition import Condition
from callctl.app.metrics import CONTENT_TYPE, Metrics
from callctl.db.lease import Lease
from callctl.db.pool import Database
from callctl.settings import Settings

_AGAIN_SECONDS = 5.0
_log = structlog.get_logger()


@asynccontextmanager
async def reporting(settings: Settings, database: Database, lease: Lease) -> AsyncIterator[Metrics]:
    """Metrics, health and watchdog of this process while the block runs; calls do not need them."""
    condition = Condition(lease)
    metrics = Metrics(condition)
    works = {
        "report": serve(settings.metrics_host, settings.metrics_port, metrics),
        "stored metrics": metrics.stored.keep(database),
        "loop lag": condition.loop_lag.run(),
        "watchdog": watchdog.feed(condition.is_of_use),
    }
    tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
    try:
        yield metrics
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                _log.error("report_failed", error=repr(result))


async def serve(host: str, port: int, metrics: Metrics) -> None:
    """Answer until cancelled. A port that is taken is tried again: calls do not depend on it."""

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"live": True})  # who answers turns his loop

    async def ready(_: web.Request) -> web.Response:
        ills = metrics.condition.ills()
        status = 503 if ills else 200
        return web.json_response({"ready": not ills, "why_not": ills}, status=status)

    application = web.Application()
    application.router.add_get("/metrics", show_metrics)
    application.router.add_get("/health/live", live)
    application.router.add_get("/health/ready", ready)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.0)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    is_told = False
    while True:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            if not is_told:
                is_told = True
                _log.warning("metrics_not_served", port=port, error=str(error))
            await clock.sleep(_AGAIN_SECONDS)
        else:
            return
