"""Makes the files of the shipped prompts; called by `callctl prompts build`.

The files lie where Asterisk looks: FOLDER/zh/callctl/closed.wav, and in FOLDER/callctl what it
plays in a language that has none of its own: signals, music, and the English words.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from callctl.audio.catalogue import ATTENTION_HZ, LANGUAGES, SENTENCES, spoken, unspoken
from callctl.audio.speech import VOICES, speaker
from callctl.audio.tones import MUSIC, TONES, music, signal, tone
from callctl.audio.wav import Samples, to_wav, write_file
from callctl.values.area import Area

_MADE_BY = ("building", "speech", "tones", "wav")  # a change in one of them makes all anew
_STAMP = ".made-from"
_ATTENTION_MILLISECONDS, _PAUSE_MILLISECONDS = 400, 100
_FALLBACK = "en"


def build(folder: Path, languages: Sequence[str], places: Mapping[str, Area]) -> dict[str, int]:
    """Make what is missing or old; the number of files made by language, "" for none.

    Raises ToolMissing, StackFailed, OSError. Each file is put in its place at once, and what the
    catalogue has no more is removed. Blocks, for seconds.
    """
    made = dict.fromkeys(("", *languages), 0)
    for language in languages:
        texts = spoken(language, places)
        stamp = _stamp([language, texts, VOICES[language], sorted(ATTENTION_HZ.items())])
        if not _is_made(folder / language, texts, stamp):
            made[language] = _write(folder / language, _say(language, texts), stamp)
    made[""] = _build_without_language(folder, languages)
    return made


def committed() -> dict[str, list[str]]:
    """The prompts that a checkout has without building, by language: those of asterisk-conf."""
    names = sorted({name for _, name in ATTENTION_HZ})
    alone = ["unavailable", "ringback-demo", *names]
    return {"": alone} | dict.fromkeys(LANGUAGES, names)


def build_committed(folder: Path) -> None:
    """Make the files of `committed`; called by deploy/asterisk/make_prompts.py. Raises as build."""
    for language, names in committed().items():
        if language:
            column = LANGUAGES.index(language)
            texts = {name: SENTENCES[name][column] for name in names}
            prompts = _say(language, texts)
        else:
            prompts = {name: signal(name) for name in names}
        for name, samples in prompts.items():
            write_file(_path(folder / language, name), to_wav(samples))


def shipped_files(folder: Path, places: Mapping[str, Area]) -> list[Path]:
    """Where all shipped prompts are once they are built into `folder`."""
    paths = [_path(folder, name) for name in unspoken()]
    for language in LANGUAGES:
        paths += [_path(folder / language, name) for name in spoken(language, places)]
    return paths


def _say(language: str, texts: Mapping[str, str]) -> dict[str, Samples]:
    """Name -> samples, after their tone for those that have one."""
    made = dict(zip(texts, speaker().say(VOICES[language], list(texts.values())), strict=True))
    for (of, name), hz in ATTENTION_HZ.items():
        if of == language:
            attention = tone(hz, _ATTENTION_MILLISECONDS) + tone(0, _PAUSE_MILLISECONDS)
            made[name] = attention + made[name]
    return made


def _build_without_language(folder: Path, languages: Sequence[str]) -> int:
    """The signals, the music and, for languages that callctl does not speak, the English words."""
    source = folder / _FALLBACK / "callctl"
    words = source.joinpath(_STAMP).read_text() if _FALLBACK in languages else ""
    names = set(unspoken())
    copied = [path for path in source.rglob("*.wav") if _name(source, path) not in names]
    copied = copied if words else []
    stamp = _stamp([words, TONES, MUSIC])
    if _is_made(folder, [*names, *(_name(source, path) for path in copied)], stamp):
        return 0
    prompts = {name: signal(name) for name in TONES} | {MUSIC: music()}
    for path in copied:
        write_file(_path(folder, _name(source, path)), path.read_bytes())
    kept = {_path(folder, _name(source, path)) for path in copied}
    return _write(folder, prompts, stamp, kept) + len(copied)


def _write(
    folder: Path, prompts: Mapping[str, Samples], stamp: str, kept: set[Path] | None = None
) -> int:
    """Write the prompts below folder/callctl, remove others but `kept`, then say it is done."""
    wanted = {_path(folder, name): samples for name, samples in prompts.items()}
    for path, samples in wanted.items():
        write_file(path, to_wav(samples))
    for path in (folder / "callctl").rglob("*.wav"):
        if path not in wanted and path not in (kept or ()):
            path.unlink()
    write_file(folder / "callctl" / _STAMP, stamp.encode())
    return len(wanted)


def _is_made(folder: Path, names: Sequence[str] | Mapping[str, str], stamp: str) -> bool:
    path = folder / "callctl" / _STAMP
    if not path.is_file() or path.read_text() != stamp:
        return False
    return all(_path(folder, name).is_file() for name in names)


def _stamp(parts: object) -> str:
    made_by = b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in _MADE_BY)
    text = json.dumps(parts, ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(made_by + text.encode()).hexdigest()


def _path(folder: Path, name: str) -> Path:
    return folder / "callctl" / f"{name}.wav"


def _name(source: Path, path: Path) -> str:
    return path.relative_to(source).with_suffix("").as_posix()
