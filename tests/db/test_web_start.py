"""`callctl web` as a process, started while PostgreSQL is away."""

import asyncio
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from callctl.db.embedded import EmbeddedPostgres
from callctl.stack.processes import Child
from tests.demo.world import eventually
from tests.plugins.database import free_port, scratch_folder


@pytest.fixture
async def absent() -> AsyncIterator[EmbeddedPostgres]:
    """A server that has run, and does not."""
    folder = scratch_folder()
    server = EmbeddedPostgres(folder, free_port(), durable=False)
    try:
        await server.start()
        await server.stop()
        yield server
    finally:
        await server.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def test_web_waits_for_postgresql(absent: EmbeddedPostgres, tmp_path: Path) -> None:
    """It answers 503 meanwhile, is ready when PostgreSQL is there, and can be stopped before."""
    port = free_port()
    settings = {
        "CALLCTL_DATABASE_URL": absent.dsn,
        "CALLCTL_API_PORT": str(port),
        "CALLCTL_AGI_PORT": str(free_port()),
        "CALLCTL_VAR_DIR": str(tmp_path),
    }
    web = Child("web", (sys.executable, "-m", "callctl", "web"), tmp_path / "web.log")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:

        async def status() -> int | None:
            try:
                return (await http.get("/health")).status_code
            except httpx.TransportError:
                return None

        async def waits() -> asyncio.Task[None]:
            starting = asyncio.create_task(web.start(settings))
            assert await eventually(status, "an answer of /health", 15) == 503
            assert (await http.get("/v1/calls")).json()["code"] == "database-unavailable"
            assert not starting.done()
            return starting

        try:
            starting = await waits()
            assert await web.stop(signal.SIGTERM) == 0
            await asyncio.gather(starting, return_exceptions=True)

            starting = await waits()
            await absent.start()
            async with asyncio.timeout(15):
                await starting
            assert await status() == 200
            assert (await http.get("/v1/calls")).json() == []
        finally:
            await web.stop(signal.SIGTERM)
