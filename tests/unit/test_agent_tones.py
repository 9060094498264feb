"""What an agent's ear makes of audio: the third witness of every call is only as good as this."""

import math
import random

import pytest

from tests.agents import tones
from tests.agents.tones import ALAW, CODECS, FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE, ULAW, Ear


def _code(samples: list[float], payload_type: int) -> list[bytes]:
    pcm = b"".join(round(sample).to_bytes(2, "little", signed=True) for sample in samples)
    coded = CODECS[payload_type].encode(pcm)
    return [coded[i : i + FRAME_SAMPLES] for i in range(0, len(coded), FRAME_SAMPLES)]


def _sine(hz: float, seconds: float, peak: float, start: float = 0.0) -> list[float]:
    first = round(start * SAMPLE_RATE)
    count = round(seconds * SAMPLE_RATE)
    step = 2 * math.pi * hz / SAMPLE_RATE
    return [peak * math.sin(step * n) for n in range(first, first + count)]


def _heard(packets: list[bytes], payload_type: int = ALAW) -> Ear:
    ear = Ear()
    for n, packet in enumerate(packets):
        ear.hear(payload_type, packet, at=n * FRAME_SECONDS, sample=n * FRAME_SAMPLES)
    return ear


@pytest.mark.parametrize("payload_type", [ALAW, ULAW])
@pytest.mark.parametrize("hz", [300, 440, 450, 617, 1000, 1400, 2000, 3100])
def test_pure_tone_is_heard_as_its_frequency(hz: int, payload_type: int) -> None:
    """Our own looped frames are one tone of their frequency from first to last."""
    loop = tones.frames(hz, payload_type)
    packets = [loop[n % len(loop)] for n in range(50)]
    (tone,) = _heard(packets, payload_type).tones
    assert (tone.hz, tone.frames) == (hz, 50)


@pytest.mark.parametrize("peak", [500, 2000, 16000])
def test_tone_of_any_level_is_heard_to_five_hertz(peak: int) -> None:
    """A tone nobody announced is told to the nearest 5 Hz, soft or loud."""
    (tone,) = _heard(_code(_sine(1233.0, 0.4, peak), ALAW)).tones
    assert abs(tone.hz - 1233) <= 5


def test_beep_over_a_voice_is_heard_while_the_voice_goes_on() -> None:
    """Both tones of a mixture are heard; the voice is not cut in two by the beep."""
    tones.know(1400)
    tones.know(440)
    voice = _sine(440, 1.0, 8000)
    beep = [0.0] * 2400 + _sine(1400, 0.2, 2500) + [0.0] * 4000
    ear = _heard(_code([a + b for a, b in zip(voice, beep, strict=True)], ALAW))
    heard = {tone.hz: tone for tone in ear.tones}
    assert set(heard) == {440, 1400}
    assert heard[440].seconds == pytest.approx(1.0, abs=0.05)
    assert heard[1400].seconds == pytest.approx(0.2, abs=0.05)
    assert heard[1400].started_at == pytest.approx(0.3, abs=0.03)


def test_cadence_makes_one_tone_a_burst() -> None:
    """On, off, on again: two tones, with the silence between them in their times."""
    samples = _sine(450, 0.4, 8000) + [0.0] * 3200 + _sine(450, 0.2, 8000)
    first, second = _heard(_code(samples, ALAW)).tones
    assert (first.hz, second.hz) == (450, 450)
    assert first.seconds == pytest.approx(0.4, abs=0.03)
    assert second.started_at - first.ended_at == pytest.approx(0.4, abs=0.05)


def test_noise_is_sound_but_no_tone() -> None:
    """Noise, as speech, is told as sound without a frequency; silence is not told at all."""
    noise = random.Random(4001)
    samples = [noise.uniform(-6000, 6000) for _ in range(8000)]
    assert {tone.hz for tone in _heard(_code(samples, ALAW)).tones} == {tones.SOUND}
    assert _heard(_code([0.0] * 8000, ALAW)).tones == []


def test_late_arrival_does_not_cut_a_tone() -> None:
    """When this process is late, the sender's clock says that the tone went on."""
    (packet,) = tones.frames(450, ALAW)
    ear = Ear()
    for n in range(20):
        late_seconds = 0.5 if n >= 10 else 0.0
        at = n * FRAME_SECONDS + late_seconds
        ear.hear(ALAW, packet, at=at, sample=(2**32 - 800 + n * FRAME_SAMPLES) & 0xFFFFFFFF)
    (tone,) = ear.tones
    assert tone.frames == 20
