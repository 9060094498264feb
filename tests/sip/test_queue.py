"""Queues on real calls: order, announcements, ways out, wrap-up, a restart of callctl."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from callctl import clock
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.stack.processes import Child
from callctl.values.phone_number import PhoneNumber
from tests.agents import Answers, Carrier, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import World, eventually

CROWD, TOLD, WRAPPING, ESTIMATED, PATIENT = (f"400333000{n}" for n in range(1, 6))
LINES = ("01062000201", "01062000202", "01062000203")
TIRED, ALONE = "01062000204", "01062000205"
HOLD_HZ, SORRY_HZ = PROMPT_HZ["", "hold"], PROMPT_HZ["", "nobody-free"]
GOODBYE_HZ = PROMPT_HZ["", "closed"]
_SHORT = Answers(after_seconds=0.1, voice_hz=480, hang_up_after_seconds=0.3)


@pytest.fixture
async def queued(world: World) -> World:
    """The world with the tenant of queue.yaml, once the switch follows it."""
    document = read_document(Path(__file__).with_name("queue.yaml").read_bytes())
    plan = await apply(world.database, document)
    assert plan.revision_id is not None
    await world.followed(plan.revision_id)
    return world


async def _occupy(world: World, did: str, *lines: str, then: Answers = _SHORT) -> list[PlacedCall]:
    """Let callers talk on these lines, whose next calls will be `then`."""
    talking = []
    for line in lines:
        world.carrier.line(line, Answers(after_seconds=0.0, voice_hz=440), then)
        call = await world.call(did, "01062001000")
        await call.hears(440, seconds=10)
        talking.append(call)
    return talking


async def _wait_in(world: World, did: str, caller: str) -> PlacedCall:
    """A caller who has a place in the number's queue by now."""
    call = await world.call(did, caller)

    async def waits() -> bool | None:
        is_over = call.outcome is not None
        if caller in await _callers(world):
            return True
        assert not is_over, f"{caller} is gone and has not waited\n{call.timeline}"
        return None

    await eventually(waits, f"{caller} to wait", 10)
    return call


async def _callers(world: World) -> list[str]:
    """Who has a place, as he was dialled from."""
    rows = await world.database.fetch("SELECT caller FROM queue_places")
    return [PhoneNumber.parse(row["caller"]).dial_digits for row in rows]


def _served(carrier: Carrier, *lines: str) -> list[str]:
    """Whose calls the lines got, in order."""
    return [call.from_number for call in carrier.calls if call.number in lines]


async def _nobody_waits(world: World) -> None:
    await world.nothing_left()
    assert await world.database.fetch("SELECT * FROM queue_places") == []
    assert await world.database.fetch("SELECT * FROM line_seats") == []


async def test_thirty_callers_are_served_in_order(queued: World) -> None:
    """Three lines take 30 callers as they came, VIP callers first, and nobody is left out."""
    talking = await _occupy(queued, CROWD, *LINES)
    callers = [f"0106200{n:04}" for n in range(1001, 1025)]
    vips = ["13900000001", "13900000002", "13900000003"]
    calls = [await _wait_in(queued, CROWD, caller) for caller in (*callers, *vips)]
    for call in talking:
        call.start_hanging_up()
    outcomes = await asyncio.gather(*(call.ended(60) for call in calls))

    assert [outcome.ended_by for outcome in outcomes] == ["them"] * 27
    served = _served(queued.carrier, *LINES)[3:]
    expected = [*vips, *callers]
    assert sorted(served) == sorted(expected), "each rung for once"
    # Three lines ring at a time: of those who are let through at once any may be the first.
    late = [abs(served.index(caller) - expected.index(caller)) for caller in expected]
    assert max(late) <= 2, served
    for call in (*talking, *calls):
        assert (await queued.cdr(call)).disposition == "answered"
    await _nobody_waits(queued)


async def test_one_line_serves_its_queue_strictly_in_order(queued: World) -> None:
    """VIP callers first, then as they came; who hung up is passed over."""
    [talking] = await _occupy(queued, PATIENT, ALONE)
    first = await _wait_in(queued, PATIENT, "01062001001")
    second = await _wait_in(queued, PATIENT, "01062001002")
    await first.hears(HOLD_HZ)
    await first.hang_up()
    await queued.cdr(first)
    vip = await _wait_in(queued, PATIENT, "13900000001")
    await talking.hang_up()
    for call in (vip, second):
        assert (await call.ended(15)).ended_by == "them"
    assert _served(queued.carrier, ALONE)[1:] == ["13900000001", "01062001002"]
    assert (await queued.cdr(first)).stage == "queued"
    await _nobody_waits(queued)


async def test_a_waiting_caller_hears_place_wait_and_music(queued: World) -> None:
    """His place and the wait at once and again after a while, music before, between and after."""
    [talking] = await _occupy(queued, TOLD, ALONE)
    call = await _wait_in(queued, TOLD, "01062001001")
    place_hz, wait_hz = PROMPT_HZ["", "place/1"], PROMPT_HZ["", "wait/3"]
    told = await call.hears(place_hz)
    await call.hears(wait_hz, since=told.ended_at)
    music = await call.hears(HOLD_HZ, since=told.ended_at)
    again = await call.hears(place_hz, since=music.ended_at + 1, seconds=15)
    assert again.started_at - told.started_at == pytest.approx(10, abs=2)
    await talking.hang_up()
    await call.hears(480, seconds=10)
    assert (await call.ended()).ended_by == "them"
    cdr = await queued.cdr(call)
    assert cdr.disposition == "answered"
    assert cdr.legs[0].billed_seconds >= 10, "waiting is charged"
    await _nobody_waits(queued)


async def test_who_finds_the_queue_full_or_has_waited_goes_elsewhere(queued: World) -> None:
    """A third caller overflows at once, the others when they have waited long enough."""
    [talking] = await _occupy(queued, TOLD, ALONE)
    began = clock.monotonic()
    waiting = [await _wait_in(queued, TOLD, f"0106200100{n}") for n in (1, 2)]
    third = await queued.call(TOLD, "01062001003")
    await third.hears(SORRY_HZ)
    assert clock.monotonic() - began < 10
    await third.ended()
    await asyncio.gather(*(call.hears(SORRY_HZ, seconds=20) for call in waiting))
    for call in waiting:
        await call.ended()
        assert call.ended_at is not None
        assert call.answered_at is not None
        assert call.ended_at - call.answered_at == pytest.approx(12.5, abs=2)
    assert not _served(queued.carrier, ALONE)[1:]
    await talking.hang_up()
    await _nobody_waits(queued)


async def test_a_caller_leaves_by_key(queued: World) -> None:
    """A key of the queue leads out of it; one that is none changes nothing."""
    [talking] = await _occupy(queued, TOLD, ALONE)
    call = await _wait_in(queued, TOLD, "01062001001")
    music = await call.hears(HOLD_HZ)
    await call.send_dtmf("5")
    await call.hears(HOLD_HZ, since=music.ended_at + 0.5)
    await call.send_dtmf("1")
    await call.hears(GOODBYE_HZ)
    await call.ended()
    await talking.hang_up()
    await _nobody_waits(queued)


async def test_too_long_an_estimate_overflows_at_once(queued: World) -> None:
    """With one line the first may wait for 180 s, the second for 360 s: that is too long."""
    [talking] = await _occupy(queued, ESTIMATED, ALONE)
    first = await _wait_in(queued, ESTIMATED, "01062001001")
    await first.hears(HOLD_HZ)
    second = await queued.call(ESTIMATED, "01062001002")
    await second.hears(SORRY_HZ)
    await second.ended()
    await first.hang_up()
    await talking.hang_up()
    await _nobody_waits(queued)


async def test_a_line_wraps_up_before_the_next_caller(queued: World) -> None:
    """The line's three seconds after a call from the queue are its own."""
    [talking] = await _occupy(queued, WRAPPING, TIRED)
    calls = [await _wait_in(queued, WRAPPING, f"0106200100{n}") for n in (1, 2)]
    await talking.hang_up()
    for call in calls:
        await call.ended(20)
    rung = queued.carrier.calls_to(TIRED)
    for before, after in pairwise(rung):
        assert before.ended_at is not None
        invited = after.timeline.at("received INVITE")
        assert invited is not None
        assert 2.5 < invited - before.ended_at < 6
    await _nobody_waits(queued)


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
async def test_the_order_survives_a_restart_of_callctl(
    queued: World, switch: Child, switch_settings: dict[str, str], is_killed: bool
) -> None:
    """Callers hear their music on, and are served by the next run in the order that they had."""
    [talking] = await _occupy(queued, PATIENT, ALONE)
    first = await _wait_in(queued, PATIENT, "01062001001")
    vip = await _wait_in(queued, PATIENT, "13900000001")
    for call in (first, vip):
        await call.hears(HOLD_HZ)
    if is_killed:
        await switch.kill()
    else:
        assert await switch.stop() == 0
    since = clock.monotonic()
    await switch.start(switch_settings)
    await asyncio.gather(first.hears(HOLD_HZ, since=since), vip.hears(HOLD_HZ, since=since))
    await talking.hang_up()
    for call in (vip, first):
        assert (await call.ended(20)).ended_by == "them"
    assert _served(queued.carrier, ALONE)[1:] == ["13900000001", "01062001001"]
    await _nobody_waits(queued)
