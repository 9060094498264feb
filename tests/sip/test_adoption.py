"""Calls that outlive their switch: handed over, adopted after a crash, taken over by a standby."""

import asyncio
import sys
from pathlib import Path

import pytest

from callctl import clock
from callctl.stack.processes import Child
from tests.agents import Answers, PlacedCall
from tests.agents.gaps import unheard
from tests.demo.calls import HOTLINE, MINUTE_MICROS
from tests.demo.world import World, eventually

SECOND_MICROS = 5_000
COUNTER = "02062000021"
GAP_FRAMES_MAX = 5  # 100 ms


@pytest.fixture
def switch_settings(switch_settings: dict[str, str]) -> dict[str, str]:
    """Slices that are renewed within a test."""
    return switch_settings | {"CALLCTL_SLICE_SECONDS": "16"}


@pytest.fixture
def other(tmp_path: Path) -> Child:
    """Another switch for the same Asterisk, not started."""
    return Child("other", (sys.executable, "-m", "callctl", "switch"), tmp_path / "other.log")


async def _talking(world: World, did: str, line: str) -> PlacedCall:
    world.carrier.line(line, Answers(voice_hz=440))
    await world.top_up("shortcash", "1.00")  # no warning is to sound into the talk
    call = await world.call(did, "01062001234")
    await call.hears(440, seconds=10)
    await world.talk_noted()
    return call


async def _ends_well(world: World, call: PlacedCall, line: str) -> None:
    """The two still hear each other; the whole talk is one charge."""
    since = clock.monotonic()
    line_call = await world.carrier.called(line)
    await asyncio.gather(call.hears(440, since=since), line_call.hears(700, since=since))
    await call.hang_up()
    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.ended_by) == ("answered", "caller")
    assert call.ended_at is not None
    assert call.answered_at is not None
    assert float(cdr.talk_seconds) == pytest.approx(call.ended_at - call.answered_at, abs=1)
    await world.nothing_left()


async def test_a_restart_in_order_hands_the_talk_over(
    world: World, switch: Child, switch_settings: dict[str, str]
) -> None:
    """SIGTERM, a new process, and the two have heard nothing of it; charged as one talk."""
    call = await _talking(world, "4009999999", COUNTER)
    line_call = await world.carrier.called(COUNTER)
    await line_call.hears(700)
    gaps = (unheard(line_call, call), unheard(call, line_call))
    assert await switch.stop() == 0
    assert call.outcome is None
    await switch.start(switch_settings)
    since = clock.monotonic()
    await call.hears(440, since=since + 16, seconds=18)  # longer than what was paid before
    assert max(count() for count in gaps) <= GAP_FRAMES_MAX
    await _ends_well(world, call, COUNTER)
    cdr = await world.cdr(call)
    assert cdr.cost_micros == cdr.legs[0].billed_seconds * SECOND_MICROS
    assert "recovery" in [step["rule"] for step in cdr.trace]


async def test_a_crash_is_not_the_end_of_a_talk(
    world: World, switch: Child, switch_settings: dict[str, str]
) -> None:
    """Kill -9, a new process, and the talk goes on, paid for without a gap."""
    call = await _talking(world, "4009999999", COUNTER)
    await switch.kill()
    await switch.start(switch_settings)
    since = clock.monotonic()
    await call.hears(440, since=since + 16, seconds=18)
    await _ends_well(world, call, COUNTER)
    cdr = await world.cdr(call)
    assert cdr.cost_micros == cdr.legs[0].billed_seconds * SECOND_MICROS


async def test_a_talk_that_ended_unseen_is_charged_to_its_end(
    world: World, switch: Child, switch_settings: dict[str, str]
) -> None:
    """Nobody of us saw the end: Asterisk's own record tells when it was."""
    call = await _talking(world, "4007654321", HOTLINE[0])
    await switch.kill()
    await call.hang_up()
    await switch.start(switch_settings)
    cdr = await world.cdr(call)
    assert cdr.ended_by in {"caller", "line"}
    assert cdr.cost_micros == MINUTE_MICROS
    await world.nothing_left()


async def test_a_standby_has_the_calls_within_five_seconds(
    world: World, switch: Child, other: Child, switch_settings: dict[str, str]
) -> None:
    """While the owner lives the other stands by; when it is killed the other goes on."""
    await other.start(switch_settings)
    try:
        call = await _talking(world, "4009999999", COUNTER)
        killed_at = clock.monotonic()
        await switch.kill()

        async def adopted() -> float | None:
            text = other.log_path.read_text()
            return clock.monotonic() - killed_at if "call_adopted" in text else None

        assert await eventually(adopted, "the standby to have the call", 6) < 5
        new = await world.call("4009999999", "13901710001")
        await new.answered()
        await new.hang_up()
        await _ends_well(world, call, COUNTER)
    finally:
        assert await other.stop() == 0
    await switch.start(switch_settings)


async def test_a_frozen_owner_is_replaced_and_ends_when_it_wakes(
    world: World, switch: Child, other: Child, switch_settings: dict[str, str]
) -> None:
    """Stopped for longer than its lease, it finds itself superseded, touches nothing, and ends."""
    import os  # noqa: PLC0415 - here alone
    import signal  # noqa: PLC0415

    await other.start(switch_settings)
    try:
        call = await _talking(world, "4009999999", COUNTER)
        frozen = switch.pid
        os.kill(frozen, signal.SIGSTOP)

        async def adopted() -> bool | None:
            return True if "call_adopted" in other.log_path.read_text() else None

        await eventually(adopted, "the standby to have the call", 8)
        os.kill(frozen, signal.SIGCONT)
        async with asyncio.timeout(8):
            await switch.wait()
        await _ends_well(world, call, COUNTER)
        cdrs = await world.database.fetch("SELECT call_id FROM cdrs")
        assert len(cdrs) == 1
    finally:
        assert await other.stop() == 0
    await switch.kill()
    await switch.start(switch_settings)
