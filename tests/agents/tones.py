"""Pure tones in G.711: made once, sent in a loop, and heard again frame by frame.

The agents' media streams send these frames and feed what arrives to an `Ear`. In the tests every
voice and prompt has a frequency of its own, so "who was heard, and when" is a list of tones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from operator import mul

from aiortp.codecs.g711 import PcmaCodec, PcmuCodec

SAMPLE_RATE = 8000
FRAME_SAMPLES = 160
FRAME_SECONDS = 0.020
ULAW, ALAW = 0, 8  # static payload types, RFC 3551
CODECS = {ULAW: PcmuCodec(), ALAW: PcmaCodec()}

PEAK = 8000  # a quarter of full scale: two tones and a beep mix without clipping
SILENCE_MEAN_SQUARE = 100 * 100
PURE_RESIDUE = 0.0005  # G.711's own noise leaves less than this
SHARE_OF_A_TONE = 0.02  # a beep 17 dB under the voice it interrupts still counts
SHARE_EXPLAINED = 0.6  # less than this in tones: it is some other sound
NEIGHBOUR_HZ = 100  # half of the Hann window's main lobe in 20 ms
GAP_SECONDS = 0.12  # a longer pause ends a tone; shorter ones are a late scheduler
SOUND = 0  # stands for the frequency of a sound that is not made of tones


@dataclass(slots=True)
class Tone:
    """One stretch of one frequency; `hz` is 0 for sound that is no tone. Times are monotonic.

    `last_sample` is the RTP timestamp of its last frame.
    """

    hz: int
    started_at: float
    ended_at: float
    frames: int
    last_sample: int

    @property
    def seconds(self) -> float:
        """How much of it was heard, counted in frames and so blind to jitter."""
        return self.frames * FRAME_SECONDS


# Frequencies somebody in this process speaks or waits for: those a mixture is searched for.
_known: dict[int, tuple[list[float], list[float]]] = {}


def know(hz: int) -> None:
    """Search mixtures for this frequency too from now on."""
    if hz not in _known:
        _known[hz] = _probe(hz)
        _listen.cache_clear()


@lru_cache(maxsize=256)
def _probe(hz: int) -> tuple[list[float], list[float]]:
    """Cosine and sine under a Hann window: one Goertzel bin as two scalar products."""
    turn = 2 * math.pi / FRAME_SAMPLES
    window = [0.5 - 0.5 * math.cos(turn * n) for n in range(FRAME_SAMPLES)]
    angles = [2 * math.pi * hz * n / SAMPLE_RATE for n in range(FRAME_SAMPLES)]
    return (
        [w * math.cos(a) for w, a in zip(window, angles, strict=True)],
        [w * math.sin(a) for w, a in zip(window, angles, strict=True)],
    )


@lru_cache(maxsize=128)
def frames(hz: int, payload_type: int) -> tuple[bytes, ...]:
    """The 20 ms frames of a tone (silence for 0 Hz) that loop without a click."""
    if hz:
        know(hz)
    count = 50 // math.gcd(hz, 50)
    step = 2 * math.pi * hz / SAMPLE_RATE
    samples = [round(PEAK * math.sin(step * n)) for n in range(count * FRAME_SAMPLES)]
    pcm = b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
    coded = CODECS[payload_type].encode(pcm)
    return tuple(coded[i : i + FRAME_SAMPLES] for i in range(0, len(coded), FRAME_SAMPLES))


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    total: float = sum(map(mul, a, b))
    return total


@lru_cache(maxsize=8192)
def _listen(payload_type: int, frame: bytes) -> tuple[int, ...]:
    """The frequencies in one frame. Cached: a tone passed on unchanged repeats its bytes."""
    x = memoryview(CODECS[payload_type].decode(frame)).cast("h").tolist()
    energy = _dot(x, x)
    if energy < SILENCE_MEAN_SQUARE * FRAME_SAMPLES:
        return ()
    hz, residue = _one_tone(x)
    if residue < PURE_RESIDUE:
        return (hz,)
    return _mixture(x, energy / FRAME_SAMPLES, hz)


def _one_tone(x: list[int]) -> tuple[int, float]:
    """The best single frequency by least squares, and how badly it fits.

    A sine of angular step w obeys x[n+1] + x[n-1] = 2 cos(w) x[n], which finds any frequency
    to about a hertz in 20 ms, where a Goertzel bin is 50 Hz wide.
    """
    middle = x[1:-1]
    both = [before + after for before, after in zip(x, islice(x, 2, None), strict=False)]
    power = _dot(middle, middle) or 1
    cross = _dot(middle, both)
    cosine = max(-1.0, min(1.0, cross / power / 2))
    residue = (_dot(both, both) - cross * cross / power) / (4 * power)
    return _snap(math.acos(cosine) * SAMPLE_RATE / (2 * math.pi)), residue


def _snap(hz: float) -> int:
    nearest = min(_known, key=lambda known: abs(known - hz), default=0)
    return nearest if abs(nearest - hz) < 5 else 5 * round(hz / 5)


def _mixture(x: list[int], mean_square: float, guess_hz: int) -> tuple[int, ...]:
    """The known frequencies that carry the frame, strongest first; SOUND if none do."""
    window_sum = FRAME_SAMPLES / 2
    shares: dict[int, float] = {}
    for hz in {*_known, guess_hz}:
        cosine, sine = _known.get(hz) or _probe(hz)
        amplitude = 2 * math.hypot(_dot(x, cosine), _dot(x, sine)) / window_sum
        shares[hz] = amplitude * amplitude / 2 / mean_square
    heard: list[int] = []
    for hz in sorted(shares, key=shares.__getitem__, reverse=True):
        apart = all(abs(hz - other) >= NEIGHBOUR_HZ for other in heard)
        if shares[hz] >= SHARE_OF_A_TONE and apart:
            heard.append(hz)
    explained = sum(shares[hz] for hz in heard)
    return tuple(heard) if explained >= SHARE_EXPLAINED else (SOUND,)


class Ear:
    """Turns the frames of one stream into the list of tones it carried."""

    def __init__(self) -> None:
        self.tones: list[Tone] = []
        self._latest: dict[int, Tone] = {}
        self._candidates: dict[int, Tone] = {}

    def hear(self, payload_type: int, payload: bytes, *, at: float, sample: int) -> None:
        """Take the audio of one RTP packet: its arrival (monotonic) and its RTP timestamp."""
        for start in range(0, len(payload) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            for hz in _listen(payload_type, payload[start : start + FRAME_SAMPLES]):
                self._note(hz, at, sample + start)

    def _note(self, hz: int, at: float, sample: int) -> None:
        if _goes_on(self._latest.get(hz), at, sample):
            return
        # One frame alone may be the edge of something else: two make a tone.
        candidate = self._candidates.pop(hz, None)
        if candidate is not None and _goes_on(candidate, at, sample):
            self._latest[hz] = candidate
            self.tones.append(candidate)
        else:
            self._candidates[hz] = Tone(hz, at, at, frames=1, last_sample=sample)


def _goes_on(tone: Tone | None, at: float, sample: int) -> bool:
    """Lengthen the tone by a frame if it follows closely, by the sender's clock or by ours.

    The sender's clock is right when this process was late; ours when the stream was replaced.
    """
    if tone is None:
        return False
    samples_since = (sample - tone.last_sample) & 0xFFFFFFFF
    if at - tone.ended_at > GAP_SECONDS and samples_since > GAP_SECONDS * SAMPLE_RATE:
        return False
    tone.ended_at = at
    tone.frames += 1
    tone.last_sample = sample
    return True
