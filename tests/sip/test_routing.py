"""Inbound routing on real calls: screening, schedules, routes, groups, confirmation, loops."""

import asyncio
from pathlib import Path

import pytest

from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from tests.agents import Answers, Busy, NoAnswer, Unreachable
from tests.agents.carrier import ReceivedCall
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import World, eventually

ONE, TWO, THREE = "01062000101", "01062000102", "01062000103"
SINGLE, MOBILE, ANNOUNCED, SOUTH = "01062000106", "13701000107", "01062000108", "02062000109"
SORRY_HZ = PROMPT_HZ["", "unavailable"]
CALLER = "01062001234"


@pytest.fixture
async def routed(world: World) -> World:
    """The world with the tenant of routing.yaml, once the switch follows it."""
    document = read_document(Path(__file__).with_name("routing.yaml").read_bytes())
    plan = await apply(world.database, document)
    world.carrier.line(ONE, Answers(voice_hz=440))
    world.carrier.line(TWO, Answers(voice_hz=480))
    world.carrier.line(THREE, Answers(voice_hz=520))
    assert plan.revision_id is not None
    await world.followed(plan.revision_id)
    return world


async def _refused(world: World, did: str, caller: str, ended_by: str) -> None:
    """The call is refused unanswered with cause 21, costs nothing, and the CDR says why."""
    call = await world.call(did, caller)
    outcome = await call.ended()
    assert (outcome.status, outcome.cause) == (403, 21)
    cdr = await world.cdr(call)
    assert (cdr.disposition, cdr.ended_by, cdr.cost_micros) == ("rejected", ended_by, 0)
    assert len(cdr.legs) == 1


async def _reaches(world: World, did: str, caller: str, hz: int) -> list[str]:
    """The call is answered by the line that speaks with `hz`; the rules that matched."""
    call = await world.call(did, caller)
    await call.hears(hz, seconds=12)
    await call.hang_up()
    cdr = await world.cdr(call)
    assert cdr.disposition == "answered"
    return [step["rule"] for step in cdr.trace if step["matched"]]


async def _let_go(**legs: ReceivedCall) -> str:
    """The name of the first of the legs that is over."""

    async def look() -> str | None:
        return next((name for name, leg in legs.items() if leg.outcome is not None), None)

    return await eventually(look, "one of them to be let go", 3)


@pytest.mark.parametrize("caller", ["13900000001", "01099912345", "01088880004", "anonymous"])
async def test_a_listed_caller_is_refused_at_once(routed: World, caller: str) -> None:
    """A number, a prefix, a range and hidden callers on a block list (A9, A23): cause 21, free."""
    await _refused(routed, "4002220001", caller, "blacklisted")
    await routed.nothing_left()


async def test_a_refused_caller_may_hear_why_and_pays_nothing(routed: World) -> None:
    """A list's announcement is early media: heard, never answered, then cause 21."""
    call = await routed.call("4002220001", "13900000002")
    await call.early_media()
    await call.hears(SORRY_HZ)
    outcome = await call.ended()
    assert (outcome.status, outcome.cause) == (403, 21)
    assert (await routed.cdr(call)).cost_micros == 0
    await routed.nothing_left()


async def test_an_area_is_refused_but_not_its_vips(routed: World) -> None:
    """A8: callers of a blocked area are refused with cause 21, VIP callers of it are not."""
    await _refused(routed, "4002220001", "089162000002", "area_blocked")
    await _reaches(routed, "4002220001", "089162000001", 440)
    await routed.nothing_left()


async def test_allow_only_lets_members_through(routed: World) -> None:
    """On a number with an allow_only list nobody else may call."""
    await _refused(routed, "4002220002", "13900000009", "not_allowed")
    await _reaches(routed, "4002220002", "13900000004", 440)
    await routed.nothing_left()


async def test_a_closed_number_says_so_unanswered_and_vips_get_through(routed: World) -> None:
    """Out of hours the message is early media and free; a VIP caller is exempt (Amb 3)."""
    call = await routed.call("4002220003", CALLER)
    await call.early_media()
    await call.hears(SORRY_HZ)
    outcome = await call.ended()
    assert outcome.status != 200
    cdr = await routed.cdr(call)
    assert (cdr.stage, cdr.cost_micros, len(cdr.legs)) == ("message", 0, 1)
    await _reaches(routed, "4002220003", "13900000003", 440)
    await routed.nothing_left()


async def test_a_caller_may_call_only_so_often_a_minute(routed: World) -> None:
    """The third call of a minute is refused; another caller's is not."""
    for _ in range(2):
        await _reaches(routed, "4002220004", CALLER, 440)
    await _refused(routed, "4002220004", CALLER, "caller_rate")
    await _reaches(routed, "4002220004", "13900000004", 440)
    await routed.nothing_left()


@pytest.mark.parametrize(
    ("caller", "number", "rule"),
    [("02062001234", SOUTH, "route guangdong"), ("13701000001", THREE, "route mobiles")],
)
async def test_a_route_sends_the_caller_where_it_says(
    routed: World, caller: str, number: str, rule: str
) -> None:
    """By area (A7) or by the caller's prefix; the trace names the rule."""
    routed.carrier.line(SOUTH, Answers(voice_hz=560))
    hz = 560 if number == SOUTH else 520
    assert rule in await _reaches(routed, "4002220005", caller, hz)
    await routed.nothing_left()


async def test_rules_that_do_not_hold_are_passed_over(routed: World) -> None:
    """A schedule that is closed and a share of 0 % lead nowhere: the default takes the call."""
    await _reaches(routed, "4002220005", CALLER, 440)
    await routed.nothing_left()


async def test_lines_that_are_off_or_closed_are_not_rung(routed: World) -> None:
    """A4: the line switched off and the one out of hours are skipped, and the trace says why."""
    call = await routed.call("4002220001", CALLER)
    await call.hears(440)
    await call.hang_up()
    cdr = await routed.cdr(call)
    skipped = {s["rule"]: s["why"] for s in cdr.trace if s["rule"] in {"line off", "line asleep"}}
    assert len(skipped) == 2
    assert [leg.line for leg in cdr.legs[1:]] == ["one"]
    await routed.nothing_left()


async def test_nobody_answers_and_the_group_says_sorry(routed: World) -> None:
    """When no line took the call the group's `otherwise` is next."""
    routed.carrier.line(ONE, Busy())
    routed.carrier.line(TWO, Unreachable())
    call = await routed.call("4002220001", CALLER)
    await call.hears(SORRY_HZ, seconds=8)
    outcome = await call.ended()
    assert outcome.status != 200
    cdr = await routed.cdr(call)
    assert [leg.disposition for leg in cdr.legs[1:]] == ["busy", "congested"]
    assert cdr.cost_micros == 0
    await routed.nothing_left()


async def test_round_robin_takes_turns(routed: World) -> None:
    """Three calls one after the other reach three lines."""
    reached = []
    for _ in range(3):
        call = await routed.call("4002220008", CALLER)
        await call.answered()
        await call.hang_up()
        reached.append((await routed.cdr(call)).line)
    assert sorted(reached, key=str) == ["one", "three", "two"]
    await routed.nothing_left()


async def test_all_at_once_the_first_that_answers_has_the_call(routed: World) -> None:
    """All ring; who answers talks, the others are cancelled and cost nothing."""
    routed.carrier.line(ONE, Answers(after_seconds=0.6, voice_hz=440))
    routed.carrier.line(TWO, NoAnswer())
    routed.carrier.line(MOBILE, NoAnswer())
    call = await routed.call("4002220006", CALLER)
    await call.hears(440)
    two, mobile = await routed.carrier.called(TWO), await routed.carrier.called(MOBILE)
    await asyncio.gather(two.ended(3), mobile.ended(3))
    await call.hang_up()
    cdr = await routed.cdr(call)
    assert (cdr.disposition, cdr.line) == ("answered", "one")
    by_line = {leg.line: leg for leg in cdr.legs[1:]}
    assert {by_line["two"].disposition, by_line["mobile"].disposition} == {"cancelled"}
    assert by_line["mobile"].cost_micros == 0
    await routed.nothing_left()


async def test_two_lines_answering_at_the_same_instant(routed: World) -> None:
    """One is bridged, the other is hung up at once; one charge."""
    for _ in range(5):
        routed.carrier.line(ONE, Answers(after_seconds=0.3, voice_hz=440))
        routed.carrier.line(TWO, Answers(after_seconds=0.3, voice_hz=480))
        count = len(routed.carrier.calls_to(ONE))
        call = await routed.call("4002220007", CALLER)
        one = await routed.carrier.called(ONE, nth=count)
        two = await routed.carrier.called(TWO, nth=count)
        await call.answered()

        lost = await _let_go(one=one, two=two)
        winner = two if lost == "one" else one
        await winner.hears(700)
        assert winner.outcome is None
        await call.hang_up()
        cdr = await routed.cdr(call)
        assert cdr.line == ("two" if lost == "one" else "one")
        assert [leg.cost_micros for leg in cdr.legs[1:]] == [0, 0]
        assert cdr.cost_micros == cdr.legs[0].cost_micros > 0
        await routed.nothing_left()


async def test_a_mobiles_voicemail_cannot_take_the_call(routed: World) -> None:
    """A line with a confirm key that answers without pressing it is given up for the next."""
    routed.carrier.line(MOBILE, Answers(voice_hz=600))
    call = await routed.call("4002220009", CALLER)
    mobile = await routed.carrier.called(MOBILE)
    await call.hears(520, seconds=20)
    assert mobile.outcome is not None
    assert not call.heard(600)
    assert not mobile.heard(700), "it never heard the caller"
    await call.hang_up()
    cdr = await routed.cdr(call)
    assert cdr.line == "three"
    by_line = {leg.line: leg for leg in cdr.legs[1:]}
    assert (by_line["mobile"].disposition, by_line["mobile"].cost_micros) == ("no_answer", 0)
    await routed.nothing_left()


async def test_a_line_that_confirms_has_the_call(routed: World) -> None:
    """The key joins the two, and the forwarding leg is charged."""
    routed.carrier.line(MOBILE, Answers(voice_hz=600))
    call = await routed.call("4002220009", CALLER)
    mobile = await routed.carrier.called(MOBILE)
    await mobile.answered()
    await mobile.send_dtmf("1")
    await asyncio.gather(call.hears(600), mobile.hears(700))
    await call.hang_up()
    cdr = await routed.cdr(call)
    assert cdr.line == "mobile"
    assert cdr.legs[1].cost_micros > 0
    await routed.nothing_left()


async def test_a_capacity_of_one_is_one_call(routed: World) -> None:
    """While its one call lives the line is skipped; afterwards it is rung again."""
    routed.carrier.line(SINGLE, Answers(voice_hz=560))
    first = await routed.call("4002220011", CALLER)
    await first.hears(560)
    second = await routed.call("4002220011", "13900000004")
    await second.hears(480)
    await first.hang_up()
    await second.hang_up()
    await routed.cdr(first)
    await routed.cdr(second)
    third = await routed.call("4002220011", CALLER)
    await third.hears(560)
    await third.hang_up()
    assert len(routed.carrier.calls_to(SINGLE)) == 2
    await routed.nothing_left()


async def test_a_call_that_its_own_line_sends_back_is_caught(routed: World) -> None:
    """A bound line that forwards to the number it is bound to: refused, not rung in circles."""
    call = await routed.caller.call(
        "4002220001",
        server=("127.0.0.1", routed.sip_port),
        from_number=CALLER,
        headers={"Diversion": f"<sip:{ONE}@127.0.0.1>;reason=unconditional"},
    )
    outcome = await call.ended()
    assert outcome.status != 200
    assert (await routed.cdr(call)).ended_by == "loop"
    assert not routed.carrier.calls_to(ONE)
    await routed.nothing_left()


async def test_a_line_that_calls_its_own_number_is_not_rung(routed: World) -> None:
    """The caller's own line is skipped; the next one is rung."""
    await _reaches(routed, "4002220001", ONE, 480)
    assert not routed.carrier.calls_to(ONE)
    await routed.nothing_left()


async def test_a_line_that_fails_again_and_again_rests(routed: World) -> None:
    """After three failures in a row the next call does not try it."""
    routed.carrier.line(ONE, Unreachable())
    for _ in range(3):
        await _reaches(routed, "4002220001", CALLER, 480)
    failed = len(routed.carrier.calls_to(ONE))
    await _reaches(routed, "4002220001", CALLER, 480)
    assert (failed, len(routed.carrier.calls_to(ONE))) == (3, 3)
    await routed.nothing_left()


async def test_the_answering_side_hears_for_whom_and_from_where(routed: World) -> None:
    """A line with an announcement hears it before the caller is joined; the caller does not."""
    routed.carrier.line(ANNOUNCED, Answers(voice_hz=560))
    call = await routed.call("4002220010", CALLER)
    line = await routed.carrier.called(ANNOUNCED)
    await line.answered()
    await line.hears(700, seconds=25)
    told = [tone for tone in line.tones if tone.hz != 700]
    assert told, "something was said before the caller was heard"
    await call.hears(560)
    await call.hang_up()
    assert (await routed.cdr(call)).disposition == "answered"
    await routed.nothing_left()


async def test_a_free_number_needs_money_for_one_slice_of_its_line_only(routed: World) -> None:
    """A free caller's leg does not make the line's leg be paid for hours ahead."""
    routed.carrier.line("13701000201", Answers(voice_hz=600))
    call = await routed.call("4002220014", CALLER)
    await call.hears(600)
    outcome = await call.ended(30)
    assert outcome.talk_seconds == pytest.approx(25, abs=1)
    cdr = await routed.cdr(call)
    assert (cdr.ended_by, cdr.legs[0].cost_micros, cdr.legs[1].cost_micros) == ("money", 0, 50_000)
    await routed.nothing_left()
