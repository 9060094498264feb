"""The World fixture: the session's Asterisk, a database of its own, callctl's switch, phones."""

import sys
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from callctl import clock
from callctl.ari.client import AriClient, AriSettings
from callctl.cli.auditing import Wanted, run_audit
from callctl.db.pool import Database
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.stack.asterisk import Asterisk
from callctl.stack.processes import Child, log_end
from tests.agents import Caller, Carrier
from tests.demo.world import World
from tests.plugins.asterisk import ROOT

EXAMPLE = ROOT / "deploy" / "example-tenant.yaml"
_CALLS_SHOWN = 3


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what the latest callers and the switch's log tell of it."""
    report = yield
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and isinstance(world, World):
        lived = [str(one.timeline) for one in world.caller.calls[-_CALLS_SHOWN:]]
        report.sections.append(("latest callers", "\n".join(lived)))
        if world.its_switch is not None:
            report.sections.append(("end of the switch's log", log_end(world.its_switch.log_path)))
    return report


@pytest.fixture
def switch_settings(asterisk: Asterisk, database_url: str, tmp_path: Path) -> dict[str, str]:
    """The settings under which the test's switch runs."""
    return {
        "CALLCTL_DATABASE_URL": database_url,
        "CALLCTL_VAR_DIR": str(tmp_path),
        "CALLCTL_SOUNDS_DIR": str(asterisk.sounds_path),
        "CALLCTL_RECORDINGS_DIR": str(asterisk.recordings_path),
        "CALLCTL_LEGS_PATH": str(asterisk.legs_path),
        "CALLCTL_ARI_URL": asterisk.ari_url,
        "CALLCTL_ARI_USER": asterisk.ari_user,
        "CALLCTL_ARI_PASSWORD": asterisk.ari_password,
        "CALLCTL_METRICS_PORT": str(asterisk.ports.metrics),
    }


@pytest.fixture
async def switch(switch_settings: dict[str, str], tmp_path: Path) -> AsyncIterator[Child]:
    """`callctl switch` as a process of its own, ready for calls."""
    child = Child("switch", (sys.executable, "-m", "callctl", "switch"), tmp_path / "switch.log")
    await child.start(switch_settings)
    yield child
    assert await child.stop() == 0, child.obituary()


@pytest.fixture
async def provisioned(database: Database) -> Database:
    """The test's database with the example tenant applied."""
    await apply(database, read_document(EXAMPLE.read_bytes()))
    return database


@pytest.fixture
async def world(
    asterisk: Asterisk,
    database_url: str,
    provisioned: Database,
    switch: Child,
    switch_settings: dict[str, str],
) -> AsyncIterator[World]:
    """An installation with the example tenant, a carrier and callers; audited at the end."""
    assert switch.is_running
    ari = AriClient(AriSettings(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password))
    since = clock.now()
    async with ari, Carrier(asterisk.ports.carrier) as carrier, Caller(voice_hz=700) as caller:
        world = World(
            sip_port=asterisk.ports.sip,
            carrier=carrier,
            caller=caller,
            database=provisioned,
            ari=ari,
            its_switch=switch,
            switch_settings=switch_settings,
        )
        yield world
    wanted = Wanted(asterisk=[asterisk.legs_path], since=since, grace_seconds=0.0)
    _, found = await run_audit(database_url, wanted, lambda *_: None)
    broken = [
        one.proof for one in found if one.proof.count and one.proof.name not in world.unproven
    ]
    assert not broken, broken
