"""The prompts that are not spoken: signals of pure tones, and the music for those who wait.

Called by audio.building. Each signal's frequency is unlike every other's and, but for ringing,
unlike the network's (450 Hz, 950 Hz), so that a test hears which file was played.
"""

import array
import math
from typing import NamedTuple

from callctl.audio.wav import RATE, Samples, levelled

_LEVEL = 8000  # of 32767: 12 dB below full scale
_EDGE = 40  # samples of fade in and out, against clicks

TONES: dict[str, list[tuple[int, int]]] = {
    # callctl is away: falling pairs, unlike ringing or busy
    "unavailable": [(1000, 300), (800, 500), (0, 400)] * 3,
    # the money ends soon: three short beeps
    "warning": [(1400, 120), (0, 120), (1400, 120), (0, 120), (1400, 120)],
    # the money has ended: one long beep
    "final": [(1250, 900)],
    # a tenant's ringback in the demo: 1 s on, 1 s off
    "ringback-demo": [(620, 1000), (0, 1000)] * 2,
    # speak now
    "beep": [(1125, 400)],
}
"""Name -> (frequency in Hz, 0 for silence; milliseconds), one after the other."""

MUSIC = "hold"
MUSIC_SECONDS = 24
_MUSIC_LEVEL_DB = -22.0  # softer than speech: it is heard for minutes
_NOTE_SECONDS = 2.5
_STEP_SECONDS = 0.375
# A chord a bar of eight steps; semitones above middle C, played one after the other.
_BARS = (
    (0, 7, 12, 16, 19, 16, 12, 7),
    (-3, 4, 9, 12, 16, 12, 9, 4),
    (-7, 5, 9, 12, 17, 12, 9, 5),
    (-5, 2, 7, 11, 14, 11, 7, 2),
    (0, 7, 12, 16, 19, 24, 19, 16),
    (-8, 4, 7, 11, 16, 11, 7, 4),
    (-7, 5, 9, 12, 17, 21, 17, 12),
    (-5, 5, 7, 11, 14, 17, 14, 11),
)
_MIDDLE_C_HZ = 261.63


class _Partial(NamedTuple):
    """One overtone of a note: its multiple, its strength, and the seconds in which it fades."""

    multiple: int
    strength: float
    fade_seconds: float


_PARTIALS = (_Partial(1, 1.0, 0.9), _Partial(2, 0.35, 0.5), _Partial(3, 0.12, 0.3))


def tone(hz: int, milliseconds: int) -> Samples:
    """One stretch of tone (0 Hz: silence), faded at both ends."""
    count = RATE * milliseconds // 1000
    step = 2 * math.pi * hz / RATE
    return array.array(
        "h",
        [
            round(
                _LEVEL
                * min(1.0, index / _EDGE, (count - 1 - index) / _EDGE)
                * math.sin(step * index)
            )
            for index in range(count)
        ],
    )


def signal(name: str) -> Samples:
    """The samples of one of TONES."""
    samples = array.array("h")
    for hz, milliseconds in TONES[name]:
        samples.extend(tone(hz, milliseconds))
    return samples


def music() -> Samples:
    """Broken chords like a soft music box; the end leads into the beginning without a seam."""
    count = MUSIC_SECONDS * RATE
    mixed = [0.0] * count
    notes: dict[int, list[float]] = {}
    semitones = [semitone for bar in _BARS for semitone in bar]
    for index, semitone in enumerate(semitones):
        if semitone not in notes:
            notes[semitone] = _note(_MIDDLE_C_HZ * 2 ** (semitone / 12))
        start = round(index * _STEP_SECONDS * RATE)
        for offset, sample in enumerate(notes[semitone]):
            mixed[(start + offset) % count] += sample
    peak = max(map(abs, mixed))
    samples = array.array("h", [round(_LEVEL * sample / peak) for sample in mixed])
    return levelled(samples, _MUSIC_LEVEL_DB)[0]


def _note(hz: float) -> list[float]:
    """A plucked note: overtones that fade, the higher ones sooner."""
    samples = []
    for index in range(round(_NOTE_SECONDS * RATE)):
        seconds = index / RATE
        attack = min(1.0, index / _EDGE)
        end = min(1.0, (_NOTE_SECONDS - seconds) / 0.2)
        samples.append(
            attack
            * end
            * sum(
                partial.strength
                * math.exp(-seconds / partial.fade_seconds)
                * math.sin(2 * math.pi * hz * partial.multiple * seconds)
                for partial in _PARTIALS
            )
        )
    return samples
