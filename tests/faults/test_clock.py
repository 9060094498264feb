"""The wall clock stepped an hour either way: of Asterisk, the switch, their machine, PostgreSQL.

The exchange runs in this process, so that its clock can be stepped; Asterisk's steps are made in
the stamps of its events. Charged is what was talked, by a clock that never steps.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from callctl import clock
from callctl.app.services import open_services
from callctl.ari import models
from callctl.ari.client import AriClient, AriSettings
from callctl.charging import SlicePolicy
from callctl.db.lease import LEASE_SECONDS
from callctl.exchange import Canary, Exchange
from callctl.settings import Settings
from callctl.views import Cdr
from tests.agents import NoAnswer, PlacedCall
from tests.faults.forms import IS_LONG
from tests.faults.site import Site, freeze

HOUR = 3600.0
TALK, MENU, LINE = "4005550001", "4005550005", "01062000401"
SILENT, SILENT_LINE = "4005550002", "01062000402"
SLICE_SECONDS, LEAD_SECONDS = 2, 0.5  # renewed several times in a talk
_TAKEN_SECONDS_MAX = 5.0
_STEPS = [  # Asterisk's, the switch's
    pytest.param(HOUR, HOUR, id="machine forward"),
    pytest.param(-HOUR, -HOUR, id="machine back"),
    *(
        [
            pytest.param(HOUR, 0.0, id="asterisk forward"),
            pytest.param(-HOUR, 0.0, id="asterisk back"),
            pytest.param(0.0, HOUR, id="switch forward"),
            pytest.param(0.0, -HOUR, id="switch back"),
            pytest.param(12.0, 12.0, id="machine 12 s forward"),
            pytest.param(-12.0, -12.0, id="machine 12 s back"),
        ]
        if IS_LONG
        else []
    ),
]


@dataclass
class Steppable:
    """An exchange in this process, and by how much the two wall clocks are stepped."""

    site: Site
    exchange: Exchange | None = None
    canary: Canary | None = None
    asterisk_seconds: float = 0.0
    connected: asyncio.Event = field(default_factory=asyncio.Event)

    def on_event(self, event: models.Event) -> None:
        event.timestamp += timedelta(seconds=self.asterisk_seconds)
        if self.canary is not None and self.exchange is not None:
            self.canary.hear(event)
            self.exchange.on_event(event)

    async def talked(self, call: PlacedCall) -> tuple[Cdr, float]:
        """Hang up; its CDR, and how long its caller talked by our monotonic clock."""
        await call.hang_up()
        assert call.answered_at is not None
        assert call.ended_at is not None
        return await self.site.cdr(call), call.ended_at - call.answered_at


@pytest.fixture
async def steppable(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Steppable]:
    """The exchange, connected."""
    made = Steppable(site)
    asterisk = site.asterisk
    settings = Settings(sounds_dir=asterisk.sounds_path, recordings_dir=asterisk.recordings_path)
    async with AsyncExitStack() as opened:
        services = await opened.enter_async_context(
            open_services(settings, site.database_url, site.database, None)
        )
        desk = replace(services.desk, policy=SlicePolicy(SLICE_SECONDS, LEAD_SECONDS))
        ari = await opened.enter_async_context(
            AriClient(
                AriSettings(site.ari_url, asterisk.ari_user, asterisk.ari_password),
                on_event=made.on_event,
                on_connected=lambda _: made.connected.set(),
            )
        )
        made.exchange = Exchange(ari, desk, calls_max=100)
        made.canary = Canary(ari)
        running = [asyncio.create_task(ari.run()), asyncio.create_task(made.canary.run())]
        async with asyncio.timeout(10):
            await made.connected.wait()
        yield made
        await made.exchange.drain(5)
        for task in running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _step(made: Steppable, monkeypatch: pytest.MonkeyPatch, asterisk: float, own: float) -> None:
    right = clock.now

    def stepped() -> datetime:
        return right() + timedelta(seconds=own)

    monkeypatch.setattr(clock, "now", stepped)
    made.asterisk_seconds = asterisk


def _is_right(cdr: Cdr, talked_seconds: float) -> None:
    """Each time of a CDR is the time that was talked."""
    assert float(cdr.talk_seconds) == pytest.approx(talked_seconds, abs=0.5)
    assert cdr.answered_at is not None
    between = (cdr.ended_at - cdr.answered_at).total_seconds()
    assert between == pytest.approx(float(cdr.talk_seconds), abs=0.01)
    assert cdr.setup_at <= cdr.answered_at
    [leg] = [leg for leg in cdr.legs if leg.side == "a"]
    assert leg.cost_micros == cdr.cost_micros
    # By the second, each one begun: the talk's own may be a little longer or shorter than ours.
    assert abs(cdr.cost_micros / 5_000 - talked_seconds) < 1.5
    assert cdr.ended_by == "caller"


@pytest.mark.parametrize(("asterisk", "own"), _STEPS)
async def test_a_step_costs_nobody_anything(
    site: Site,
    steppable: Steppable,
    monkeypatch: pytest.MonkeyPatch,
    asterisk: float,
    own: float,
) -> None:
    """Who talks, or chose in a menu, goes on and pays for what he talked; so do new calls."""
    talking = await site.talking(TALK, "01062001001", LINE)
    in_menu = await site.call(MENU, "01062001002")
    await in_menu.answered()
    await in_menu.send_dtmf("1")
    await in_menu.hears(440, seconds=10)
    site.carrier.line(SILENT_LINE, NoAnswer())
    silent = await site.call(SILENT, "01062001003")
    await silent.ringing()

    _step(steppable, monkeypatch, asterisk, own)
    await talking.hears(440, since=clock.monotonic(), lasting=2.5 * SLICE_SECONDS, seconds=20)
    new = await site.talking(TALK, "01062001004", LINE)
    await new.hears(440, since=clock.monotonic(), lasting=2.0, seconds=10)

    for call in (talking, in_menu, new):
        cdr, talked_seconds = await steppable.talked(call)
        _is_right(cdr, talked_seconds)
        is_told = any(step["rule"] == "clock" for step in cdr.trace)
        assert is_told == (call is not new and asterisk != 0.0)
    await silent.hang_up()
    cdr = await site.cdr(silent)
    assert (cdr.disposition, cdr.cost_micros) == ("cancelled", 0)
    assert 6 < float(cdr.ring_seconds) < 60
    # Asterisk's own record is not stepped here, where only its events' stamps are.
    await site.invariants(unproven=["asterisk"], late_seconds=abs(asterisk))
    site.tell(calls=4, stepped_seconds=asterisk or own)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forward", "back"])
async def test_postgresqls_clock_says_nothing_of_who_owns_the_asterisk(
    site: Site, seconds: float
) -> None:
    """Stepped, the owner keeps it; an owner that falls silent then is followed within 5 s."""
    await _step_postgresql(site, 0.0)
    owner, standby = site.switch(), site.switch("standby")
    await site.start(owner)
    await site.start(standby, CALLCTL_METRICS_PORT=str(site.asterisk.ports.metrics + 1))
    talking = await site.talking(TALK, "01062001001", LINE)
    await _step_postgresql(site, seconds)
    await talking.hears(440, since=clock.monotonic(), lasting=2 * LEASE_SECONDS, seconds=15)
    assert "lease_taken" not in standby.log_path.read_text()

    freeze([owner.pid])  # not dead: only its beats tell
    frozen_at = clock.monotonic()
    await site.logged(standby, "call_adopted")
    taken_seconds = clock.monotonic() - frozen_at
    assert taken_seconds < _TAKEN_SECONDS_MAX
    await site.both_hear(talking, LINE)
    await talking.hang_up()
    await site.cdr(talking)
    site.tell(stepped_seconds=seconds, taken_seconds=taken_seconds)


async def _step_postgresql(site: Site, seconds: float) -> None:
    """Step the clock that is asked by all statements of connections made after the first step."""
    name = await site.database.fetchval("SELECT current_database()")
    await site.database.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    for function in ("clock_timestamp", "now"):
        await site.database.execute(
            f"CREATE OR REPLACE FUNCTION public.{function}() RETURNS timestamptz LANGUAGE sql AS"
            f" $$ SELECT pg_catalog.{function}() + make_interval(secs => {seconds}) $$"
        )
