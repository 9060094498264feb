"""How calls end and what goes on beside them: each with SIP side, CDR and ledger as witnesses."""

import asyncio

import pytest

from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.stack.processes import Child
from tests.agents import Answers, Busy, NoAnswer, Unreachable
from tests.demo.calls import COUNTER, HEADQUARTERS, HOTLINE, MINUTE_MICROS
from tests.demo.world import World, eventually
from tests.plugins.world import EXAMPLE


async def test_line_hangs_up_first(world: World) -> None:
    """When the line hangs up the caller is hung up, and the CDR says who ended it."""
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440, hang_up_after_seconds=0.6))
    call = await world.call("4007654321", "01062001234")
    outcome = await call.ended()

    assert (outcome.status, outcome.ended_by) == (200, "them")
    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.ended_by) == ("answered", "line")
    assert 0.5 < cdr.talk_seconds < 1.0
    await world.nothing_left()


async def test_own_ringing_is_passed_on_without_a_ringback(world: World) -> None:
    """A DID without a ringback passes the line's own ringing on, and both hear each other."""
    world.carrier.line(HOTLINE[0], Answers(after_seconds=0.6, voice_hz=440))
    call = await world.call("4007654321", "01062001234")
    await call.ringing()
    assert call.answered_at is None
    await call.answered()
    line_call = await world.carrier.called(HOTLINE[0])
    await asyncio.gather(call.hears(440), line_call.hears(700))
    await call.hang_up()
    await world.nothing_left()


async def test_no_line_answers(world: World) -> None:
    """When every line fails the caller is told so unanswered, and nothing is charged."""
    before = (await world.account("acme")).balance_micros
    world.carrier.line(HOTLINE[0], Busy())
    world.carrier.line(HOTLINE[1], Unreachable())
    world.carrier.line(HOTLINE[2], Busy())
    call = await world.call("4007654321", "01062001234")
    outcome = await call.ended()

    assert (outcome.status, outcome.cause) == (486, 17)
    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.hangup_cause, cdr.ended_by) == ("busy", 17, "no_line")
    assert [leg.disposition for leg in cdr.legs[1:]] == ["busy", "congested", "busy"]
    assert cdr.cost_micros == 0
    assert (await world.account("acme")).balance_micros == before
    await world.nothing_left()


async def test_no_money_no_call(world: World) -> None:
    """An account that can't pay the first increment gets its calls refused at once."""
    world.carrier.line(COUNTER, Answers())
    await world.pay_out("shortcash", "0.12")
    call = await world.call("4009999999", "01062001234")
    outcome = await call.ended()

    assert (outcome.status, outcome.cause) == (403, 21)
    assert not world.carrier.calls_to(COUNTER)
    assert (await world.cdr(call)).ended_by == "no_credit"
    await world.nothing_left()


async def test_caller_hangs_up_in_the_ringback(world: World) -> None:
    """A caller who gives up during the tenant's ringback is not answered and not charged."""
    world.carrier.line(HEADQUARTERS, NoAnswer())
    call = await world.call("4001234567", "anonymous")
    await call.early_media()
    outcome = await call.hang_up()

    assert outcome.status == 487
    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.cost_micros) == ("cancelled", 0)
    await world.nothing_left()


async def test_caller_and_line_hang_up_at_once(world: World) -> None:
    """Whoever was first: one CDR, one charge, nothing left."""
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440))
    calls = [await world.call("4007654321", f"0106200{n:04d}") for n in range(8)]
    for call in calls:
        await call.answered()
    for call, line_call in zip(calls, world.carrier.calls_to(HOTLINE[0]), strict=True):
        call.start_hanging_up()
        line_call.start_hanging_up()
    await asyncio.gather(*(call.ended() for call in calls))

    costs = [(await world.cdr(call)).cost_micros for call in calls]
    assert costs == [MINUTE_MICROS] * len(calls)
    await world.nothing_left()


async def test_a_change_is_followed_within_a_second(world: World) -> None:
    """New calls use what callctl apply changed a moment ago (A6)."""
    text = EXAMPLE.read_text().replace("01062000011", "01062000099")
    world.carrier.line(HOTLINE[0], NoAnswer())
    world.carrier.line("01062000099", NoAnswer())
    await apply(world.database, read_document(text.encode()))

    async def reaches_it() -> bool | None:
        call = await world.call("4007654321", "01062001234")
        await call.ringing()
        await call.hang_up()
        return True if world.carrier.calls_to("01062000099") else None

    await eventually(reaches_it, "the new number to be dialled", 1.5)
    await world.nothing_left()


async def test_switch_killed_in_a_call(
    world: World, switch: Child, switch_settings: dict[str, str]
) -> None:
    """The paid time ends the call without the switch; the next one settles it to its end."""
    world.carrier.line(COUNTER, Answers(voice_hz=440))
    call = await world.call("4009999999", "01062001234")
    await call.hears(440, seconds=10)
    [live] = await world.views.live_calls()
    paid_seconds = live.charges[0].paid_seconds
    await switch.kill()

    outcome = await call.ended(paid_seconds + 3)
    assert outcome.talk_seconds == pytest.approx(paid_seconds, abs=0.5)
    line_outcome = await (await world.carrier.called(COUNTER)).ended(2)
    assert line_outcome.talk_seconds == pytest.approx(paid_seconds, abs=0.5)
    away = await world.call("4009999999", "01062001234")
    assert (await away.ended()).status == 503, "the fallback answers while callctl is away"

    await switch.start(switch_settings)
    account = await eventually(lambda: _without_holds(world), "the reservation to be settled", 5)
    assert account >= 0
    cdr = await world.cdr(call)
    assert cdr.legs[0].billed_seconds == paid_seconds
    await world.nothing_left()


async def _without_holds(world: World) -> int | None:
    account = await world.account("shortcash")
    return None if account.held_micros else account.available_micros
