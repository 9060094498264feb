"""8 kHz, 16 bit, mono WAV: the one form in which Asterisk gets audio; used within this package."""

import array
import io
import math
import os
import sys
import tempfile
import wave
from collections.abc import Sequence
from operator import mul
from pathlib import Path
from typing import TypeAlias

from callctl.errors import InvalidInput

RATE = 8000
FULL_SCALE = 32768
PEAK_MAX = 28_000  # well below full scale: a codec adds to it
LEVEL_DB = -20.0  # of full scale, while something is heard: what speech allows without clipping
FRAME = RATE // 50
_QUIET = 0.05  # a frame softer than this part of the loudest is a pause

Samples: TypeAlias = "array.array[int]"


def samples_of(wav: bytes) -> Samples:
    """The samples of a WAV of ours; raises InvalidInput when it has another form."""
    try:
        with wave.open(io.BytesIO(wav)) as file:
            form = (file.getframerate(), file.getsampwidth(), file.getnchannels())
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise InvalidInput(f"this is no WAV: {error}") from error
    if form != (RATE, 2, 1):
        raise InvalidInput(f"this WAV is not 8 kHz, 16 bit, mono but {form}")
    return from_raw(data)


def from_raw(data: bytes) -> Samples:
    """Samples of little-endian bytes; half a sample at the end is dropped."""
    samples = array.array("h")
    samples.frombytes(data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def to_wav(samples: Samples) -> bytes:
    """The bytes of a WAV file."""
    data = samples
    if sys.byteorder == "big":
        data = samples[:]
        data.byteswap()
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data.tobytes())
    return made.getvalue()


def frame_levels(samples: Samples) -> list[float]:
    """The root mean square of each whole 20 ms, of 32768; of less than 20 ms: of all."""
    frames = [
        samples[start : start + FRAME]
        for start in range(0, max(1, len(samples) - FRAME + 1), FRAME)
    ]
    return [math.sqrt(sum(map(mul, frame, frame)) / max(1, len(frame))) for frame in frames]


def loudness_db(levels: Sequence[float]) -> float:
    """The mean power of the frames that are heard, in dB of full scale; -inf for digital zero."""
    quiet = _QUIET * max(levels)
    heard = [level * level for level in levels if level > quiet]
    if not heard:
        return -math.inf
    return 10 * math.log10(sum(heard) / len(heard)) - 20 * math.log10(FULL_SCALE)


def levelled(samples: Samples, level_db: float = LEVEL_DB) -> tuple[Samples, float]:
    """The samples at that loudness, or what their peaks allow, and by how many dB they changed."""
    peak = max(map(abs, samples))
    gain_db = level_db - loudness_db(frame_levels(samples))
    gain = min(10 ** (gain_db / 20), PEAK_MAX / peak)
    made = array.array("h", [round(gain * sample) for sample in samples])
    return made, 20 * math.log10(gain)


def trimmed(samples: Samples) -> Samples:
    """The samples from the first frame that is heard to the last."""
    levels = frame_levels(samples)
    heard = [index for index, level in enumerate(levels) if level > _QUIET * max(levels)]
    return samples[heard[0] * FRAME : (heard[-1] + 1) * FRAME]


def write_file(path: Path, content: bytes) -> None:
    """Put a file in its place at once, readable by Asterisk's user; who plays the old one goes on.

    Raises OSError.
    """
    make_folder(path.parent)
    descriptor, unfinished = tempfile.mkstemp(prefix=".", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, that Asterisk's user may read; raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
