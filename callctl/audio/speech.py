"""Text to speech by espeak-ng, brought to 8 kHz by sox; called by audio.building.

The library is loaded into this process (espeakng-loader brings espeak-ng 1.52; Debian 12's own,
1.51, reads Chinese as English). All texts of a language go through one run of sox.
"""

import ctypes
import importlib
import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from callctl.audio.sox import run_sox
from callctl.audio.wav import RATE, Samples, from_raw, levelled, trimmed
from callctl.errors import StackFailed, ToolMissing

_PAUSE_SECONDS = 0.1  # between two texts, so that no filter mixes them


class Voice(NamedTuple):
    """A voice of espeak-ng and its speed."""

    name: str
    words_per_minute: int


VOICES = {"zh": Voice("cmn", 200), "en": Voice("en-us", 180), "fr": Voice("fr", 170)}

# of espeak-ng's speak_lib.h
_SYNCHRONOUS = 2
_CHARACTERS_UTF8 = 1
_RATE, _VOLUME = 1, 2
_VOLUME_PERCENT = 50  # far from its own clipping; the level is set afterwards
_Gatherer = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


@cache
def speaker() -> "Speaker":
    """The only one of this process: the library cannot be started twice. Raises as Speaker."""
    return Speaker()


class Speaker:
    """The library espeak-ng: turns words into samples; see `speaker`.

    Raises ToolMissing when it is not installed, StackFailed when it does not start.
    """

    def __init__(self) -> None:
        try:
            loader = importlib.import_module("espeakng_loader")
        except ImportError as error:
            raise ToolMissing(
                "espeakng-loader is not installed: run make setup, or pip install 'callctl[speech]'"
            ) from error
        self._library = ctypes.CDLL(loader.get_library_path())
        data_path = loader.get_data_path().encode()
        self._rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data_path, 0)
        if self._rate <= 0:
            raise StackFailed("espeak-ng does not start: install espeakng-loader again")
        self._library.espeak_SetParameter(_VOLUME, _VOLUME_PERCENT, 0)
        self._spoken: list[bytes] = []
        self._gatherer = _Gatherer(self._gather)  # kept: the library does not
        self._library.espeak_SetSynthCallback(self._gatherer)

    def say(self, voice: Voice, texts: Sequence[str]) -> list[Samples]:
        """Each text at RATE, as loud as any other, without silence before and after.

        Raises StackFailed when the voice cannot say a text, ToolMissing without sox.
        """
        # Whole multiples of the two rates' common step: each text's place in the output is exact.
        step = self._rate // math.gcd(self._rate, RATE)
        pause = math.ceil(_PAUSE_SECONDS * self._rate / step) * step
        raw, places = bytearray(), []
        for text in texts:
            spoken = self._say_raw(voice, text)
            count = math.ceil(len(spoken) / 2 / step) * step + pause
            begin = len(raw) // 2
            raw += spoken + bytes(2 * count - len(spoken))
            places.append((begin * RATE // self._rate, (begin + count) * RATE // self._rate))
        form = ("-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-L")
        told = (*form, "-r", str(self._rate), "-", *form, "-r", str(RATE), "-", "rate", "-h")
        samples = from_raw(run_sox(told, bytes(raw)))
        return [levelled(trimmed(samples[begin:end]))[0] for begin, end in places]

    def _say_raw(self, voice: Voice, text: str) -> bytes:
        """The words at espeak-ng's own rate, 16 bit little-endian."""
        self._spoken.clear()
        data = text.encode() + b"\0"
        steps = (
            self._library.espeak_SetVoiceByName(voice.name.encode()),
            self._library.espeak_SetParameter(_RATE, voice.words_per_minute, 0),
            self._library.espeak_Synth(data, len(data), 0, 1, 0, _CHARACTERS_UTF8, None, None),
        )
        spoken = b"".join(self._spoken)
        if any(steps) or not any(spoken):
            raise StackFailed(f"espeak-ng cannot say {text!r} with the voice {voice.name}: {steps}")
        return spoken

    def _gather(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._spoken.append(ctypes.string_at(samples, 2 * count))
        return 0
