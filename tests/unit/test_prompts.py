"""The files in asterisk-conf/sounds: which there are, their form, and what they begin with."""

import wave
from itertools import pairwise
from pathlib import Path

import pytest

from callctl.audio.building import committed
from callctl.audio.catalogue import spoken, unspoken
from callctl.directory.areas import shipped_table
from tests.agents import tones
from tests.agents.prompts import COMMITTED_HZ, PROMPT_HZ
from tests.agents.tones import ALAW, CODECS, FRAME_SAMPLES, FRAME_SECONDS, Ear, Tone
from tests.plugins.asterisk import ROOT

SOUNDS = ROOT / "asterisk-conf" / "sounds"
FINAL_SECONDS_MAX = 2.5
WARNING_SECONDS_MAX = 4.0
PEAK_MAX = 30_000  # of 32767


@pytest.fixture(autouse=True)
def _prompts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listen for the prompts' tones, not for those that other tests speak with too."""
    monkeypatch.setattr(tones, "_known", {})
    for hz in COMMITTED_HZ.values():
        tones.know(hz)


def _file(language: str, name: str) -> Path:
    return SOUNDS / language / "callctl" / f"{name}.wav"


def _samples(path: Path) -> list[int]:
    with wave.open(str(path)) as prompt:
        shape = (prompt.getframerate(), prompt.getsampwidth(), prompt.getnchannels())
        assert shape == (8000, 2, 1)
        samples: list[int] = memoryview(prompt.readframes(prompt.getnframes())).cast("h").tolist()
        return samples


def _heard(path: Path) -> list[Tone]:
    """The tones that a telephone hears of it."""
    pcm = b"".join(sample.to_bytes(2, "little", signed=True) for sample in _samples(path))
    coded = CODECS[ALAW].encode(pcm)
    ear = Ear()
    for start in range(0, len(coded) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        at = start / FRAME_SAMPLES * FRAME_SECONDS
        ear.hear(ALAW, coded[start : start + FRAME_SAMPLES], at=at, sample=start)
    return ear.tones


def test_every_file_is_a_prompt_that_the_tests_know() -> None:
    """The files are those of the table, and lie where Asterisk looks for each language."""
    files = {path for path in SOUNDS.rglob("*") if path.is_file()}
    assert files == {_file(language, name) for language, name in COMMITTED_HZ}
    assert {
        (language, name) for language, names in committed().items() for name in names
    } == COMMITTED_HZ.keys()


def test_no_two_prompts_begin_alike() -> None:
    """The first tones are so far apart that one is not heard for another, also below a voice."""
    for known, apart_hz in ((COMMITTED_HZ, 100), (PROMPT_HZ, 25)):
        apart = [high - low for low, high in pairwise(sorted(known.values()))]
        assert min(apart) >= apart_hz


def test_tones_stand_for_shipped_prompts() -> None:
    """Each tone of the tests takes the place of a prompt that is in the catalogue."""
    shipped = {*unspoken(), *spoken("zh", shipped_table().divisions)}
    assert {name for _, name in PROMPT_HZ} <= shipped


@pytest.mark.parametrize(("language", "name"), COMMITTED_HZ)
def test_prompt_is_known_by_its_first_tone(language: str, name: str) -> None:
    """A prompt begins with its own tone, and nowhere in it is that of another prompt heard."""
    heard = [tone for tone in _heard(_file(language, name)) if tone.seconds >= 0.1]
    assert heard[0].hz == COMMITTED_HZ[language, name]
    assert {tone.hz for tone in heard} & {*COMMITTED_HZ.values()} == {heard[0].hz}


@pytest.mark.parametrize(("language", "name"), COMMITTED_HZ)
def test_prompt_is_loud_and_not_clipped(language: str, name: str) -> None:
    """Every prompt is 8 kHz, 16 bit, mono, at a telephone's level."""
    peak = max(map(abs, _samples(_file(language, name))))
    assert 7_000 < peak < PEAK_MAX


def test_announcements_are_short() -> None:
    """The end is told in the seconds that are left."""
    for language in ("", "zh", "en", "fr"):
        warning, final = (_samples(_file(language, name)) for name in ("warning", "final"))
        assert len(warning) / 8000 <= WARNING_SECONDS_MAX
        assert len(final) / 8000 <= FINAL_SECONDS_MAX
