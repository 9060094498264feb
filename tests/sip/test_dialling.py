"""Lines that are rung, told, asked to confirm, and rung at once, on the real Asterisk."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from callctl import clock
from callctl.ari.keep_alive import KeepAliveTransport
from callctl.ari.transport import Answer
from callctl.calls import Call, Leg, dialling
from callctl.errors import HungUp
from callctl.stack.asterisk import Asterisk
from callctl.values.hangup import Disposition
from tests.agents import Answers, Busy, Mailbox, NoAnswer, Together
from tests.agents.prompts import PROMPT_HZ

from .verbs import FINAL, LANGUAGE, LINES, MUSIC, WARNING, Act, House, line, opened

TOLD_HZ, FINAL_HZ = PROMPT_HZ[LANGUAGE, "warning"], PROMPT_HZ[LANGUAGE, "final"]
MUSIC_HZ = PROMPT_HZ["", "ringback-demo"]
RING_HZ = 450
ROUNDS = 20


@pytest.fixture
async def house(asterisk: Asterisk) -> AsyncIterator[House]:
    """Telephones and calls around the session's Asterisk."""
    async with opened(asterisk) as house:
        yield house


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers has one second for his key."""
    monkeypatch.setattr(dialling, "CONFIRM_SECONDS_MAX", 1)


async def test_a_plain_line_is_taken_by_its_answer(house: House) -> None:
    """Its own ringing reaches the caller, its answer answers him, and the talk begins with it."""
    house.carrier.line(LINES[0], Answers(early_media_hz=510, after_seconds=0.5))
    call, placed = await house.call()
    leg = await call.dial(line(LINES[0]))
    assert leg.is_taken
    await call.connect(leg)
    assert placed.heard(510), placed.told()
    received = await house.carrier.called(LINES[0])
    await asyncio.gather(placed.hears(440), received.hears(700))
    assert call.parties == [call.a_leg, leg]
    answered_ats = [one.answered_at for one in (call.a_leg, leg) if one.answered_at is not None]
    assert call.talk_started_at == max(answered_ats)
    await house.released(call)


@pytest.mark.parametrize(
    ("has_ringback", "commands"),
    [
        (False, ["channels/create", "bridges", "addChannel", "dial"]),
        (True, ["play", "channels/create", "dial", "stop", "answer", "bridges", "addChannel"]),
    ],
)
async def test_a_plain_call_takes_few_commands(
    house: House, monkeypatch: pytest.MonkeyPatch, has_ringback: bool, commands: list[str]
) -> None:
    """From the caller's arrival to the talk Asterisk is asked for nothing that is not needed."""
    asked: list[str] = []
    request = KeepAliveTransport.request

    async def watched(
        transport: KeepAliveTransport, method: str, target: str, body: bytes | None = None
    ) -> Answer:
        path = target.partition("?")[0].split("/")
        verb = {"play": "play", "bridges": "bridges"}.get(path[-2], path[-1])
        asked.append("channels/create" if verb == "create" else verb)
        if method == "DELETE":
            asked[-1] = "stop"
        return await request(transport, method, target, body)

    monkeypatch.setattr(KeepAliveTransport, "request", watched)
    house.carrier.line(LINES[0], Answers(after_seconds=0.1))
    call, placed = await house.call()
    rung = replace(line(LINES[0]), has_ringback=has_ringback)
    if has_ringback:
        await call.ring_back(MUSIC, 10, LANGUAGE)
    await call.prepare(rung)
    await call.connect(await call.dial(rung))
    assert asked == commands
    await placed.hears(440)
    await house.released(call)


@pytest.mark.parametrize("is_answered", [False, True])
async def test_a_line_takes_the_call_by_its_key(house: House, is_answered: bool) -> None:
    """Who answers is told alone; the caller hears it ring, unanswered if he was, until the key."""
    house.carrier.line(LINES[0], Answers(presses="51", presses_after_seconds=1.0))
    call, placed = await (house.answered() if is_answered else house.call())
    dialled = asyncio.create_task(call.dial(line(LINES[0], is_told=True, key="1")))
    received = await house.carrier.called(LINES[0])
    await received.hears(TOLD_HZ)
    if is_answered:
        await placed.hears(RING_HZ, seconds=6)
    else:
        await placed.ringing()
        assert placed.answered_at is None
    leg = await dialled
    assert leg.is_taken
    assert received.outcome is None
    assert leg.answered_at is not None
    assert leg.joined_at is not None
    assert (leg.joined_at - leg.answered_at).total_seconds() > 1.0
    await call.connect(leg)
    joined_at = clock.monotonic()
    await asyncio.gather(placed.hears(440), received.hears(700))
    assert not placed.heard(TOLD_HZ)
    assert all(tone.ended_at < joined_at + 0.1 for tone in placed.heard(RING_HZ))
    assert call.charge_begin(leg) == call.charge_begin(call.a_leg)
    await house.released(call)


async def test_a_line_without_key_is_told_to_the_end(house: House) -> None:
    """A line that only has to be told is joined when the prompt has ended."""
    house.carrier.line(LINES[0], Answers())
    call, placed = await house.call()
    leg = await call.dial(line(LINES[0], is_told=True))
    received = await house.carrier.called(LINES[0])
    told = received.heard(TOLD_HZ)
    assert told, received.told()
    assert leg.is_taken
    assert placed.answered_at is None
    await call.connect(leg)
    await asyncio.gather(placed.hears(440), received.hears(700))
    await house.released(call)


@pytest.mark.usefixtures("hasty")
async def test_a_mailbox_does_not_take_the_call(house: House) -> None:
    """A voicemail answers, presses nothing, is hung up and no party; the next line is rung."""
    house.carrier.line(LINES[0], Mailbox())
    house.carrier.line(LINES[1], Answers())
    call, placed = await house.call()
    mailbox = await call.dial(line(LINES[0], key="1"))
    assert not mailbox.is_taken
    assert mailbox.answered_at is not None
    assert (mailbox.disposition, mailbox.cause) == (Disposition.NO_ANSWER, 19)
    assert call.parties == []
    assert call.b_leg is None
    assert (await (await house.carrier.called(LINES[0])).ended()).ended_by == "them"
    leg = await call.dial(line(LINES[1]))
    await call.connect(leg)
    await placed.answered()
    assert call.b_leg is leg
    times = await call.talk_times()
    assert set(times) == {call.a_leg.leg_id, leg.leg_id}
    await house.nothing_left()


async def test_after_a_plain_line_anything_may_follow(house: House) -> None:
    """A caller who waits unanswered in the bridge hears ringback and message, then is answered."""
    house.carrier.line(LINES[0], Busy())
    house.carrier.line(LINES[1], Answers(after_seconds=1.0, presses="1"))
    call, placed = await house.call()
    assert not (await call.dial(line(LINES[0]))).is_taken
    await call.ring_back(MUSIC, 10, LANGUAGE)
    await placed.hears(MUSIC_HZ)
    leg = await call.dial(line(LINES[1], key="1"))
    assert leg.is_taken
    await call.hang_up(leg)
    await call.play_early(WARNING, LANGUAGE)
    assert placed.heard(TOLD_HZ), placed.told()
    assert placed.answered_at is None
    await call.answer()
    await placed.answered()
    await call.play(FINAL, LANGUAGE)
    assert placed.heard(FINAL_HZ), placed.told()
    await house.released(call)


async def test_music_plays_until_the_line_is_there(house: House) -> None:
    """A waiting caller hears his music while a line rings and is told, then only the line."""
    house.carrier.line(LINES[0], Answers(presses="1", presses_after_seconds=1.0))
    call, placed = await house.answered()
    await call.start_music(MUSIC, LANGUAGE)
    leg = await call.dial_at_once([line(LINES[0], is_told=True, key="1")])
    assert leg is not None
    assert placed.heard(MUSIC_HZ), placed.told()
    await call.connect(leg)
    joined_at = clock.monotonic()
    received = await house.carrier.called(LINES[0])
    await asyncio.gather(placed.hears(440, lasting=2.2), received.hears(700))
    assert not placed.heard(RING_HZ)
    assert placed.heard(MUSIC_HZ)[-1].ended_at < joined_at + 0.1
    assert not received.heard(MUSIC_HZ)
    await house.released(call)


@pytest.mark.usefixtures("hasty")
async def test_a_line_that_hangs_up_while_told_did_not_take_the_call(house: House) -> None:
    """Who answers and goes before his key counts as no answer, at once."""
    house.carrier.line(LINES[0], Answers(hang_up_after_seconds=0.3))
    call, _ = await house.call()
    async with asyncio.timeout(2):
        leg = await call.dial(line(LINES[0], is_told=True, key="1"))
    assert (leg.is_taken, leg.disposition) == (False, Disposition.NO_ANSWER)
    await house.released(call)


async def test_the_first_to_answer_ends_the_others(house: House) -> None:
    """A busy line ends nothing; the first answer is taken, the others are told it was elsewhere."""
    house.carrier.line(LINES[0], Busy())
    house.carrier.line(LINES[1], NoAnswer())
    house.carrier.line(LINES[2], Answers(after_seconds=0.6))
    call, placed = await house.call()
    leg = await call.dial_at_once([line(number) for number in LINES[:3]])
    assert leg is not None
    assert leg.number == LINES[2]
    legs = {one.number: one for one in call.legs[1:]}
    assert legs[LINES[0]].disposition is Disposition.BUSY
    assert legs[LINES[1]].disposition is Disposition.CANCELLED
    assert placed.timeline.at("received 180") is not None
    async with asyncio.timeout(0.5):
        outcome = await (await house.carrier.called(LINES[1])).ended()
    assert (outcome.status, outcome.cause) == (487, 26)
    await call.connect(leg)
    received = await house.carrier.called(LINES[2])
    await asyncio.gather(placed.hears(440), received.hears(700))
    await house.released(call)


async def test_none_of_the_lines_answers(house: House) -> None:
    """When all fail, none is returned as soon as the last has failed."""
    house.carrier.line(LINES[0], Busy())
    house.carrier.line(LINES[1], NoAnswer())
    call, _ = await house.call()
    rung = [line(LINES[0]), line(LINES[1], ring_seconds=1), line("01062009999")]
    async with asyncio.timeout(3):
        assert await call.dial_at_once(rung) is None
    ends = {leg.number: leg.disposition for leg in call.legs[1:]}
    assert ends[LINES[1]] is Disposition.NO_ANSWER
    assert ends[LINES[0]] is Disposition.BUSY
    await house.released(call)


async def test_two_answer_at_the_same_instant(house: House) -> None:
    """Twenty times: exactly one is taken and talks, the other is hung up within half a second."""
    winners: dict[str, int] = {}
    for nth in range(ROUNDS):
        together = Together(2)
        for number, hz in ((LINES[0], 440), (LINES[1], 520)):
            house.carrier.line(number, Answers(after_seconds=0.1, voice_hz=hz, together=together))
        call, placed = await house.call()
        leg = await call.dial_at_once([line(LINES[0]), line(LINES[1])])
        assert leg is not None
        await call.connect(leg)
        winner, loser = (LINES[0], LINES[1]) if leg.number == LINES[0] else (LINES[1], LINES[0])
        lost = await house.carrier.called(loser, nth=nth)
        async with asyncio.timeout(0.5):
            outcome = await lost.ended()
        assert outcome.cause == 26, lost.timeline
        received = await house.carrier.called(winner, nth=nth)
        await asyncio.gather(placed.hears(received.voice_hz), received.hears(700))
        assert not placed.heard(lost.voice_hz)
        assert [one for one in call.legs if one.is_taken] == [leg]
        assert call.parties == [call.a_leg, leg]
        times = await call.talk_times()
        assert set(times) == {call.a_leg.leg_id, leg.leg_id}
        await house.nothing_left()
        winners[winner] = winners.get(winner, 0) + 1
    print(winners)


async def test_two_answer_at_once_and_the_first_key_decides(house: House) -> None:
    """Of two who answered, who presses his key first takes the call, whoever answered first."""
    house.carrier.line(LINES[0], Answers(after_seconds=0.1))
    house.carrier.line(LINES[1], Answers(after_seconds=0.3, presses="1", presses_after_seconds=0.4))
    call, _ = await house.call()
    lines = [line(number, is_told=True, key="1") for number in LINES[:2]]
    leg = await call.dial_at_once(lines)
    assert leg is not None
    assert leg.number == LINES[1]
    lost = await house.carrier.called(LINES[0])
    async with asyncio.timeout(0.5):
        assert (await lost.ended()).cause == 26
    other = next(one for one in call.legs[1:] if one is not leg)
    assert other.answered_at is not None
    assert (other.is_taken, other.disposition) == (False, Disposition.CANCELLED)
    await call.connect(leg)
    await house.released(call)


async def _ringing(call: Call) -> None:
    await call.dial(line(LINES[0]))


async def _ringing_with_ringback(call: Call) -> None:
    await call.ring_back(MUSIC, 30, LANGUAGE)
    await call.dial(line(LINES[0], key="1"))


async def _ringing_at_once(call: Call) -> None:
    await call.dial_at_once([line(number) for number in LINES[:2]])


async def _telling(call: Call) -> None:
    await call.dial(line(LINES[2], is_told=True, key="1"))


async def _confirming_at_once(call: Call) -> None:
    await call.dial_at_once([line(LINES[2], is_told=True, key="1"), line(LINES[0])])


async def _waiting_with_music(call: Call) -> None:
    await call.answer()
    await call.start_music(MUSIC, LANGUAGE)
    await call.dial(line(LINES[0]))


@pytest.mark.parametrize(
    ("act", "number"),
    [
        (_ringing, LINES[0]),
        (_ringing_with_ringback, LINES[0]),
        (_ringing_at_once, LINES[1]),
        (_telling, LINES[2]),
        (_confirming_at_once, LINES[2]),
        (_waiting_with_music, LINES[0]),
    ],
)
async def test_the_caller_goes_while_lines_ring(house: House, act: Act, number: str) -> None:
    """A caller who goes cancels every line at once, answered or not; none took the call."""
    for silent in LINES[:2]:
        house.carrier.line(silent, NoAnswer())
    house.carrier.line(LINES[2], Answers())
    call, placed = await house.call()
    acting = asyncio.ensure_future(act(call))
    received = await house.carrier.called(number)
    if number == LINES[2]:
        await received.hears(TOLD_HZ)
    await placed.hang_up()
    with pytest.raises(HungUp):
        async with asyncio.timeout(1.5):
            await acting
    await house.released(call)
    assert all(one.outcome is not None for one in house.carrier.calls)
    assert [leg.disposition for leg in call.legs[1:]] == [Disposition.CANCELLED] * (
        len(call.legs) - 1
    )
    assert call.b_leg is None


async def test_the_caller_goes_as_the_line_answers(house: House) -> None:
    """Whoever was first: nothing is left over, and at most both were parties."""
    for nth in range(10):
        house.carrier.line(LINES[0], NoAnswer())
        call, placed = await house.call()
        acting = asyncio.ensure_future(call.dial(line(LINES[0])))
        received = await house.carrier.called(LINES[0], nth=nth)
        received.answer()
        placed.start_hanging_up()
        with_leg: Leg | None = None
        try:
            async with asyncio.timeout(2):
                with_leg = await acting
        except HungUp:
            pass
        assert with_leg is None or with_leg.is_taken
        await house.released(call)
