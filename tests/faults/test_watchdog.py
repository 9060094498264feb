"""systemd's watchdog: fed while the switch is of use, and not when another process would be."""

import asyncio
import signal

import pytest

from tests.faults.forms import IS_LONG, chance
from tests.faults.lossy import Harm
from tests.faults.proxy import AriProxy
from tests.faults.site import Site, freeze, thaw
from tests.faults.supervisor import supervised

WATCHDOG_SECONDS = 4.5  # two rounds of the canary; fed each 1.5 s
_SILENCE_SECONDS = 3.2  # two feeds are missing
_long_only = pytest.mark.skipif(not IS_LONG, reason="make faults: CI has tests/unit/app")


async def test_fed_while_postgres_alone_is_away(site: Site) -> None:
    """PostgreSQL frozen for longer than the watchdog waits: fed on, for talks ride through."""
    async with supervised(
        site.environment, site.folder / "switch.log", watchdog_seconds=WATCHDOG_SECONDS
    ) as switch:
        call = await site.talking("4005550001", "01062001234", "01062000401")
        freeze(site.grounds.postgres_ids())
        try:
            await switch.fed(4, seconds=15)
            assert call.outcome is None
        finally:
            thaw(site.grounds.postgres_ids())
        await call.hang_up()
        assert switch.process.returncode is None
        await site.nothing_left(15)


@_long_only
async def test_not_fed_while_the_loop_stands(site: Site) -> None:
    """A process that does nothing feeds nothing, and feeds again when it goes on."""
    async with supervised(
        site.environment, site.folder / "switch.log", watchdog_seconds=WATCHDOG_SECONDS
    ) as switch:
        await switch.fed(2, seconds=10)
        freeze([switch.process.pid])
        await switch.starved(_SILENCE_SECONDS, seconds=10)
        thaw([switch.process.pid])
        await switch.fed(1, seconds=5)


async def test_not_fed_when_reconnecting_does_not_cure_deafness(site: Site) -> None:
    """No event ever arrives, on however many connections: another process may do better."""
    async with AriProxy(site.ari_url, chance("watchdog")) as proxy:
        site.ari_url = proxy.url
        async with supervised(
            site.environment, site.folder / "switch.log", watchdog_seconds=WATCHDOG_SECONDS
        ) as switch:
            await switch.fed(2, seconds=10)
            proxy.harm = Harm(dropped=1.0)
            await switch.starved(_SILENCE_SECONDS, seconds=30)
            proxy.heal()
            await switch.fed(1, seconds=15)


@_long_only
async def test_fed_while_asterisk_is_away(site: Site) -> None:
    """Asterisk killed: starting callctl again would not bring it back."""
    async with supervised(
        site.environment, site.folder / "switch.log", watchdog_seconds=WATCHDOG_SECONDS
    ) as switch:
        await switch.fed(1, seconds=10)
        await site.asterisk.kill()
        await switch.fed(5, seconds=15)
        await site.grounds.mend()
        await asyncio.wait_for(switch.fed(1, seconds=10), 10)
        switch.process.send_signal(signal.SIGINT)
        assert await switch.process.wait() == 0
