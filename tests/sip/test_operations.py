"""What operators see of a switch, and ask of it: metrics, health, drain, hangup."""

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from callctl.cli.processes import DRAINED_EXIT_CODE
from callctl.stack.processes import Child
from tests.agents import Answers, PlacedCall
from tests.demo.world import World, eventually
from tests.deployed import expressions, metrics_of
from tests.plugins.asterisk import ROOT
from tests.plugins.database import free_port

LINE, DID = "02062000021", "4009999999"
OURS = ("callctl_", "process_")


@dataclass
class Command:
    """`callctl ...` as its user sees it; `lines` grow while it runs."""

    process: asyncio.subprocess.Process
    lines: list[str]

    async def ended(self, seconds: float = 15) -> int:
        """Its exit code."""
        assert self.process.stdout is not None
        async with asyncio.timeout(seconds):
            self.lines += (await self.process.stdout.read()).decode().splitlines()
            return await self.process.wait()

    async def says(self, words: str, seconds: float = 15) -> None:
        """Wait for a line with these words."""
        assert self.process.stdout is not None
        async with asyncio.timeout(seconds):
            while not any(words in line for line in self.lines):
                line = await self.process.stdout.readline()
                assert line, f"{words!r} is not in {self.lines}"
                self.lines.append(line.decode().rstrip())


@pytest.fixture
def health_url(switch_settings: dict[str, str]) -> str:
    """Where the test's switch answers."""
    return f"http://127.0.0.1:{switch_settings['CALLCTL_METRICS_PORT']}"


async def _command(settings: dict[str, str], *words: str) -> Command:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callctl", *words),
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return Command(process, [])


async def _get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def _is_ready(url: str) -> tuple[int, list[str]]:
    status, body = await _get(f"{url}/health/ready")
    return status, json.loads(body)["why_not"]


async def _samples(url: str) -> dict[str, dict[tuple[str, ...], float]]:
    """The value of each sample by its name and its labels' values."""
    status, body = await _get(f"{url}/metrics")
    assert status == 200
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(body):
        found.setdefault(family.name, {})  # of a queue in which nobody waits there is no sample
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


async def _talking(world: World) -> PlacedCall:
    """A talk with money for longer than commands take."""
    await world.top_up("shortcash", "10.00")
    world.carrier.line(LINE, Answers(voice_hz=440))
    call = await world.call(DID, "01062001234")
    await call.hears(440, seconds=10)
    await world.talk_noted()
    return call


def _bare(name: str) -> str:
    """The metric's name without what its kind adds."""
    return re.sub(r"_(total|bucket|sum|count)$", "", name)


async def test_every_metric_named_exists(
    world: World, switch_settings: dict[str, str], health_url: str
) -> None:
    """What alerts, dashboard and documentation name is told by a switch, and calls are counted."""
    call = await _talking(world)
    audit = await _command(switch_settings, "audit", "--grace", "0")
    assert await audit.ended(30) == 0, audit.lines
    live = await _samples(health_url)
    await call.hang_up()
    await world.cdr(call)
    refused = await world.call("4000000000", "01062009999")
    await refused.ended()
    await world.cdr(refused)

    async def audited() -> dict[str, dict[tuple[str, ...], float]] | None:
        samples = await _samples(health_url)
        return samples if samples["callctl_audit_findings"] else None

    told = await eventually(audited, "the audit's result", 20)
    named = {name for one in expressions() for name in metrics_of(one)}
    ours = {name for name in named if name.startswith(OURS)}
    assert named - ours == {"up"}
    assert len(ours) > 20
    assert ours - told.keys() == set()
    page = (ROOT / "docs/operations.md").read_text()
    documented = set(re.findall(r"^\| `(callctl_\w+)", page, re.MULTILINE))
    assert documented - told.keys() == set()
    assert {_bare(name) for name in told if name.startswith("callctl_")} == {
        _bare(name) for name in documented
    }

    assert live["callctl_calls_live"]["talking",] == 1
    assert live["callctl_reservations_open"].keys() == {()}
    assert told["callctl_calls_live"]["talking",] == 0
    assert told["callctl_calls_ended_total"]["answered", "caller"] == 1
    assert told["callctl_calls_ended_total"]["rejected", "unknown_number"] == 1
    assert told["callctl_calls_refused_total"] == {("unknown_number",): 1}
    assert told["callctl_setup_seconds_count"][()] == 1
    assert 0 < told["callctl_setup_seconds_sum"][()] < 2
    assert told["callctl_audit_findings"]["balances",] == 0
    assert told["callctl_flush_seconds_count"]["teller",] >= 2
    for name in ("ready", "owner", "database_up", "ari_connected"):
        assert told[f"callctl_{name}"][()] == 1, name


async def test_a_standby_is_alive_and_not_ready(
    world: World, switch: Child, switch_settings: dict[str, str], tmp_path: Path
) -> None:
    """It says that it stands by, and is ready once the owner has gone."""
    port = str(free_port())
    other = Child("other", (sys.executable, "-m", "callctl", "switch"), tmp_path / "other.log")
    await other.start(switch_settings | {"CALLCTL_METRICS_PORT": port})
    url = f"http://127.0.0.1:{port}"
    try:
        assert await _is_ready(url) == (503, ["standing by"])
        assert (await _get(f"{url}/health/live"))[0] == 200
        samples = await _samples(url)
        assert (samples["callctl_owner"][()], samples["callctl_ready"][()]) == (0, 0)
        await switch.kill()

        async def took_over() -> bool | None:
            return True if await _is_ready(url) == (200, []) else None

        await eventually(took_over, "the standby to be ready", 6)
    finally:
        assert await other.stop() == 0
    await switch.start(switch_settings)


async def test_a_drained_switch_ends_after_its_last_call(
    world: World, switch: Child, switch_settings: dict[str, str], health_url: str
) -> None:
    """New calls are refused with 503, the old one goes on; with it the switch ends."""
    call = await _talking(world)
    assert await _is_ready(health_url) == (200, [])
    drain = await _command(switch_settings, "drain", "--wait")
    await drain.says("calls left: 1")
    assert await _is_ready(health_url) == (503, ["draining"])
    refused = await world.call(DID, "13901710001")
    assert (await refused.ended()).status == 503
    assert (await world.cdr(refused)).ended_by == "draining"
    await call.hears(440, since=asyncio.get_running_loop().time())
    await call.hang_up()
    assert await drain.ended() == 0, drain.lines
    assert drain.lines[-1] == "drained"
    assert (await world.cdr(call)).ended_by == "caller"
    await switch.wait()
    assert await switch.stop() == DRAINED_EXIT_CODE
    again = await _command(switch_settings, "drain")
    assert await again.ended() == 1
    assert "no switch owns" in again.lines[-1]
    await switch.start(switch_settings)


async def test_a_drain_hands_over_what_lasts_too_long(
    world: World, switch: Child, switch_settings: dict[str, str]
) -> None:
    """A second drain says how long; the talk goes on in the next switch."""
    call = await _talking(world)
    first = await _command(switch_settings, "drain")
    assert await first.ended() == 0, first.lines
    second = await _command(switch_settings, "drain", "--wait", "--within", "0.5")
    assert await second.ended() == 0, second.lines
    assert second.lines[-1] == "calls handed over: 1"
    await switch.wait()
    assert await switch.stop() == DRAINED_EXIT_CODE
    assert call.outcome is None
    await switch.start(switch_settings)
    await call.hears(440, since=asyncio.get_running_loop().time())
    await call.hang_up()
    assert (await world.cdr(call)).ended_by == "caller"
    await world.nothing_left()


async def test_an_operator_hangs_up_a_call(world: World, switch_settings: dict[str, str]) -> None:
    """Both legs end, the CDR says who did it, and what is over can't be hung up again."""
    call = await _talking(world)
    [live] = await world.views.live_calls()
    hangup = await _command(switch_settings, "hangup", str(live.call_id))
    assert await hangup.ended() == 0, hangup.lines
    assert hangup.lines == ["hung up"]
    await call.ended()
    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.ended_by, cdr.hangup_cause) == ("answered", "operator", 16)
    await world.nothing_left()
    again = await _command(switch_settings, "hangup", str(live.call_id))
    assert await again.ended() == 1
    assert "no live call" in again.lines[-1]
