"""Callbacks on real calls: the line first, then the caller; promised in a queue; money out."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from callctl import clock
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.stack.processes import Child
from callctl.views import Cdr, CdrFilter
from tests.agents import Answers, Busy, NoAnswer
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import World, eventually

ONE, TWO, SEAT, ONLY = "01062000201", "01062000202", "01062000203", "01062000204"
CALLER = "01062001234"
OUT_MICROS, TO_LINE_MICROS = 3_000, 2_000  # a second
LINE_HZ, CALLER_HZ = 440, 880


@pytest.fixture
async def caring(world: World) -> World:
    """The world with the tenants of callback.yaml, once the switch follows it."""
    document = read_document(Path(__file__).with_name("callback.yaml").read_bytes())
    plan = await apply(world.database, document)
    assert plan.revision_id is not None
    world.carrier.line(TWO, Busy())
    world.carrier.line(CALLER, Answers(voice_hz=CALLER_HZ))
    await world.followed(plan.revision_id)
    return world


@dataclass
class Command:
    """`callctl callback ... --wait`, as somebody at the tenant's would type it."""

    environment: dict[str, str]

    async def run(self, *arguments: str) -> tuple[int, list[str]]:
        """Exit code, and the lines it wrote without their times."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "callctl", "callback", *arguments),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        written, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, [
            line.partition("  ")[2] or line for line in written.decode().splitlines()
        ]


@pytest.fixture
def command(switch_settings: dict[str, str]) -> Command:
    """The command line beside the switch."""
    return Command(switch_settings)


async def missed(world: World, did: str, line: str) -> Cdr:
    """A call that the line did not take."""
    world.carrier.line(line, NoAnswer(), Answers(voice_hz=LINE_HZ))
    call = await world.call(did, CALLER)
    await call.ringing()
    await world.carrier.called(line)
    await call.hang_up()
    cdr = await world.cdr(call)
    assert cdr.disposition == "cancelled"
    return cdr


async def callback_cdr(world: World, parent: Cdr) -> Cdr:
    """The CDR of the call that a missed one became."""

    async def look() -> Cdr | None:
        cdrs = await world.views.cdrs(CdrFilter(limit=50))
        return next((cdr for cdr in cdrs if cdr.parent_call_id == parent.call_id), None)

    return await eventually(look, "the CDR of the callback", 15)


async def test_the_line_is_called_then_the_caller(caring: World, command: Command) -> None:
    """Both hear each other, see the right numbers, and each leg is charged from its own answer."""
    world = caring
    call = await missed(world, "4003330001", ONE)
    before = await world.account("caring")
    running = asyncio.create_task(command.run(str(call.call_id), "--wait", "--by", "ann"))
    line = await world.carrier.called(ONE, nth=1, seconds=30)
    await line.hears(PROMPT_HZ["", "callback-for"], seconds=6)
    assert not world.carrier.calls_to(CALLER), "the caller is not rung before the line has him"
    caller = await world.carrier.called(CALLER, seconds=25)
    await line.hears(CALLER_HZ, seconds=6)
    await caller.hears(LINE_HZ, seconds=6)
    await caller.hang_up()
    code, told = await running

    assert (line.from_number, caller.from_number) == (CALLER, "4003330001")
    assert (code, told[1:]) == (
        0,
        ["line one rings", "line one answered", "the caller rings", "they talk", "done"],
    )
    cdr = await callback_cdr(world, call)
    assert (cdr.direction, cdr.disposition, cdr.ended_by) == ("callback", "answered", "caller")
    a_leg, b_leg = cdr.legs
    assert (a_leg.side, a_leg.disposition, b_leg.line) == ("a", "answered", "one")
    assert a_leg.cost_micros == a_leg.billed_seconds * OUT_MICROS > 0
    assert b_leg.cost_micros == b_leg.billed_seconds * TO_LINE_MICROS
    assert b_leg.talk_seconds > a_leg.talk_seconds
    after = await world.account("caring")
    assert before.balance_micros - after.balance_micros == a_leg.cost_micros + b_leg.cost_micros
    await world.nothing_left()


async def test_who_was_called_back_is_not_again(caring: World, command: Command) -> None:
    """The second request for one missed call is refused in words; nobody is rung for it."""
    world = caring
    call = await missed(world, "4003330001", ONE)
    first = asyncio.create_task(command.run(str(call.call_id), "--wait"))
    caller = await world.carrier.called(CALLER, seconds=30)
    code, told = await command.run(str(call.call_id))
    assert code == 1
    assert "is being called back already" in told[0]
    await caller.hears(LINE_HZ, seconds=6)
    await caller.hang_up()
    assert (await first)[0] == 0
    code, told = await command.run(str(call.call_id))

    assert code == 1
    assert "was called back already" in told[0]
    assert len(world.carrier.calls_to(CALLER)) == 1
    await world.nothing_left()


async def test_a_number_without_callback_says_what_to_write(
    caring: World, command: Command
) -> None:
    """The refusal names the field of the provisioning file."""
    call = await missed(caring, "4003330003", ONE)
    code, told = await command.run(str(call.call_id))

    assert code == 1
    assert "callback: {trunk: ..., tariff: ...}" in told[0]
    await caring.nothing_left()


async def test_a_caller_who_does_not_answer(caring: World, command: Command) -> None:
    """The line hears it; the callback has failed, and only the line's leg cost something."""
    world = caring
    call = await missed(world, "4003330001", ONE)
    world.carrier.line(CALLER, NoAnswer())
    running = asyncio.create_task(command.run(str(call.call_id), "--wait"))
    line = await world.carrier.called(ONE, nth=1, seconds=30)
    await line.hears(450, seconds=25)
    await line.hears(PROMPT_HZ["", "caller-unreached"], seconds=8)
    code, told = await running

    assert (code, told[-1]) == (1, "failed: caller_unreached")
    cdr = await callback_cdr(world, call)
    assert (cdr.disposition, cdr.ended_by) == ("no_answer", "caller_unreached")
    a_leg, b_leg = cdr.legs
    assert (a_leg.disposition, a_leg.cost_micros) == ("no_answer", 0)
    assert b_leg.cost_micros == b_leg.billed_seconds * TO_LINE_MICROS > 0
    await world.nothing_left()


async def test_another_line_is_tried_and_none_answers(caring: World, command: Command) -> None:
    """Both lines of the group are rung, the caller never; it costs nothing."""
    world = caring
    call = await missed(world, "4003330001", ONE)
    world.carrier.line(ONE, Busy())
    code, told = await command.run(str(call.call_id), "--wait")

    assert (code, told[-1]) == (1, "failed: no_line")
    assert len(world.carrier.calls_to(ONE)) == 2
    assert len(world.carrier.calls_to(TWO)) == 1
    assert not world.carrier.calls_to(CALLER)
    cdr = await callback_cdr(world, call)
    assert (cdr.disposition, cdr.cost_micros, len(cdr.legs)) == ("busy", 0, 3)
    await world.nothing_left()


async def test_the_line_that_hangs_up_ends_the_caller_s_ringing(
    caring: World, command: Command
) -> None:
    """A caller whose agent has gone is not left with a call from nobody."""
    world = caring
    call = await missed(world, "4003330001", ONE)
    world.carrier.line(CALLER, NoAnswer())
    running = asyncio.create_task(command.run(str(call.call_id), "--wait", "--line", "one"))
    line = await world.carrier.called(ONE, nth=1, seconds=30)
    caller = await world.carrier.called(CALLER, seconds=25)
    await line.hang_up()
    outcome = await caller.ended(5)
    code, told = await running

    assert outcome.status == 487
    assert (code, told[-1]) == (1, "failed: line_hung_up")
    await world.nothing_left()


async def test_money_ends_the_talk_of_a_callback(caring: World, command: Command) -> None:
    """Two hundredths pay four seconds of both; the account ends at nothing, not below."""
    world = caring
    call = await missed(world, "4003330004", ONLY)
    running = asyncio.create_task(command.run(str(call.call_id), "--wait"))
    line = await world.carrier.called(ONLY, nth=1, seconds=30)
    await line.ended(30)
    await running
    cdr = await callback_cdr(world, call)

    assert cdr.ended_by == "money"
    account = await world.account("poor")
    assert 0 <= account.balance_micros == 20_000 - cdr.cost_micros
    await world.nothing_left()


async def test_a_callback_keeps_its_place_in_the_queue(caring: World) -> None:
    """Who left by key before another came is called back before that one is taken."""
    world = caring
    world.carrier.line(SEAT, Answers(voice_hz=LINE_HZ))
    talking = await world.call("4003330002", "01062002001")
    await talking.hears(LINE_HZ, seconds=8)
    leaving = await world.call("4003330002", CALLER)
    await leaving.hears(PROMPT_HZ["", "ringback-demo"], seconds=8)
    await leaving.send_dtmf("2")
    await leaving.hears(PROMPT_HZ["", "callback-promised"], seconds=8)
    await leaving.ended(8)
    waiting = await world.call("4003330002", "01062002003")
    await waiting.hears(PROMPT_HZ["", "ringback-demo"], seconds=8)
    assert not world.carrier.calls_to(CALLER)

    await talking.hang_up()
    back = await world.carrier.called(CALLER, seconds=30)
    assert len(world.carrier.calls_to(SEAT)) == 2
    await back.hears(LINE_HZ, seconds=8)
    await back.hang_up()
    await waiting.hears(LINE_HZ, seconds=15)
    await waiting.hang_up()
    promised = await world.cdr(leaving)
    assert promised.ended_by == "callback_promised"
    assert (await callback_cdr(world, promised)).disposition == "answered"
    await world.nothing_left()


async def test_who_calls_again_himself_is_not_called_back(caring: World) -> None:
    """While he waits again nobody calls him, and once a line has answered him nobody will."""
    world = caring
    world.carrier.line(SEAT, Answers(voice_hz=LINE_HZ))
    talking = await world.call("4003330002", "01062002001")
    await talking.hears(LINE_HZ, seconds=8)
    leaving = await world.call("4003330002", CALLER)
    await leaving.hears(PROMPT_HZ["", "ringback-demo"], seconds=8)
    await leaving.send_dtmf("2")
    await leaving.ended(15)
    again = await world.call("4003330002", CALLER)
    await again.hears(PROMPT_HZ["", "ringback-demo"], seconds=8)
    await talking.hang_up()
    await again.hears(LINE_HZ, seconds=15)
    await again.hang_up()
    await world.cdr(again)
    await world.database.execute("UPDATE callbacks SET not_before = now()")

    async def dropped() -> str | None:
        row = await world.database.fetchrow("SELECT state, reason FROM callbacks")
        return row["reason"] if row["state"] == "done" else None

    assert await eventually(dropped, "the callback to be dropped", 15) == "called again"
    assert not world.carrier.calls_to(CALLER)
    await world.nothing_left()


async def test_a_switch_that_ends_while_the_line_rings(
    caring: World, command: Command, switch: Child, switch_settings: dict[str, str]
) -> None:
    """The next switch tries again; the caller is rung once."""
    world = caring
    call = await missed(world, "4003330001", ONE)
    world.carrier.line(ONE, NoAnswer(), Answers(voice_hz=LINE_HZ))
    running = asyncio.create_task(command.run(str(call.call_id), "--wait"))
    line = await world.carrier.called(ONE, nth=1, seconds=30)
    assert await switch.stop() == 0, switch.obituary()
    await line.ended(5)
    await switch.start(switch_settings)
    await world.database.execute("UPDATE callbacks SET not_before = now()")
    caller = await world.carrier.called(CALLER, seconds=30)
    await caller.hears(LINE_HZ, seconds=6)
    await caller.hang_up()
    code, told = await running

    assert (code, told[-1]) == (0, "done")
    assert len(world.carrier.calls_to(CALLER)) == 1
    await world.nothing_left()


async def test_a_talk_outlives_its_switch(
    caring: World, command: Command, switch: Child, switch_settings: dict[str, str]
) -> None:
    """Both go on talking through a restart; the callback is done, and charged as one talk."""
    world = caring
    call = await missed(world, "4003330001", ONE)
    running = asyncio.create_task(command.run(str(call.call_id), "--wait"))
    caller = await world.carrier.called(CALLER, seconds=40)
    await caller.hears(LINE_HZ, seconds=6)
    assert await switch.stop() == 0, switch.obituary()
    await switch.start(switch_settings)
    await caller.hears(LINE_HZ, since=clock.monotonic(), seconds=6)
    await caller.hang_up()
    cdr = await callback_cdr(world, call)
    await world.database.execute("UPDATE callbacks SET lease_until = now()")
    code, told = await running

    assert (code, told[-1], cdr.ended_by) == (0, "done", "caller")
    a_leg, b_leg = cdr.legs
    assert a_leg.cost_micros == a_leg.billed_seconds * OUT_MICROS > 0
    assert b_leg.cost_micros == b_leg.billed_seconds * TO_LINE_MICROS >= a_leg.billed_seconds
    await world.nothing_left()


async def test_without_money_nobody_is_rung(caring: World, command: Command) -> None:
    """What the caller's leg costs is held before the line is called, or nothing happens."""
    world = caring
    call = await missed(world, "4003330004", ONLY)
    await world.pay_out("poor", "0.02")
    code, told = await command.run(str(call.call_id), "--wait")

    assert (code, told[-1]) == (1, "failed: no_credit")
    assert len(world.carrier.calls_to(ONLY)) == 1, "the missed call alone"
    assert (await callback_cdr(world, call)).cost_micros == 0
    await world.nothing_left()
