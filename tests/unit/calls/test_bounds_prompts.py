"""How long what plays, records or whispers is waited for, on an Asterisk that never ends it."""

import asyncio

import orjson
import pytest

from callctl.ari.transport import Answer
from callctl.calls import Call, asking, prompts, recording, whisper
from tests.unit.asterisk_double import AsteriskDouble, call_through, until

_SOON = 0.05
_RECORDING = {"name": "m1", "format": "wav", "target_uri": "bridge:b", "state": "recording"}


@pytest.fixture
def asterisk(monkeypatch: pytest.MonkeyPatch) -> AsteriskDouble:
    """One that is looked at soon when it tells nothing."""
    monkeypatch.setattr(asking, "_EVENT_SECONDS_MAX", _SOON)
    monkeypatch.setattr(asking, "_LOOK_SECONDS", _SOON)
    return AsteriskDouble()


@pytest.fixture
async def call(asterisk: AsteriskDouble) -> Call:
    """A caller's call, answered."""
    made = call_through(asterisk)
    await made.answer()
    return made


def _plays(asterisk: AsteriskDouble) -> list[str]:
    return [one for one in asterisk.sent if "/play/" in one]


async def test_music_that_never_ends_is_looked_at_no_longer(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No call is longer: what watches over its music ends, whatever Asterisk says that it plays."""
    monkeypatch.setattr(prompts, "_BACKGROUND_SECONDS_MAX", 2 * _SOON)
    monkeypatch.setattr(prompts, "_LOOK_SECONDS", _SOON)
    await call.start_music("callctl/music", "zh")
    await until(lambda: not call.prompts._loops)
    assert len(_plays(asterisk)) == 1


async def test_music_whose_end_nobody_told_of_begins_again(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asterisk is asked now and then whether it plays."""
    monkeypatch.setattr(prompts, "_LOOK_SECONDS", _SOON)
    monkeypatch.setattr(prompts, "_LIST_SECONDS_MIN", 0.0)
    await call.start_music("callctl/music", "zh")
    asterisk.playing.clear()
    await until(lambda: len(_plays(asterisk)) == 2)
    await call.stop_music()


async def test_music_that_does_not_play_is_not_begun_again_and_again(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that ends as soon as it begins has no sound: Asterisk is not kept busy with it."""
    monkeypatch.setattr(prompts, "_LOOK_SECONDS", 0.01)
    await call.start_music("callctl/music", "zh")
    asterisk.playing.clear()
    await until(lambda: not call.prompts._loops)
    assert len(_plays(asterisk)) == 1


async def test_a_list_of_music_has_a_length(asterisk: AsteriskDouble, call: Call) -> None:
    """However long lines ring: it fits into one command, and ends soon after a dead switch."""
    await call.ring_back("callctl/ringback", 100_000, "zh")
    [play] = _plays(asterisk)
    assert len(orjson.loads(asterisk.bodies[play])["media"]) == 120
    await call.stop_music()


async def test_a_talk_s_recording_has_an_end(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asterisk ends it when no talk can go on any more, should nobody stop it."""
    asked: list[int] = []

    async def record(_bridge_id: str, *, name: str, seconds_max: int) -> None:
        asked.append(seconds_max)

    monkeypatch.setattr(call.ari.bridges, "record", record)
    await call.start_recording("r1")
    assert asked == [14_400]


async def test_a_message_of_before_is_not_waited_for_longer_than_it_may_be(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier run of the switch has begun it, and Asterisk says that it records on and on."""
    monkeypatch.setattr(recording, "_END_SECONDS_MAX", 2 * _SOON)
    told = Answer(200, orjson.dumps(_RECORDING))
    asterisk.fate = lambda command: told if command == "GET recordings/live/m1" else None
    async with asyncio.timeout(5):
        await call.go_on_recording("m1", seconds_max=0)


def _snooped(asterisk: AsteriskDouble, command: str) -> Answer | None:
    """Asterisk makes the channel that whispers, and does not hand it over."""
    *_, verb, name = command.split("/")
    return Answer(200, orjson.dumps(asterisk.channel(name))) if verb == "snoop" else None


async def test_a_whisper_whose_channel_nobody_told_of_is_tried(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be there; one that never ends is ended, else it would live as long as the talk."""
    monkeypatch.setattr(whisper, "_STASIS_SECONDS_MAX", 2 * _SOON)
    monkeypatch.setattr(whisper, "_PROMPT_SECONDS_MAX", 2 * _SOON)
    asterisk.fate = lambda command: _snooped(asterisk, command)
    call.whisper(call.a_leg, "callctl/warning", "zh")
    [snoop] = call.whispers.snoops
    await until(lambda: bool(asterisk.count(f"DELETE channels/{snoop.channel_id}")))
    assert len(_plays(asterisk)) == 1
