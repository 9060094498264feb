"""A call of which Asterisk did, but did not tell, or answered nothing to: it asks, and goes on."""

import asyncio
import uuid

import orjson
import pytest

from callctl import clock
from callctl.ari.transport import Answer
from callctl.calls import (
    Call,
    Leg,
    LineToRing,
    Moment,
    asking,
    dialling,
    prompts,
    recording,
    releasing,
)
from callctl.calls import call as call_module
from callctl.errors import AriUnavailable, HungUp
from callctl.exchange.reconciling import Inquiry
from callctl.values.hangup import Disposition, HangupCause
from callctl.values.ids import bridge_id, channel_id
from tests.unit.asterisk_double import CALLER, AsteriskDouble, call_through, unanswered, until

_SOON = 0.05


@pytest.fixture
def asterisk(monkeypatch: pytest.MonkeyPatch) -> AsteriskDouble:
    """An Asterisk without whom nothing takes longer than a moment."""
    monkeypatch.setattr(asking, "_EVENT_SECONDS_MAX", _SOON)
    monkeypatch.setattr(asking, "_LOOK_SECONDS", _SOON)
    monkeypatch.setattr(releasing, "_GOING_SECONDS_MAX", _SOON)
    monkeypatch.setattr(call_module, "_ANSWER_SECONDS_MAX", 4 * _SOON)
    return AsteriskDouble()


@pytest.fixture
def call(asterisk: AsteriskDouble) -> Call:
    """A caller's call, which may ask."""
    made = call_through(asterisk)
    made.inquiry = Inquiry(made.ari, None)
    return made


def _line(ring_seconds: int = 1) -> LineToRing:
    return LineToRing(uuid.uuid4(), "a", "01062000401", "PJSIP/1@carrier", ring_seconds, False)


async def _rung(asterisk: AsteriskDouble, line: LineToRing) -> str:
    """The line's channel, once it was told to ring."""
    channel = channel_id(line.leg_id)
    await until(lambda: asterisk.count(f"POST channels/{channel}/dial") == 1)
    return channel


async def test_a_line_s_leg_has_a_timer_from_its_birth(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """Whoever dies before it is answered leaves a telephone that rings no longer than it may."""
    line = _line(20)
    dialled = asyncio.create_task(call.dial(line))
    await _rung(asterisk, line)
    variables = orjson.loads(asterisk.bodies["POST channels/create"])["variables"]
    assert float(variables["TIMEOUT(absolute)"]) == 20 + dialling.BIRTH_MARGIN_SECONDS
    asterisk.end(channel_id(line.leg_id), cause=17)
    assert (await dialled).disposition is Disposition.BUSY


async def test_a_new_leg_that_nobody_told_of_is_asked_for(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """The event that a line's leg is there is lost: it is rung all the same, a moment later."""
    asterisk.deaf = {"StasisStart"}
    line = _line()
    dialled = asyncio.create_task(call.dial(line))
    asterisk.answer(await _rung(asterisk, line))
    assert (await dialled).is_taken


async def test_an_answer_that_nobody_told_of_is_asked_for(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """When the line has rung long enough it turns out to talk already: it is not cut off."""
    asterisk.deaf = {"ChannelStateChange"}
    line = _line()
    dialled = asyncio.create_task(call.dial(line))
    asterisk.answer(await _rung(asterisk, line))
    assert (await dialled).is_taken


class _Record:
    """Asterisk's own, which knows when the leg of this side was answered."""

    def __init__(self, side: str) -> None:
        self._side = side

    async def ask(self, call: Call, leg: Leg) -> None:
        """Say so."""
        if leg.side == self._side:
            leg.answer(Moment(call.clock.now(), clock.monotonic()))


async def test_who_may_have_talked_is_asked_about(asterisk: AsteriskDouble, call: Call) -> None:
    """A line's end shows that it was up, and no event has told of its answer: it is charged."""
    call.inquiry = _Record("b")
    asterisk.deaf = {"ChannelStateChange"}
    line = _line()
    dialled = asyncio.create_task(call.dial(line))
    channel = await _rung(asterisk, line)
    asterisk.answer(channel)
    asterisk.end(channel)
    assert (await dialled).is_taken


@pytest.mark.parametrize("is_ringing", [True, False])
async def test_a_line_rings_on_whose_command_was_not_answered(
    asterisk: AsteriskDouble, call: Call, is_ringing: bool
) -> None:
    """The answer to "dial" is lost: what rings is waited for, what does not is no fault of its."""
    line = _line()
    channel = channel_id(line.leg_id)

    def fate(command: str) -> Exception | None:
        if command != f"POST channels/{channel}/dial":
            return None
        asterisk.channels[channel] = "Ringing" if is_ringing else "Down"
        return unanswered(command)

    asterisk.fate = fate
    dialled = asyncio.create_task(call.dial(line))
    await until(lambda: dialled.done() or asterisk.count(f"GET channels/{channel}") == 1)
    if is_ringing:
        asterisk.answer(channel)
    leg = await dialled
    assert (leg.is_taken, leg.is_blameless) == (is_ringing, not is_ringing)
    if not is_ringing:
        assert channel not in asterisk.channels


async def test_the_caller_is_answered_though_nobody_says_so(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """Neither the command's answer nor the event comes: he is asked about, and goes on."""
    asterisk.deaf = {"ChannelStateChange"}
    asterisk.fate = lambda command: unanswered(command) if command.endswith("/answer") else None
    await call.answer()
    assert call.a_leg.answered_at is not None
    assert asterisk.count(f"POST channels/{CALLER}/answer") == 1
    assert asterisk.count(f"POST bridges/{bridge_id(call.call_id)}/addChannel") == 1


async def test_a_caller_who_is_gone_may_have_been_answered(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """No event told of it, and he hangs up before anybody asks: the record has it, and he pays."""
    call.inquiry = _Record("a")
    asterisk.deaf = {"ChannelStateChange"}
    answering = asyncio.create_task(call.answer())
    await until(lambda: asterisk.count(f"POST channels/{CALLER}/answer") == 1)
    asterisk.end(CALLER)
    with pytest.raises(HungUp):
        await answering
    assert call.a_leg.answered_at is not None


async def test_a_caller_who_is_not_answered_has_a_deadline(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """His call ends, with a reason, instead of waiting for ever."""
    asterisk.fate = lambda command: Answer(204, b"") if command.endswith("/answer") else None
    async with asyncio.timeout(2):
        with pytest.raises(AriUnavailable):
            await call.answer()


async def test_joining_is_done_again_when_its_answer_is_lost(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """Once: it harms nobody who was joined."""
    lost = ["addChannel"]

    def fate(command: str) -> Exception | None:
        if lost and command.endswith(lost[0]):
            lost.clear()
            return unanswered(command)
        return None

    asterisk.fate = fate
    await call.answer()
    assert asterisk.count(f"POST bridges/{bridge_id(call.call_id)}/addChannel") == 2


async def test_a_caller_whom_the_line_s_answer_did_not_answer_is_answered(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """A line in his bridge is answered, and he is not within moments: it is done by command."""
    line = _line()
    dialled = asyncio.create_task(call.dial(line))
    asterisk.answer(await _rung(asterisk, line))
    await call.connect(await dialled)
    assert call.a_leg.answered_at is not None


async def test_the_end_of_a_prompt_that_nobody_told_of_is_asked_for(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """While Asterisk plays it, or does not say, it is waited for."""
    asterisk.playing.add("p1")
    looks = "GET playbacks/p1"
    asterisk.fate = lambda _: unanswered(looks) if asterisk.count(looks) == 1 else None
    playing = asyncio.create_task(asking.played(call, "p1", lambda: False, 5.0, look_seconds=_SOON))
    await until(lambda: asterisk.count(looks) == 3)
    assert not playing.done()
    asterisk.playing.discard("p1")
    async with asyncio.timeout(1):
        assert await playing


async def test_the_end_of_a_recording_that_nobody_told_of_is_asked_for(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """Its length is not known then."""
    async with asyncio.timeout(1):
        await asking.recorded(call, "r1", 60.0)
    assert call.finished_recordings == {"r1": None}


async def test_a_leg_that_did_not_go_is_told_so_again(asterisk: AsteriskDouble, call: Call) -> None:
    """A CANCEL that crosses our answer leaves a channel behind that took our first hang-up."""
    hangup = f"DELETE channels/{CALLER}"
    asterisk.fate = lambda command: (
        Answer(204, b"") if command == hangup and asterisk.count(hangup) == 1 else None
    )
    call.rejected_cause = HangupCause.UNALLOCATED
    async with asyncio.timeout(1):
        await call.release()
    assert asterisk.count(hangup) == 2
    assert asterisk.causes == [HangupCause.UNALLOCATED] * 2, "the last is what he is told"
    assert not asterisk.channels


async def test_an_end_that_nobody_told_of_is_asked_for(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """The call is over as soon as Asterisk has its leg no more, and leaves no bridge."""
    await call.answer()
    asterisk.deaf = {"ChannelDestroyed"}
    async with asyncio.timeout(1):
        await call.release()
    assert call.a_leg.destroyed_at is not None
    assert not asterisk.bridges


async def test_one_hang_up_that_fails_keeps_no_other_from_its_end(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller's leg can't be ended: the line's is, and the bridge goes."""
    monkeypatch.setattr(releasing, "_END_SECONDS_MAX", _SOON)
    line = _line()
    dialled = asyncio.create_task(call.dial(line))
    asterisk.answer(await _rung(asterisk, line))
    await dialled
    hangup = f"DELETE channels/{CALLER}"
    asterisk.fate = lambda command: Answer(503, b"") if command == hangup else None
    async with asyncio.timeout(2):
        await call.release()
    assert list(asterisk.channels) == [CALLER]
    assert not asterisk.bridges


async def test_the_first_of_two_answers_is_taken(asterisk: AsteriskDouble, call: Call) -> None:
    """Both lines answer before anybody looks: one is joined, the other hung up."""
    lines = [_line(), _line()]
    dialled = asyncio.create_task(call.dial_at_once(lines))
    channels = [await _rung(asterisk, line) for line in lines]
    for channel in channels:
        asterisk.answer(channel)
    leg = await dialled
    assert leg is not None
    await until(lambda: len(asterisk.channels) == 2)
    assert set(asterisk.channels) == {CALLER, leg.channel_id}
    assert [one.is_taken for one in call.legs[1:]].count(True) == 1


@pytest.mark.parametrize("status", [204, 404, 503])
async def test_a_timer_that_may_not_have_been_set_is_to_be_set_again(
    asterisk: AsteriskDouble, call: Call, status: int
) -> None:
    """No answer says nothing; that the party is gone needs no timer."""
    await call.answer()
    said = b'{"message": "Channel not found"}' if status == 404 else b""
    asterisk.fate = lambda command: Answer(status, said) if "/variable" in command else None
    assert await call.allow(30.0) is (status != 503)


@pytest.mark.parametrize(("left", "is_timed"), [("100", True), ("0", False), ("130", False)])
async def test_a_timer_is_read_back(
    asterisk: AsteriskDouble, call: Call, left: str, is_timed: bool
) -> None:
    """None at all, or one that is longer than was set, is none (R3)."""
    await call.answer()
    said = orjson.dumps({"value": left})
    asterisk.fate = lambda command: Answer(200, said) if "/variable" in command else None
    assert await call.is_timed(at_most=120.0) is is_timed


async def test_an_act_on_the_money_has_a_deadline(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that never answers must not keep the call from looking at its paid time."""
    monkeypatch.setattr(call_module, "_ACT_SECONDS_MAX", _SOON)
    is_over = asyncio.Event()
    async with asyncio.timeout(1):
        assert await call.meanwhile(is_over.wait(), lambda: False) is None
    is_over.set()


async def test_a_new_leg_that_never_comes_is_given_up(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asterisk made it and does not hand it over: it is ended, and no fault of the line's."""
    monkeypatch.setattr(dialling, "_STASIS_SECONDS_MAX", 2 * _SOON)
    asterisk.deaf = {"StasisStart"}
    line = _line()
    asterisk.fate = lambda command: asterisk.words.clear() if command.startswith("GET") else None
    async with asyncio.timeout(2):
        leg = await call.dial(line)
    assert (leg.gave_up_as, leg.is_blameless) == (Disposition.FAILED, True)
    assert leg.channel_id not in asterisk.channels


async def test_lines_that_do_not_come_to_an_end_are_not_waited_for(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line ended, and its channel's end is told by nobody: the next one is rung in time."""
    monkeypatch.setattr(dialling, "_END_SECONDS_MAX", 2 * _SOON)
    line = _line()
    dialled = asyncio.create_task(call.dial(line))
    channel = await _rung(asterisk, line)
    asterisk.hear(asterisk.told("ChannelHangupRequest", channel, cause=17))
    async with asyncio.timeout(2):
        assert not (await dialled).is_taken


async def test_a_prompt_without_an_end_is_stopped(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asterisk says that it plays, and plays on: the caller's way goes on all the same."""
    monkeypatch.setattr(prompts, "_PROMPT_SECONDS_MAX", 2 * _SOON)
    await call.answer()
    async with asyncio.timeout(8):
        await call.play("callctl/closed", "zh")
    assert not asterisk.playing


async def test_a_recording_without_an_end_is_not_waited_for(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its length stays unknown, and the call ends."""
    monkeypatch.setattr(recording, "_END_SECONDS_MAX", _SOON)
    await call.answer()
    await call.start_recording("r1")
    async with asyncio.timeout(2):
        assert await call.stop_recording() is None
