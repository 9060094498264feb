"""Write the three tone files of asterisk-conf/sounds; run by hand when a tone should change.

    python3 deploy/asterisk/make_tones.py asterisk-conf/sounds

8 kHz, 16 bit, mono WAV. Each is made of pure tones unlike any of the network's (450 Hz, 950 Hz),
so that a test hears which file was played from its frequency.
"""

import array
import math
import sys
import wave
from pathlib import Path

RATE = 8000
LEVEL = 8000  # of 32767: about -12 dBm0, like network tones
EDGE = 40  # samples of fade in and out, against clicks

# name -> (frequency in Hz, 0 for silence; milliseconds), one after the other
TONES: dict[str, list[tuple[int, int]]] = {
    # callctl is away: falling pairs, unlike ringing or busy
    "unavailable": [(1000, 300), (800, 500), (0, 400)] * 3,
    # the money ends soon: three short beeps
    "warning": [(1400, 120), (0, 120), (1400, 120), (0, 120), (1400, 120)],
    # a tenant's ringback in the demo: 1 s on, 1 s off
    "ringback-demo": [(620, 1000), (0, 1000)] * 2,
}


def samples(frequency: int, milliseconds: int) -> list[int]:
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


def write(path: Path, stretches: list[tuple[int, int]]) -> None:
    """Write one WAV file."""
    data = array.array("h")
    for frequency, milliseconds in stretches:
        data.extend(samples(frequency, milliseconds))
    if sys.byteorder == "big":
        data.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data.tobytes())


def main() -> None:
    """Write every tone into the folder named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, stretches in TONES.items():
        write(folder / f"{name}.wav", stretches)


if __name__ == "__main__":
    main()
