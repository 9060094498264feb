"""What the prompts begin with, by which a test knows them when heard.

The files of asterisk-conf/sounds begin with tones of their own. The spoken prompts are not built
for tests: the session's Asterisk gets a pure tone in place of each that a test may listen for,
the same in every language (`write_tones`). A tenant's own audio is a tone too: `tone_wav`, given to
callctl.audio.add_audio.
"""

import array
import math
from pathlib import Path

from callctl.audio.wav import to_wav, write_file
from tests.agents.tones import PEAK, SAMPLE_RATE, know

COMMITTED_HZ: dict[tuple[str, str], int] = {
    ("", "unavailable"): 1000,
    ("", "ringback-demo"): 620,
    ("", "warning"): 1400,
    ("", "final"): 1250,
    ("zh", "warning"): 1550,
    ("zh", "final"): 1700,
    ("en", "warning"): 1850,
    ("en", "final"): 2000,
    ("fr", "warning"): 2200,
    ("fr", "final"): 2350,
}
"""Of asterisk-conf/sounds: so far apart that one is heard below a voice. Language "": any other."""

_TONES = (
    *("closed", "refused", "busy", "nobody-free", "queue-full", "wrong-key", "invalid-extension"),
    *("leave-a-message", "beep", "message-saved", "callback-promised", "call-for", "from"),
    *("number-opened", "number-closed", "number-on-schedule", "code-refused", "hold"),
    *("press/1", "press/5", "place/1", "place/2", "place/3", "place/4", "place/5", "place/many"),
    *("wait/0", "wait/1", "wait/2", "wait/3", "wait/5", "wait/long"),
    *(f"digit/{digit}" for digit in range(10)),
    *("area/110000", "area/310000", "area/440000", "area/440100", "area/440300"),
    *("callback-refused", "callback-for", "caller-unreached"),
)
_FIRST_HZ, _STEP_HZ = 2450, 25
_TONE_SECONDS = 0.4
_LONGER_SECONDS = {"hold": 2.0, "leave-a-message": 1.0, "closed": 1.0, "refused": 1.0}

PROMPT_HZ: dict[tuple[str, str], int] = COMMITTED_HZ | {
    ("", name): _FIRST_HZ + _STEP_HZ * index for index, name in enumerate(_TONES)
}
"""(language, name) -> frequency of the first tone in Hz."""

for _hz in COMMITTED_HZ.values():
    know(_hz)  # a prompt may sound into somebody's voice


def tone_wav(hz: int, seconds: float = _TONE_SECONDS) -> bytes:
    """A WAV of one tone as loud as the agents' voices; at least 0.2 s are heard for sure."""
    step = 2 * math.pi * hz / SAMPLE_RATE
    count = round(seconds * SAMPLE_RATE)
    return to_wav(array.array("h", [round(PEAK * math.sin(step * n)) for n in range(count)]))


def write_tones(folder: Path) -> None:
    """Put the tones of PROMPT_HZ that are not committed where Asterisk takes built prompts from."""
    for name in _TONES:
        wav = tone_wav(PROMPT_HZ["", name], _LONGER_SECONDS.get(name, _TONE_SECONDS))
        write_file(folder / "callctl" / f"{name}.wav", wav)
