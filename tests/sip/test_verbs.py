"""The verbs of a call that speak to the caller, on the real Asterisk."""

import asyncio
import wave
from collections.abc import AsyncIterator

import pytest

from callctl import clock
from callctl.ari.bridges import Bridges
from callctl.calls import Call, prompts
from callctl.calls.leg import DIGITS_MAX
from callctl.errors import AriRefused, HungUp
from callctl.stack.asterisk import Asterisk
from callctl.values.hangup import HangupCause
from tests.agents import Answers
from tests.agents.prompts import PROMPT_HZ
from tests.agents.tones import CODECS, FRAME_SAMPLES, ULAW, Ear

from .answered import holds
from .verbs import FINAL, LANGUAGE, LINES, MUSIC, WARNING, Act, House, line, opened

WARNING_HZ, FINAL_HZ = PROMPT_HZ[LANGUAGE, "warning"], PROMPT_HZ[LANGUAGE, "final"]
MUSIC_HZ = PROMPT_HZ["", "ringback-demo"]


@pytest.fixture
async def house(asterisk: Asterisk) -> AsyncIterator[House]:
    """Telephones and calls around the session's Asterisk."""
    async with opened(asterisk) as house:
        yield house


async def test_a_key_ends_the_prompt_and_waits_to_be_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A digit of stop_keys ends a list of prompts at once; others do not, and all are read."""
    call, placed = await house.answered()
    playing = asyncio.create_task(call.play([WARNING, FINAL], LANGUAGE, stop_keys="12"))
    await placed.hears(WARNING_HZ)
    await placed.send_dtmf("5")
    assert not playing.done()
    await placed.send_dtmf("1")
    async with asyncio.timeout(0.5):  # the two prompts take five seconds
        await playing
    digits = await call.read_digits(digits_max=2, first_seconds=0.1, between_seconds=0.1)
    assert digits == "51"

    await placed.send_dtmf("2")
    with monkeypatch.context() as patch:
        patch.delattr(Bridges, "play")  # nothing is begun
        await call.play(WARNING, LANGUAGE, stop_keys="12")
    await house.released(call)
    assert not placed.heard(FINAL_HZ)


async def test_digits_are_read_to_their_number_a_pause_or_a_hash(house: House) -> None:
    """As many as wanted, or until a pause, or until # after at least one; none is ""."""
    call, placed = await house.answered()

    async def read(digits_max: int) -> str:
        return await call.read_digits(digits_max=digits_max, first_seconds=0.3, between_seconds=0.3)

    assert await read(4) == ""
    await placed.send_dtmf("80017")
    assert await read(4) == "8001"
    assert await read(4) == "7"
    await placed.send_dtmf("12#")
    assert await read(4) == "12"
    await placed.send_dtmf("#")
    assert await read(1) == "#"
    await placed.send_dtmf("9")
    call.clear_digits()
    assert await read(1) == ""
    await house.released(call)


async def test_a_flood_of_digits_is_bounded(house: House) -> None:
    """Of 200 digits as fast as can be the first 32 wait, others are counted; the call lives."""
    call, placed = await house.answered()
    leg = call.a_leg
    await placed.send_dtmf("7" * 200, is_flood=True)
    assert await call.until(lambda: len(leg.digits) + leg.dropped_digits >= 200, 30)
    assert len(leg.digits) == DIGITS_MAX
    assert leg.dropped_digits >= 200 - DIGITS_MAX
    assert await call.read_digits(digits_max=3, first_seconds=1, between_seconds=1) == "777"
    call.clear_digits()
    playing = asyncio.create_task(call.play(FINAL, LANGUAGE))
    await placed.hears(FINAL_HZ)
    await playing
    await house.released(call)


async def test_an_early_prompt_is_heard_unanswered_and_refused_after(house: House) -> None:
    """A message that answers nothing is heard to its end, then the caller is refused."""
    call, placed = await house.call()
    await call.play_early(FINAL, LANGUAGE)
    assert placed.heard(FINAL_HZ), placed.told()
    await call.reject(HangupCause.REJECTED)
    outcome = await placed.ended()
    assert (outcome.status, outcome.cause) == (403, 21)
    assert placed.answered_at is None
    await house.released(call)


async def test_a_ringback_stops_for_the_answer_and_for_prompts(house: House) -> None:
    """An unanswered caller's ringback holds up neither an early message nor the answer."""
    call, placed = await house.call()
    await call.ring_back(MUSIC, 60, LANGUAGE)
    await placed.hears(MUSIC_HZ)
    async with asyncio.timeout(4):
        await call.play_early(FINAL, LANGUAGE)
    await call.ring_back(MUSIC, 60, LANGUAGE)
    await placed.hears(MUSIC_HZ, since=clock.monotonic())
    async with asyncio.timeout(0.5):
        await call.answer()
    await placed.answered()
    assert placed.heard(FINAL_HZ)
    await house.released(call)


async def test_music_goes_on_after_a_prompt_and_after_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Music stops for a prompt, begins again after it and whenever it ends, until stopped."""
    monkeypatch.setattr(prompts, "_REPEATS_MAX", 1)  # an end every four seconds
    call, placed = await house.answered()
    await call.start_music(MUSIC, LANGUAGE)
    first = await placed.hears(MUSIC_HZ)
    await call.play(FINAL, LANGUAGE)
    told = placed.heard(FINAL_HZ)[0]
    assert first.ended_at <= told.started_at
    again_at = clock.monotonic()
    await placed.hears(MUSIC_HZ, since=again_at)
    await placed.hears(MUSIC_HZ, since=again_at + 5, seconds=7)
    await call.stop_music()
    playing = asyncio.create_task(call.play(WARNING, LANGUAGE))
    await placed.hears(WARNING_HZ, seconds=1)
    await placed.send_dtmf("1")
    await playing
    assert placed.heard(MUSIC_HZ)[-1].ended_at <= placed.heard(WARNING_HZ)[0].started_at + 0.1
    await house.released(call)


async def test_music_that_is_not_there_does_not_turn_in_a_circle(house: House) -> None:
    """A prompt without a file ends at once and is not begun for ever."""
    call, _ = await house.answered()
    await call.start_music("callctl/no-such-prompt", LANGUAGE)
    assert await call.until(lambda: bool(call.finished_playbacks), 2)
    await call.read_digits(digits_max=1, first_seconds=0.4, between_seconds=1)
    assert call.prompts._begun == 1
    await house.released(call)


async def test_the_next_run_of_the_switch_stops_the_music_of_the_last(house: House) -> None:
    """Music plays on without its switch; a call taken up can stop it and begin its own."""
    call, placed = await house.answered()
    await call.start_music(MUSIC, LANGUAGE)
    await placed.hears(MUSIC_HZ)
    next_call = Call(call.call_id, call.a_leg, call.dialled, call.caller, house.ari, call.register)
    house.register(call.a_leg.channel_id, next_call, call.a_leg)
    next_call.bridge.take_up([call.a_leg])
    next_call.prompts.inherit()
    async with asyncio.timeout(4):
        await next_call.play(FINAL, LANGUAGE)
    told = placed.heard(FINAL_HZ)[0]
    assert placed.heard(MUSIC_HZ)[0].ended_at <= told.started_at
    await house.released(next_call)


def _frequencies(path: str) -> set[int]:
    """The tones of at least 100 ms in a WAV file."""
    ear = Ear()
    with wave.open(path) as recording:
        assert (recording.getframerate(), recording.getsampwidth()) == (8000, 2)
        pcm = recording.readframes(recording.getnframes())
    step = FRAME_SAMPLES * 2
    for number in range(len(pcm) // step):
        frame = CODECS[ULAW].encode(pcm[number * step : (number + 1) * step])
        ear.hear(ULAW, frame, at=number * 0.02, sample=number * FRAME_SAMPLES)
    return {tone.hz for tone in ear.tones if tone.seconds >= 0.1}


async def test_a_talk_is_recorded_with_both_voices(house: House) -> None:
    """The file has caller and line, its length is told, and no name is used twice."""
    house.carrier.line(LINES[0], Answers(voice_hz=470))
    call, placed = await house.call()
    leg = await call.dial(line(LINES[0]))
    await call.connect(leg)
    name = f"{call.call_id}"
    await call.start_recording(name)
    path = house.asterisk.recordings_path / f"{name}.wav"
    await placed.hears(470, lasting=1.5)
    await holds(path, 1.2)
    seconds = await call.stop_recording()
    assert seconds is not None
    assert 1 <= seconds <= 3
    with pytest.raises(AriRefused, match="already exists"):
        await call.start_recording(name)
    await house.released(call)
    assert {470, 700} <= _frequencies(str(path))


async def test_a_recording_ends_with_the_talk(house: House) -> None:
    """When both are gone the recording has ended by itself, and its length is known."""
    house.carrier.line(LINES[0], Answers(voice_hz=470))
    call, placed = await house.call()
    await call.connect(await call.dial(line(LINES[0])))
    await call.start_recording(f"{call.call_id}")
    await holds(house.asterisk.recordings_path / f"{call.call_id}.wav", 1.2)
    await placed.hang_up()
    await call.release()
    assert await call.stop_recording() in {1, 2}
    await house.nothing_left()


@pytest.mark.parametrize("end", ["key", "silence", "limit", "hang_up"])
async def test_a_message_ends_by(house: House, end: str) -> None:
    """A message ends by #, by silence, at its limit or with the caller, and its length is told."""
    call, placed = await house.answered()
    recording = asyncio.create_task(
        call.record_message(
            f"{call.call_id}", seconds_max=3 if end == "limit" else 30, silence_seconds=2
        )
    )
    path = house.asterisk.recordings_path / f"{call.call_id}.wav"
    if end != "limit":
        await holds(path, 0.5)  # the caller speaks meanwhile
    if end == "key":
        await placed.send_dtmf("#")
    elif end == "silence":
        placed.media.speak(0)
    elif end == "hang_up":
        await placed.hang_up()
    async with asyncio.timeout(6):
        seconds = await recording
    assert 0 <= seconds <= 5
    assert 700 in _frequencies(str(path))
    assert not call.a_leg.digits
    await house.released(call)


async def _menu(call: Call) -> None:
    await call.answer()
    await call.play(WARNING, LANGUAGE)


async def _reading(call: Call) -> None:
    await call.answer()
    await call.read_digits(digits_max=1, first_seconds=60, between_seconds=60)


async def _early(call: Call) -> None:
    await call.play_early([WARNING] * 5, LANGUAGE)


async def _music(call: Call) -> None:
    await call.answer()
    await call.start_music(MUSIC, LANGUAGE)
    await call.play([WARNING] * 5, LANGUAGE)


async def _message(call: Call) -> None:
    await call.answer()
    await call.record_message(f"{call.call_id}", seconds_max=60, silence_seconds=60)
    await call.play(FINAL, LANGUAGE)


@pytest.mark.parametrize("act", [_menu, _reading, _early, _music, _message])
async def test_the_caller_goes_in_the_middle(house: House, act: Act) -> None:
    """Whatever goes on, a caller who hangs up ends it at once, and nothing is left over."""
    call, placed = await house.call()
    acting = asyncio.ensure_future(act(call))
    if act is _early:
        await placed.early_media()
    else:
        await placed.answered()
    await placed.hang_up()
    with pytest.raises(HungUp):
        async with asyncio.timeout(1.5):
            await acting
    await house.released(call)
