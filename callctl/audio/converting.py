"""Makes of an uploaded file what Asterisk plays, and checks it; called by audio.uploading.

What comes in is a stranger's: its name is never part of a command or a path, its format is told
by its first bytes (or, for formats without any, by the name's ending) and is one of a list.
"""

import math
import tempfile
from pathlib import Path
from typing import NamedTuple

from callctl.audio import wav
from callctl.audio.sox import readable_formats, run_sox
from callctl.errors import InvalidInput

BYTES_MAX = 50_000_000
SECONDS_MIN, SECONDS_MAX = 0.1, 600
_SILENCE_DB = -50.0  # softer than this, nobody hears anything
_HEADROOM_DB = -6.0  # mixing channels and filtering may add peaks
_LENGTH_SLACK_SECONDS = 1  # read beyond the limit, to know that it was exceeded


class Format(NamedTuple):
    """A format of audio: its name for people, and how sox is told of it."""

    name: str
    told: tuple[str, ...]


def _headerless(name: str, *told: str) -> Format:
    return Format(name, ("-c", "1", *told))


_SIGNED_16 = ("-t", "raw", "-e", "signed-integer", "-b", "16", "-L")

_BEGINNINGS: tuple[tuple[bytes, Format], ...] = (
    (b"RIFF", Format("wav", ("-t", "wav"))),
    (b"fLaC", Format("flac", ("-t", "flac"))),
    (b"OggS", Format("ogg", ("-t", "vorbis"))),
    (b"FORM", Format("aiff", ("-t", "aiff"))),
    (b".snd", Format("au", ("-t", "au"))),
    (b"caff", Format("caf", ("-t", "caf"))),
    (b"Creative Voice File", Format("voc", ("-t", "voc"))),
    (b"#!AMR-WB\n", Format("amr-wb", ("-t", "amr-wb"))),
    (b"#!AMR\n", Format("amr", ("-t", "amr-nb"))),
    (b"ID3", Format("mp3", ("-t", "mp3"))),
)
_ENDINGS: dict[str, Format] = {
    "gsm": Format("gsm", ("-t", "gsm")),
    "al": _headerless("alaw", "-t", "al", "-r", "8000"),
    "alaw": _headerless("alaw", "-t", "al", "-r", "8000"),
    "ul": _headerless("ulaw", "-t", "ul", "-r", "8000"),
    "ulaw": _headerless("ulaw", "-t", "ul", "-r", "8000"),
    "pcm": _headerless("ulaw", "-t", "ul", "-r", "8000"),
    "sln": _headerless("sln", *_SIGNED_16, "-r", "8000"),
    "raw": _headerless("sln", *_SIGNED_16, "-r", "8000"),
    "sln16": _headerless("sln16", *_SIGNED_16, "-r", "16000"),
}
_MP3 = Format("mp3", ("-t", "mp3"))
FORMATS = tuple(
    dict.fromkeys(one.name for one in (*dict(_BEGINNINGS).values(), *_ENDINGS.values()))
)
"""The names of what can be uploaded."""


class Converted(NamedTuple):
    """A WAV that Asterisk plays, and what was done to make it.

    `loudness_db` is below full scale, of the parts where something is heard; `gain_db` is what
    the file became louder by.
    """

    wav: bytes
    format: str
    seconds: float
    loudness_db: float
    gain_db: float


def format_of(data: bytes, ending: str) -> Format:
    """The format by the first bytes, else by the ending of the name; raises InvalidInput."""
    for beginning, found in _BEGINNINGS:
        if data.startswith(beginning):
            if found.name == "ogg" and b"OpusHead" in data[:512]:
                raise InvalidInput("Ogg with Opus is not read: save it as Ogg Vorbis, FLAC or WAV")
            return found
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:
        return _MP3
    raise InvalidInput(f"this is no audio that is read: save it as one of {', '.join(FORMATS)}")


def convert(data: bytes, ending: str) -> Converted:
    """Convert, check and level; `ending` is that of the file's name. Blocks, up to a minute.

    Raises InvalidInput with the way out (too large, too long, too short, silent, no audio), and
    ToolMissing without sox.
    """
    if len(data) > BYTES_MAX:
        raise InvalidInput(f"more than {BYTES_MAX // 1_000_000} MB: save it as MP3 or FLAC")
    found = format_of(data, ending.lower())
    samples = wav.from_raw(_decode(data, found))
    seconds = len(samples) / wav.RATE
    if seconds > SECONDS_MAX:
        raise InvalidInput(f"longer than {SECONDS_MAX} s: cut it")
    if seconds < SECONDS_MIN:
        raise InvalidInput(f"{seconds:.2f} s of audio in it: at least {SECONDS_MIN} s are needed")
    before_db = wav.loudness_db(wav.frame_levels(samples)) - _HEADROOM_DB
    if before_db < _SILENCE_DB:
        heard = "nothing" if before_db == -math.inf else f"{before_db:.0f} dB"
        raise InvalidInput(f"silence: {heard} of full scale in it, at least {_SILENCE_DB:.0f} dB")
    levelled, gain_db = wav.levelled(samples)
    return Converted(
        wav=wav.to_wav(levelled),
        format=found.name,
        seconds=seconds,
        loudness_db=wav.loudness_db(wav.frame_levels(levelled)),
        gain_db=gain_db + _HEADROOM_DB,
    )


def _decode(data: bytes, found: Format) -> bytes:
    """The samples as 8 kHz, 16 bit, mono, with headroom; a second over the limit at most."""
    effects = (
        *("trim", "0", str(SECONDS_MAX + _LENGTH_SLACK_SECONDS)),
        *("gain", str(_HEADROOM_DB)),
    )
    with tempfile.TemporaryDirectory(prefix="callctl-audio-") as folder:
        source = Path(folder) / "source"  # a file, not a pipe: some formats seek
        source.write_bytes(data)
        told = (*found.told, str(source), *_SIGNED_16, "-r", str(wav.RATE), "-c", "1", "-")
        try:
            return run_sox((*told, *effects))
        except InvalidInput as error:
            known = readable_formats()
            if found.told[found.told.index("-t") + 1] not in known:
                raise InvalidInput(
                    f"this machine's sox does not read {found.name}: apt install libsox-fmt-mp3 "
                    "or save the file as WAV"
                ) from error
            message = str(error).replace(str(source), "the file")
            raise InvalidInput(f"it is not read as {found.name}: {message}") from error
