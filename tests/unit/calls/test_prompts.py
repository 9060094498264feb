"""In which order prompts are given to Asterisk, which can't play while an announcer goes away."""

import asyncio

import pytest

from callctl import clock
from callctl.ari.transport import Answer
from callctl.calls import Call, prompts
from callctl.errors import AriRefused
from tests.unit.asterisk_double import AsteriskDouble, call_through, until

_SOON = 0.05
_NOT_YET = Answer(500, b'{"error": "Allocation failed"}')


@pytest.fixture
def asterisk() -> AsteriskDouble:
    """One whose prompts end when a test says so."""
    return AsteriskDouble()


@pytest.fixture
async def call(asterisk: AsteriskDouble) -> Call:
    """A caller's call, answered."""
    made = call_through(asterisk)
    await made.answer()
    asterisk.sent.clear()
    return made


def _commands(asterisk: AsteriskDouble) -> list[tuple[str, str]]:
    """(verb, playback) of each that begins one or stops one."""
    verbs = [(one.split()[0], one.rsplit("/", 1)[1]) for one in asterisk.sent]
    return [one for one in verbs if one[0] != "GET"]


async def _play(asterisk: AsteriskDouble, call: Call, commands: int) -> None:
    """Play a prompt that ends when so many commands have been given for it."""
    begun = len(_commands(asterisk))
    task = asyncio.create_task(call.play("callctl/warning", "zh"))
    await until(lambda: len(_commands(asterisk)) == begun + commands)
    _, prompt = _commands(asterisk)[begun]
    call.finished_playbacks.add(prompt)
    call.wake()
    await task


async def test_a_prompt_and_the_music_after_it_are_there_before_the_music_is_stopped(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """So there is something to play at every moment."""
    await call.start_music("callctl/music", "zh")
    await _play(asterisk, call, 3)
    (_, music), (_, prompt), (_, music_again), stop = _commands(asterisk)
    assert [verb for verb, _ in _commands(asterisk)] == ["POST", "POST", "POST", "DELETE"]
    assert stop == ("DELETE", music)
    assert len({music, prompt, music_again}) == 3
    assert call.prompts.is_on
    await call.stop_music()
    assert _commands(asterisk)[4:] == [("DELETE", music_again)]


async def test_a_ringback_gives_way_to_a_prompt_and_to_the_next_one(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """It does not go on after a prompt; another one is there before it is stopped."""
    await call.ring_back("callctl/one", 5, "zh")
    await call.ring_back("callctl/other", 5, "zh")
    await _play(asterisk, call, 2)
    (_, one), (_, other), first_stop, (_, _), second_stop = _commands(asterisk)
    assert (first_stop, second_stop) == (("DELETE", one), ("DELETE", other))
    assert not call.prompts.is_on


@pytest.mark.parametrize("is_stopped", [False, True])
async def test_what_comes_after_silence_waits_for_its_announcer_to_be_gone(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch, is_stopped: bool
) -> None:
    """Whether the one before has ended by itself or was stopped."""
    monkeypatch.setattr(prompts, "_REST_SECONDS", 0.3)
    if is_stopped:
        await call.start_music("callctl/music", "zh")
        await call.stop_music()
    else:
        await _play(asterisk, call, 1)
    over_at, begun = clock.monotonic(), len(asterisk.sent)
    await call.start_music("callctl/music", "zh")
    assert clock.monotonic() - over_at > 0.2
    assert len(asterisk.sent) == begun + 1
    await call.stop_music()


async def test_what_can_t_be_played_yet_is_begun_by_another_id(
    asterisk: AsteriskDouble, call: Call
) -> None:
    """Asterisk keeps the one as of something to come: a command to it would not reach the music."""
    refusals = 2

    def fate(command: str) -> Answer | None:
        nonlocal refusals
        if "/play/" not in command or not refusals:
            return None
        refusals -= 1
        return _NOT_YET

    asterisk.fate = fate
    await call.start_music("callctl/music", "zh")
    tried = [playback for _, playback in _commands(asterisk)]
    assert len(set(tried)) == 3
    for _ in range(2 * len(tried)):
        await call.start_music("callctl/music", "zh")
    await call.stop_music()
    later = _commands(asterisk)[3:]
    assert not {playback for _, playback in later} & set(tried[:2])
    assert later[-1] == ("DELETE", later[-3][1])


async def test_what_can_never_be_played_is_refused(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asterisk is asked again for a second, and not at all when it says something else."""
    monkeypatch.setattr(prompts, "_BEGIN_SECONDS_MAX", _SOON)
    asterisk.fate = lambda command: _NOT_YET if "/play/" in command else None
    with pytest.raises(AriRefused, match="Allocation failed"):
        await call.play("callctl/warning", "zh")
    assert len(asterisk.sent) > 1

    asterisk.sent.clear()
    asterisk.fate = lambda _: Answer(404, b'{"message": "Bridge not found"}')
    with pytest.raises(AriRefused, match="Bridge not found"):
        await call.play("callctl/warning", "zh")
    assert len(asterisk.sent) == 1
