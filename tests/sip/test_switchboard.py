"""The switchboard on real calls: levels, keys, extensions, mistakes, ringback per extension."""

from contextlib import suppress

import pytest

from callctl import clock
from tests.agents import Answers, NoAnswer, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.agents.timeline import AgentFailure
from tests.demo.world import World, billed_as_talked
from tests.sip.test_routing import CALLER, ONE, THREE, TWO, routed

__all__ = ["routed"]  # the fixture

SECOND_MICROS = 5_000
MAIN_HZ = PROMPT_HZ["", "unavailable"]
SECOND_HZ = PROMPT_HZ["zh", "warning"]
WRONG_HZ = PROMPT_HZ["zh", "final"]
RINGBACK_HZ = PROMPT_HZ["", "ringback-demo"]
BOARD, GREETED = "4002220012", "4002220013"


async def _at_the_menu(world: World, did: str = BOARD) -> PlacedCall:
    call = await world.call(did, CALLER)
    await call.answered()
    await call.hears(MAIN_HZ)
    return call


async def _ends(world: World, call: PlacedCall, line: str) -> None:
    """The line has the call, and the caller's time is charged from the answer on."""
    await call.hang_up()
    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.line) == ("answered", line)
    billed_as_talked(cdr.legs[0], call)
    assert cdr.cost_micros == cdr.legs[0].billed_seconds * SECOND_MICROS
    await world.nothing_left()


async def test_a_key_ends_the_prompt_and_reaches_its_extension(routed: World) -> None:
    """Barge-in: 1 reaches sales, whose own ringback is heard while its line rings (A15, A17)."""
    routed.carrier.line(ONE, Answers(after_seconds=1.5, voice_hz=440))
    call = await _at_the_menu(routed)
    pressed_at = clock.monotonic()
    await call.send_dtmf("1")
    await call.hears(RINGBACK_HZ, since=pressed_at)
    await call.hears(440)
    await _ends(routed, call, "one")


async def test_the_second_level_and_back(routed: World) -> None:
    """2 leads to the second level (A18), * back to the first, and a key there to its line."""
    call = await _at_the_menu(routed)
    await call.send_dtmf("2")
    await call.hears(SECOND_HZ)
    back_at = clock.monotonic()
    await call.send_dtmf("*")
    await call.hears(MAIN_HZ, since=back_at)
    again_at = clock.monotonic()
    await call.send_dtmf("2")
    await call.hears(SECOND_HZ, since=again_at)
    await call.send_dtmf("1")
    await call.hears(480)
    await _ends(routed, call, "two")


async def test_an_extension_is_dialled_directly(routed: World) -> None:
    """Who knows the extension types it, during the prompt."""
    call = await _at_the_menu(routed)
    await call.send_dtmf("8002")
    await call.hears(480)
    await _ends(routed, call, "two")


async def test_a_wrong_key_is_told_and_asked_again(routed: World) -> None:
    """9 means nothing here: the caller hears so and the menu again; 0 is the operator."""
    call = await _at_the_menu(routed)
    wrong_at = clock.monotonic()
    await call.send_dtmf("9")
    await call.hears(WRONG_HZ, since=wrong_at)
    await call.hears(MAIN_HZ, since=wrong_at)
    await call.send_dtmf("0")
    await call.hears(520)
    await _ends(routed, call, "three")


async def test_who_presses_nothing_reaches_the_operator(routed: World) -> None:
    """After two rounds without a key the call goes where `no_key` says."""
    call = await _at_the_menu(routed)
    await call.hears(520, seconds=25)
    await _ends(routed, call, "three")


async def test_a_key_out_of_its_hours_leads_elsewhere(routed: World) -> None:
    """3 is open by schedule only; outside it the caller hears the message instead."""
    routed.carrier.line(TWO, NoAnswer())
    call = await _at_the_menu(routed)
    pressed_at = clock.monotonic()
    await call.send_dtmf("3")
    await call.hears(MAIN_HZ, since=pressed_at)  # the message has the menu's prompt
    await call.ended(10)
    assert not routed.carrier.calls_to(TWO)
    cdr = await routed.cdr(call)
    assert cdr.stage == "message"
    await routed.nothing_left()


async def test_a_key_during_the_greeting_ends_it_and_counts(routed: World) -> None:
    """A greeting with barge-in is cut short, and what was typed is the menu's key (A16)."""
    call = await routed.call(GREETED, CALLER)
    await call.answered()
    await call.hears(RINGBACK_HZ)
    await call.send_dtmf("0")
    await call.hears(520, seconds=6)
    await _ends(routed, call, "three")


@pytest.mark.parametrize("digits", ["", "2", "1"])
async def test_the_caller_goes_at_each_stage(routed: World, digits: str) -> None:
    """In the menu, in the second level, while an extension rings: charged to then, nothing left."""
    routed.carrier.line(ONE, NoAnswer())
    call = await _at_the_menu(routed)
    if digits:
        await call.send_dtmf(digits)
        await call.hears(SECOND_HZ if digits == "2" else RINGBACK_HZ)
    await call.hang_up()
    cdr = await routed.cdr(call)
    assert (cdr.disposition, cdr.ended_by) == ("cancelled", "caller")
    assert cdr.stage == ("ringing" if digits == "1" else "menu")
    billed_as_talked(cdr.legs[0], call)
    await routed.nothing_left()


async def test_a_flood_of_digits_harms_nobody(routed: World) -> None:
    """Who types on and on is let go after his tries; another caller meanwhile is served."""
    routed.carrier.line(THREE, Answers(voice_hz=520))
    flood = await _at_the_menu(routed)
    with suppress(AgentFailure):  # it is let go before all has left
        await flood.send_dtmf("95" * 60, is_flood=True)
    other = await _at_the_menu(routed)
    await other.send_dtmf("0")
    await other.hears(520)
    await flood.ended()
    assert (await routed.cdr(flood)).ended_by == "wrong_key"
    await other.hang_up()
    await routed.cdr(other)
    await routed.nothing_left()
