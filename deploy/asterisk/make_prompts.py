"""Write the prompts of asterisk-conf/sounds; run by hand when one of them should change.

    python3 -m venv var/speech
    var/speech/bin/pip install espeakng-loader==0.2.4
    var/speech/bin/python deploy/asterisk/make_prompts.py asterisk-conf/sounds

espeakng-loader brings espeak-ng 1.52; Debian 12's own, 1.51, reads Chinese as English. The files
are 8 kHz, 16 bit, mono WAV. callctl/ holds what is played in any language, LANGUAGE/callctl/ what
Asterisk plays instead in that language. Each prompt is made of, or begins with, pure tones unlike
the network's (450 Hz, 950 Hz): a test hears from the frequency which file was played.
"""

import array
import ctypes
import importlib
import math
import sys
import wave
from collections.abc import Sequence
from operator import mul
from pathlib import Path
from typing import NamedTuple

RATE = 8000
LEVEL = 8000  # of 32767: 12 dB below full scale
EDGE = 40  # samples of fade in and out, against clicks

# name -> (frequency in Hz, 0 for silence; milliseconds), one after the other
TONES: dict[str, list[tuple[int, int]]] = {
    # callctl is away: falling pairs, unlike ringing or busy
    "unavailable": [(1000, 300), (800, 500), (0, 400)] * 3,
    # the money ends soon: three short beeps
    "warning": [(1400, 120), (0, 120), (1400, 120), (0, 120), (1400, 120)],
    # the money has ended: one long beep
    "final": [(1250, 900)],
    # a tenant's ringback in the demo: 1 s on, 1 s off
    "ringback-demo": [(620, 1000), (0, 1000)] * 2,
}


class Voice(NamedTuple):
    """A voice of espeak-ng and its speed."""

    name: str
    words_per_minute: int


VOICES = {"zh": Voice("cmn", 200), "en": Voice("en-us", 190), "fr": Voice("fr", 180)}

# language, name -> frequency of the tone before the words, the words
WORDS: dict[tuple[str, str], tuple[int, str]] = {
    ("zh", "warning"): (1550, "您的余额不足，通话即将结束。"),
    ("zh", "final"): (1700, "您的余额已用完。"),
    ("en", "warning"): (1850, "Your account is almost empty. This call will end soon."),
    ("en", "final"): (2000, "Your balance is used up."),
    ("fr", "warning"): (2200, "Votre crédit est presque épuisé. L'appel va se terminer."),
    ("fr", "final"): (2350, "Votre crédit est épuisé."),
}
ATTENTION_MILLISECONDS = 400
PAUSE_MILLISECONDS = 100

FRAME = RATE // 50
QUIET = 0.05  # a frame softer than this part of the loudest is a pause
PEAK_MAX = 28000  # well below full scale: a codec adds to it

# The filter that makes RATE of espeak-ng's rate: half at CUT_HZ, nothing above RATE / 2.
CUT_HZ = 3700
HALF_WIDTH = 100  # samples of the source
KAISER_BETA = 8.0

# of espeak-ng's speak_lib.h
SYNCHRONOUS = 2
CHARACTERS_UTF8 = 1
PARAMETER_RATE, PARAMETER_VOLUME = 1, 2
VOLUME_PERCENT = 50  # far from its own clipping; the level is set afterwards
Gatherer = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def tone(frequency: int, milliseconds: int) -> list[int]:
    """One stretch of tone, faded at both ends."""
    count = RATE * milliseconds // 1000
    return [
        round(
            LEVEL
            * min(1.0, index / EDGE, (count - 1 - index) / EDGE)
            * math.sin(2 * math.pi * frequency * index / RATE)
        )
        for index in range(count)
    ]


class Speaker:
    """The library espeak-ng: turns words into samples."""

    def __init__(self) -> None:
        loader = importlib.import_module("espeakng_loader")
        self._library = ctypes.CDLL(loader.get_library_path())
        self._rate: int = self._library.espeak_Initialize(
            SYNCHRONOUS, 0, loader.get_data_path().encode(), 0
        )
        self._library.espeak_SetParameter(PARAMETER_VOLUME, VOLUME_PERCENT, 0)
        self._spoken: list[int] = []
        self._gatherer = Gatherer(self._gather)  # kept: the library does not
        self._library.espeak_SetSynthCallback(self._gatherer)

    def say(self, voice: Voice, text: str) -> list[int]:
        """The words at RATE, as loud as the tones, without silence before and after."""
        self._spoken = []
        data = text.encode() + b"\0"
        steps = (
            self._library.espeak_SetVoiceByName(voice.name.encode()),
            self._library.espeak_SetParameter(PARAMETER_RATE, voice.words_per_minute, 0),
            self._library.espeak_Synth(data, len(data), 0, 1, 0, CHARACTERS_UTF8, None, None),
        )
        if any(steps) or not self._spoken:
            sys.exit(f"espeak-ng cannot say {text!r} with the voice {voice.name}: {steps}")
        return as_loud_as_a_tone(trimmed(resampled(self._spoken, self._rate)))

    def _gather(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if samples and count > 0:
            self._spoken.extend(samples[:count])
        return 0


def resampled(samples: Sequence[int], rate: int) -> list[float]:
    """The samples at RATE: a windowed sinc, computed once for each phase between the rates."""
    common = math.gcd(rate, RATE)
    step, phases = rate // common, RATE // common
    kernels = [kernel(phase / phases, rate) for phase in range(phases)]
    padded = [0] * HALF_WIDTH + list(samples) + [0] * HALF_WIDTH
    made = []
    for index in range(len(samples) * phases // step):
        start, phase = divmod(index * step, phases)
        made.append(sum(map(mul, padded[start : start + 2 * HALF_WIDTH], kernels[phase])))
    return made


def kernel(offset: float, rate: int) -> list[float]:
    """The weights around a moment `offset` after a sample of the source."""
    weights = []
    for index in range(2 * HALF_WIDTH):
        distance = index - HALF_WIDTH - offset
        angle = 2 * math.pi * CUT_HZ / rate * distance
        sinc = math.sin(angle) / angle if angle else 1.0
        inside = max(0.0, 1 - (distance / HALF_WIDTH) ** 2)
        weights.append(sinc * bessel(KAISER_BETA * math.sqrt(inside)))
    total = sum(weights)
    return [weight / total for weight in weights]


def bessel(x: float) -> float:
    """The modified Bessel function of order 0, of Kaiser's window."""
    term = total = 1.0
    for order in range(1, 40):
        term *= (x / 2 / order) ** 2
        total += term
    return total


def loudness(samples: Sequence[float]) -> list[float]:
    """The root mean square of each 20 ms."""
    frames = [samples[start : start + FRAME] for start in range(0, len(samples), FRAME)]
    return [math.sqrt(sum(map(mul, frame, frame)) / len(frame)) for frame in frames]


def trimmed(samples: list[float]) -> list[float]:
    """The samples from the first frame that is heard to the last."""
    levels = loudness(samples)
    heard = [index for index, level in enumerate(levels) if level > QUIET * max(levels)]
    return samples[heard[0] * FRAME : (heard[-1] + 1) * FRAME]


def as_loud_as_a_tone(samples: list[float]) -> list[int]:
    """The samples with the mean power of a tone of LEVEL while they are heard, or what fits."""
    levels = loudness(samples)
    heard = [level * level for level in levels if level > QUIET * max(levels)]
    gain = LEVEL / math.sqrt(2) / math.sqrt(sum(heard) / len(heard))
    gain = min(gain, PEAK_MAX / max(map(abs, samples)))
    return [round(gain * sample) for sample in samples]


def write(path: Path, samples: Sequence[int]) -> None:
    """Write one WAV file, and say how long it is."""
    data = array.array("h", samples)
    if sys.byteorder == "big":
        data.byteswap()
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data.tobytes())
    sys.stdout.write(f"{path}: {len(samples) / RATE:.2f} s\n")


def main() -> None:
    """Write every prompt into the folder named on the command line."""
    folder = Path(sys.argv[1])
    for name, stretches in TONES.items():
        samples = [sample for stretch in stretches for sample in tone(*stretch)]
        write(folder / "callctl" / f"{name}.wav", samples)
    speaker = Speaker()
    for (language, name), (frequency, text) in WORDS.items():
        attention = tone(frequency, ATTENTION_MILLISECONDS) + tone(0, PAUSE_MILLISECONDS)
        samples = attention + speaker.say(VOICES[language], text)
        write(folder / language / "callctl" / f"{name}.wav", samples)


if __name__ == "__main__":
    main()
