"""An exchange in the test's own process, so that a test may stand between it and Asterisk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from callctl.app.services import open_services
from callctl.ari.client import AriClient, AriSettings
from callctl.ari.transport import Transport
from callctl.exchange import Exchange
from callctl.settings import Settings
from tests.faults.site import Site


@asynccontextmanager
async def inside(site: Site, transport: Transport | None = None) -> AsyncIterator[Exchange]:
    """The exchange of a site without a switch; its commands go by `transport`, if given."""
    connected = asyncio.Event()
    asterisk = site.asterisk
    settings = Settings(sounds_dir=site.folder, recordings_dir=asterisk.recordings_path)
    async with AsyncExitStack() as opened:
        services = await opened.enter_async_context(
            open_services(settings, site.database_url, site.database, None)
        )
        ari = await opened.enter_async_context(
            AriClient(
                AriSettings(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password),
                on_event=lambda event: exchange.on_event(event),  # noqa: PLW0108 - made below
                on_connected=lambda _: connected.set(),
                transport=transport,
            )
        )
        exchange = Exchange(ari, services.desk, calls_max=100)
        reading = asyncio.create_task(ari.run())
        async with asyncio.timeout(10):
            await connected.wait()
        try:
            yield exchange
        finally:
            await exchange.drain(5)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
