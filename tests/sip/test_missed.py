"""Missed calls on real calls: the caller gone at each stage, nobody there, closed, refused."""

from collections.abc import Awaitable, Callable

import pytest

from callctl.views import CdrFilter, MissedCall
from tests.agents import Answers, Busy, NoAnswer, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import World

from .answered import CALLER, DESK, LINE_HZ, provide

HOLD_HZ, CLOSED_HZ = PROMPT_HZ["", "hold"], PROMPT_HZ["", "closed"]
GREETING_HZ = PROMPT_HZ["", "leave-a-message"]


@pytest.fixture
async def answered(world: World) -> World:
    """The world with the tenant of voicemail.yaml."""
    await provide(world)
    return world


async def _missed(world: World, call: PlacedCall) -> MissedCall:
    """What the list says of the call."""
    cdr = await world.cdr(call)
    found = {one.call_id: one for one in await world.views.missed(CdrFilter())}
    return found[cdr.call_id]


async def _rings(call: PlacedCall) -> None:
    await call.ringing()


async def _hears_closed(call: PlacedCall) -> None:
    await call.hears(CLOSED_HZ)


async def _hears_hold(call: PlacedCall) -> None:
    await call.hears(HOLD_HZ, seconds=8)


async def _hears_greeting(call: PlacedCall) -> None:
    await call.hears(GREETING_HZ, seconds=8)


@pytest.mark.parametrize(
    ("did", "until", "stage", "reason", "why"),
    [
        ("4003330004", _rings, "ringing", "abandoned", "the caller gave up while it rang"),
        ("4003330006", _hears_hold, "menu", "abandoned", "the caller gave up in the menu"),
        ("4003330007", _hears_hold, "queued", "abandoned", "the caller gave up in the queue"),
        (
            "4003330001",
            _hears_greeting,
            "voicemail",
            "voicemail",
            "the call was led to the voicemail",
        ),
        ("4003330005", _hears_closed, "message", "closed", "out of hours"),
    ],
)
async def test_caller_gone_at_each_stage(
    answered: World,
    did: str,
    until: Callable[[PlacedCall], Awaitable[None]],
    stage: str,
    reason: str,
    why: str,
) -> None:
    """Wherever the caller hangs up, the list says where he was, and nothing is left over."""
    answered.carrier.line(DESK, NoAnswer())
    call = await answered.call(did, CALLER)
    await until(call)
    await call.hang_up()

    missed = await _missed(answered, call)

    assert (missed.stage, missed.reason.value, missed.why) == (stage, reason, why)
    assert missed.caller == "+8613901710001"
    assert 0 < missed.waited_seconds < 12
    assert (missed.voicemail_id, missed.callback) == (None, None)
    await answered.nothing_left()


@pytest.mark.parametrize(
    ("did", "caller", "reason", "why"),
    [
        ("4003330004", CALLER, "no_answer", "no line took the call"),
        ("4003330004", "13900000001", "blocked", "the caller is on a block list"),
        ("4003330005", CALLER, "closed", "out of hours"),
        ("4003330008", CALLER, "limit", "a limit was reached"),
        ("4003330011", CALLER, "no_money", "the account could not pay"),
    ],
)
async def test_call_that_was_not_taken(
    answered: World, did: str, caller: str, reason: str, why: str
) -> None:
    """Nobody there, blocked, closed, a limit, no money: each is in the list with its reason."""
    answered.carrier.line(DESK, Busy())
    call = await answered.call(did, caller)
    await call.ended()

    missed = await _missed(answered, call)

    assert (missed.reason.value, missed.why) == (reason, why)
    await answered.nothing_left()


async def test_call_that_talked_is_not_missed(answered: World) -> None:
    """A call that a line talked with is not in the list."""
    answered.carrier.line(DESK, Answers(voice_hz=LINE_HZ))
    call = await answered.call("4003330004", CALLER)
    await call.hears(LINE_HZ, seconds=5)
    await call.hang_up()

    cdr = await answered.cdr(call)
    found = await answered.views.missed(CdrFilter())
    assert cdr.call_id not in {one.call_id for one in found}
