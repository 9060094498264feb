"""The shipped units under a real systemd: kept alive, watched, handed over, drained, shut in.

Asterisk and PostgreSQL are the site's; systemd is the first process of a container on which
callctl is installed as docs/operations.md says.
"""

import re
from collections.abc import AsyncIterator

import pytest

from callctl import clock
from callctl.audio import add_audio
from tests.agents.gaps import unheard
from tests.agents.prompts import tone_wav
from tests.demo.world import eventually
from tests.faults.forms import IS_LONG
from tests.faults.people import TALK_DID, flows_again
from tests.faults.site import Site
from tests.faults.stages import TALK
from tests.faults.systemd_image import NotToBeHad, build
from tests.faults.systemd_machine import (
    OWNS,
    RECORDINGS,
    SOUNDS,
    STANDS_BY,
    WEB,
    A,
    B,
    Machine,
    fetched,
    machine,
)

pytestmark = [
    pytest.mark.skipif(not IS_LONG, reason="make faults: a container with systemd is built"),
    pytest.mark.timeout(900),
]
DEBIANS = ("forky", "bookworm")  # systemd 262, which waits longer each time, and 252
TAKEOVER_SECONDS_MAX = 5.0
WATCHDOG_SECONDS = 30.0
KILLS = 12
GAP_FRAMES_MAX = 5  # 100 ms
EXPOSURE_MAX = 2.0
BACK_OFF_SECONDS_MAX = 10.0


@pytest.fixture(scope="module", params=DEBIANS, name="image")
async def _image(request: pytest.FixtureRequest) -> str:
    try:
        return await build(str(request.param))
    except NotToBeHad as error:
        pytest.skip(str(error))


@pytest.fixture(name="it")
async def _it(image: str, site: Site) -> AsyncIterator[Machine]:
    """Booted; no unit is started yet."""
    try:
        async with machine(image, site) as made:
            yield made
    except NotToBeHad as error:
        pytest.skip(str(error))


async def test_a_killed_owner_is_replaced_and_started_again(site: Site, it: Machine) -> None:
    """Two units: one owns, one stands by; kill -9, and they have changed their parts."""
    await it.start(A, B)
    await it.becomes(A, seconds=1, ActiveState="active", StatusText=OWNS)
    await it.becomes(B, seconds=1, ActiveState="active", StatusText=STANDS_BY)
    call = await site.talking(TALK_DID, "01062001234", TALK)
    await it.signal(A, "KILL")
    seconds = await it.owns(B, seconds=TAKEOVER_SECONDS_MAX)
    await it.becomes(B, seconds=5, StatusText=OWNS)
    await it.becomes(A, seconds=15, ActiveState="active", NRestarts="1", StatusText=STANDS_BY)
    site.tell(takeover_seconds=seconds)
    await site.both_hear(call, TALK)
    await call.hang_up()
    await site.invariants()


async def test_the_watchdog_ends_a_frozen_owner(site: Site, it: Machine) -> None:
    """SIGSTOP: the other has the calls long before; systemd ends it by SIGABRT and starts it."""
    await it.start(A, B)
    call = await site.talking(TALK_DID, "01062001234", TALK)
    frozen_at = clock.monotonic()
    await it.signal(A, "STOP")
    takeover_seconds = await it.owns(B, seconds=TAKEOVER_SECONDS_MAX)
    await it.becomes(
        A, seconds=WATCHDOG_SECONDS + 10, ActiveState="active", NRestarts="1", StatusText=STANDS_BY
    )
    back_seconds = clock.monotonic() - frozen_at
    site.tell(takeover_seconds=takeover_seconds, back_seconds=back_seconds)
    journal = await it.journal(A)
    assert "Watchdog timeout" in journal
    assert "status=6/ABRT" in journal
    assert "Fatal Python error: Aborted" in journal, "where it stood"
    await site.both_hear(call, TALK)
    await call.hang_up()
    await site.invariants()


@pytest.mark.parametrize("has_standby", [False, True], ids=["restart", "stop"])
async def test_systemctl_hands_a_talk_over(site: Site, it: Machine, *, has_standby: bool) -> None:
    """Restarted, or stopped beside a standby: the two who talk hear nothing of it."""
    await it.start(A, B) if has_standby else await it.start(A)
    call = await site.talking(TALK_DID, "01062001234", TALK)
    await site.both_hear(call, TALK)
    [line_call] = site.carrier.calls_to(TALK)
    gaps = (unheard(line_call, call), unheard(call, line_call))
    await it.systemctl("stop" if has_standby else "restart", A)
    owner = B if has_standby else A
    await it.owns(owner, seconds=10)
    await it.becomes(owner, seconds=5, StatusText=OWNS)
    assert "call_adopted" in await it.journal(owner)
    await site.both_hear(call, TALK)
    gap_frames = max(count() for count in gaps)
    site.tell(gap_frames=gap_frames)
    assert gap_frames <= GAP_FRAMES_MAX
    if has_standby:
        shown = await it.shown(A)
        assert (shown["ActiveState"], shown["Result"]) == ("inactive", "success")
    await call.hang_up()
    await site.invariants()


async def test_killed_again_and_again_it_is_started_again(site: Site, it: Machine) -> None:
    """No limit of starts is met; a newer systemd waits longer each time, up to ten seconds."""
    await it.start(A)
    waits = []
    for kill in range(1, KILLS + 1):
        await it.signal(A, "KILL")
        shown = await it.becomes(A, seconds=5, SubState="auto-restart")
        waits.append(shown.get("RestartUSecNext", "1s"))
        await it.becomes(
            A, seconds=BACK_OFF_SECONDS_MAX + 20, SubState="running", NRestarts=str(kill)
        )
    site.tell(waits=" ".join(waits))
    await it.owns(A, seconds=10)
    await flows_again(site)
    await site.invariants()


async def test_a_drained_switch_stays_ended(site: Site, it: Machine) -> None:
    """After `callctl drain` it is not started again; the standby has the calls."""
    await it.start(A, B)
    said = await it.callctl("drain", "--wait")
    shown = await it.becomes(A, seconds=15, SubState="dead", ExecMainStatus="150")
    assert (shown["Result"], shown["NRestarts"]) == ("success", "0"), said
    await it.owns(B, seconds=TAKEOVER_SECONDS_MAX)
    await flows_again(site)
    assert (await it.shown(A))["SubState"] == "dead"
    await it.start(A)
    await it.becomes(A, seconds=5, StatusText=STANDS_BY)
    await site.invariants()


async def test_the_switch_waits_for_postgres_at_its_start(site: Site, it: Machine) -> None:
    """PostgreSQL away for longer than systemd waits for a start: it says what it waits for."""
    await it.set_aside(A, TimeoutStartSec="8s")
    site.grounds.kill_postgres()
    await it.systemctl("start", "--no-block", A)
    shown = await it.becomes(A, seconds=10, StatusText="waiting for PostgreSQL")
    await clock.sleep(12)
    await site.grounds.restart_postgres()
    now = await it.becomes(A, seconds=20, ActiveState="active", StatusText=OWNS)
    assert (now["NRestarts"], now["MainPID"]) == ("0", shown["MainPID"])
    await flows_again(site)
    await site.invariants()


async def test_web_answers_also_when_postgres_was_away_at_its_start(
    site: Site, it: Machine
) -> None:
    """The unit of `callctl web` comes up when PostgreSQL does, and its watchdog is fed."""
    site.grounds.kill_postgres()
    await it.systemctl("start", "--no-block", WEB)
    await it.becomes(WEB, seconds=15, StatusText="waiting for PostgreSQL")
    await site.grounds.restart_postgres()
    shown = await it.becomes(WEB, seconds=20, ActiveState="active", SubState="running")
    await clock.sleep(WATCHDOG_SECONDS + 5)
    answer = await fetched(f"http://127.0.0.1:{it.api_port}/health")
    assert answer is not None
    assert answer["status"] == "ok"
    assert await it.shown(WEB) == shown


@pytest.mark.parametrize("unit", [A, WEB], ids=["switch", "web"])
async def test_a_unit_writes_where_it_must_and_nowhere_else(
    site: Site, it: Machine, unit: str
) -> None:
    """Its state, sounds and recordings; what else there is is read-only, even to root in it."""
    await it.start(unit)
    told = await it.run("systemd-analyze", "security", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert found, told
    site.tell(exposure=float(found[1]))
    assert float(found[1]) <= EXPOSURE_MAX, told
    for folder in ("/var/lib/callctl", SOUNDS, RECORDINGS, "/tmp", "/var/tmp"):  # noqa: S108
        assert await it.writes(unit, folder, user="callctl") == ""
    for folder in ("/etc", "/etc/callctl", "/usr/bin", "/opt/callctl", "/var/lib", "/var/log"):
        assert "Read-only file system" in await it.writes(unit, folder, user="root")
    files = await it.run("cat", f"/proc/{(await it.shown(unit))['MainPID']}/status")
    assert re.search(r"CapBnd:\s0+\n.*NoNewPrivs:\s1\n.*Seccomp:\s2\n", files, re.DOTALL), files


async def test_a_switch_writes_audio_into_the_sounds(site: Site, it: Machine) -> None:
    """Through the unit's walls: what a tenant has uploaded is where Asterisk looks."""
    await it.start(A)
    await add_audio(site.database, "acme", "welcome", tone_wav(1300), "welcome.wav")
    name = f"{SOUNDS}/tenants/acme/welcome.wav"

    async def look() -> bool | None:
        code, _ = await it.tried("test", "-s", name)
        return True if code == 0 else None

    await eventually(look, name, 10)
