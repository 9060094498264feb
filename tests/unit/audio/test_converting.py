"""Uploads made into what Asterisk plays: formats, levels, lengths, and files that are none."""

import array
import contextlib
import math
import random
import subprocess
from itertools import pairwise

import pytest

from callctl.audio import converting
from callctl.audio.converting import FORMATS, convert
from callctl.audio.sox import run_sox
from callctl.audio.uploading import clean_name
from callctl.audio.wav import LEVEL_DB, PEAK_MAX, samples_of, to_wav
from callctl.errors import InvalidInput, ToolMissing
from tests.agents.prompts import tone_wav

HZ = 1300


def _made(*told: str, seconds: float = 1.0, source: bytes | None = None) -> bytes:
    """A tone in another format, by sox."""
    ended = subprocess.run(
        ["sox", "-t", "wav", "-", *told, "-"],
        input=source or tone_wav(HZ, seconds),
        capture_output=True,
        check=True,
    )
    return ended.stdout


def _hz(wav: bytes) -> float:
    """The frequency of a pure tone, from how often it crosses zero."""
    samples = samples_of(wav)
    crossings = sum(before < 0 <= after for before, after in pairwise(samples))
    return crossings / (len(samples) / 8000)


@pytest.mark.parametrize(
    ("told", "ending", "format_"),
    [
        (("-t", "wav"), "", "wav"),
        (("-t", "wav", "-r", "44100", "-c", "2", "-b", "24"), "", "wav"),
        (("-t", "wav", "-r", "16000", "-e", "float", "-b", "32"), "mp3", "wav"),
        (("-t", "wav", "-e", "gsm-full-rate"), "wav", "wav"),
        (("-t", "flac", "-r", "48000"), "", "flac"),
        (("-t", "vorbis", "-r", "44100"), "", "ogg"),
        (("-t", "aiff"), "", "aiff"),
        (("-t", "au"), "", "au"),
        (("-t", "amr-nb"), "", "amr"),
        (("-t", "gsm"), "gsm", "gsm"),
        (("-t", "al"), "ALAW", "alaw"),
        (("-t", "ul"), "ulaw", "ulaw"),
        (("-t", "raw", "-e", "signed", "-b", "16"), "sln", "sln"),
        (("-t", "raw", "-e", "signed", "-b", "16", "-r", "16000"), "sln16", "sln16"),
    ],
)
def test_each_format_becomes_what_asterisk_plays(
    told: tuple[str, ...], ending: str, format_: str
) -> None:
    """Whatever the format, rate, width and channels: the same tone, 8 kHz, at the usual level."""
    converted = convert(_made(*told), ending)
    assert converted.format == format_
    assert format_ in FORMATS
    assert converted.seconds == pytest.approx(1.0, abs=0.06)
    assert _hz(converted.wav) == pytest.approx(HZ, abs=15)
    assert converted.loudness_db == pytest.approx(LEVEL_DB, abs=0.3)


def test_mp3_is_read_by_its_content() -> None:
    """An MP3 is known without a name, with and without an ID3 tag."""
    mp3 = _made("-t", "mp3", "-r", "44100")
    for data in (mp3, b"ID3\x03\x00\x00\x00\x00\x00\x0a" + bytes(10) + mp3):
        converted = convert(data, "")
        assert converted.format == "mp3"
        assert _hz(converted.wav) == pytest.approx(HZ, abs=15)


@pytest.mark.parametrize(("quieter_db", "gain_db"), [(0, -4.8), (20, 15.2), (-6, -10.8)])
def test_loudness_is_levelled(quieter_db: int, gain_db: float) -> None:
    """Soft and loud files are played equally loud, and what was done is told."""
    source = _made("-t", "wav", "-b", "24", seconds=1.0)
    changed = subprocess.run(
        ["sox", "-t", "wav", "-", "-t", "wav", "-", "gain", str(-quieter_db)],
        input=source,
        capture_output=True,
        check=True,
    ).stdout
    converted = convert(changed, "")
    assert converted.gain_db == pytest.approx(gain_db, abs=0.3)
    assert converted.loudness_db == pytest.approx(LEVEL_DB, abs=0.3)


def test_peaks_stay_below_full_scale() -> None:
    """Audio of soft parts and short peaks is raised only as far as its peaks allow."""
    samples = array.array("h", [round(1000 * math.sin(n)) for n in range(8000)])
    for at in range(0, 8000, 160):
        samples[at] = 30_000
    converted = convert(to_wav(samples), "")
    assert max(map(abs, samples_of(converted.wav))) <= PEAK_MAX
    assert converted.loudness_db < LEVEL_DB - 2


@pytest.mark.parametrize(
    ("data", "ending", "message"),
    [
        (b"", "wav", "no audio"),
        (b"hello", "wav", "no audio that is read"),
        (b"hello", "m3u", "no audio that is read"),
        (b"#EXTM3U\nhttp://127.0.0.1/x.mp3\n", "mp3", "no audio that is read"),
        (b"\x00\x00\x00\x20ftypM4A ", "m4a", "no audio that is read"),
        (b"OggS" + bytes(24) + b"OpusHead" + bytes(40), "opus", "Opus"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "", "not read as wav"),
        (b"fLaC" + bytes(200), "", "not read as flac"),
        (tone_wav(HZ, 0.05), "", "at least 0.1 s"),
        (to_wav(array.array("h", [0] * 8000)), "", "silence: nothing"),
        (to_wav(array.array("h", [20, -20] * 4000)), "", "silence"),
    ],
)
def test_what_is_no_audio_is_refused(data: bytes, ending: str, message: str) -> None:
    """What cannot be played, or is not heard, is refused with the reason."""
    with pytest.raises(InvalidInput, match=message):
        convert(data, ending)


def test_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is read to a second after the limit and refused; one of the limit is taken."""
    monkeypatch.setattr(converting, "SECONDS_MAX", 2)
    assert convert(tone_wav(HZ, 2), "").seconds == 2
    with pytest.raises(InvalidInput, match="longer than 2 s"):
        convert(tone_wav(HZ, 600), "")


def test_packed_silence_of_hours_is_cut() -> None:
    """A small file that unpacks to hours is read no further than the limit."""
    hours = _made("-t", "flac", source=to_wav(array.array("h", [0] * 8000)))
    packed = run_sox(("-t", "flac", "-", "-t", "flac", "-", "repeat", "7200"), hours)
    assert len(packed) < 1_000_000
    with pytest.raises(InvalidInput, match="longer than 600 s"):
        convert(packed, "")


def test_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file over the limit is not even looked at."""
    monkeypatch.setattr(converting, "BYTES_MAX", 1_000_000)
    with pytest.raises(InvalidInput, match="more than 1 MB"):
        convert(bytes(1_000_001), "wav")


def test_damaged_files_end_in_a_refusal_or_in_audio() -> None:
    """A thousandth of a file's bytes changed at random: refused or played, and nothing else."""
    chance = random.Random(4)
    for told in (("-t", "wav"), ("-t", "flac"), ("-t", "vorbis"), ("-t", "aiff"), ("-t", "gsm")):
        whole = bytearray(_made(*told))
        for _ in range(4):
            broken = bytearray(whole)
            for _ in range(1 + len(broken) // 1000):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            with contextlib.suppress(InvalidInput):
                assert len(samples_of(convert(bytes(broken), told[1]).wav)) > 0


def test_without_sox_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without sox says what to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match="apt install sox"):
        convert(tone_wav(HZ), "")


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("welcome.mp3", "welcome.mp3"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\welcome.wav", "welcome.wav"),
        ("|touch x; .wav", "|touch x; .wav"),
        ("a\r\nX-Evil: 1\x00\x1b[31m.wav", "aX-Evil: 1[31m.wav"),
        ("abc\u202egnp.wav", "abcgnp.wav"),
        ("\ud800\udfff.wav", ".wav"),
        ("', (SELECT 1)) --", "', (SELECT 1)) --"),
        ("欢迎.wav", "欢迎.wav"),
        ("x" * 500 + ".wav", "x" * 96 + ".wav"),
        ("", ""),
    ],
)
def test_name_of_the_upload_is_text_to_show(hostile: str, shown: str) -> None:
    """Of an uploaded file's name there remains what can be printed, without folders."""
    assert clean_name(hostile) == shown
