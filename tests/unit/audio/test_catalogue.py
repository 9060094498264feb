"""The shipped prompts: every one that can be played is there in each language, and documented."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import callctl
from callctl.audio.building import build, shipped_files
from callctl.audio.catalogue import (
    ATTENTION_HZ,
    LANGUAGES,
    PLACES_MAX,
    SENTENCES,
    spoken,
    unspoken,
    wait_minutes,
)
from callctl.audio.wav import LEVEL_DB, PEAK_MAX, frame_levels, loudness_db, samples_of
from callctl.directory.areas import shipped_table
from callctl.flows import phrases
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber

PLACES = shipped_table().divisions
ROOT = Path(callctl.__file__).resolve().parent.parent


def _areas() -> Iterator[Area]:
    """Every area that a caller can have."""
    table = shipped_table()
    yield from (
        *table.places,
        *table.area_codes.values(),
        *table.country_codes.values(),
        *table.divisions.values(),
        Area.UNKNOWN,
    )


def _phrases(language: str) -> Iterator[str]:
    """Every prompt that a phrase can give."""
    named = {name: value for name, value in vars(phrases).items() if name.isupper()}
    yield from (value for value in named.values() if isinstance(value, str))
    for area in _areas():
        yield from phrases.for_whom("4001234567890", area, language)
    for key in "0123456789":
        yield from phrases.press_to_take(key)
    for position in range(1, 2 * PLACES_MAX):
        yield from phrases.place_and_wait(position, None)
    for seconds in range(0, 3 * 3600, 7):
        yield from phrases.place_and_wait(1, seconds)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_phrase_is_in_the_catalogue(language: str) -> None:
    """Every prompt that any phrase gives is shipped in the language."""
    shipped = {f"callctl/{name}" for name in (*spoken(language, PLACES), *unspoken())}
    assert {*_phrases(language)} <= shipped


def test_language_without_prompts_gets_those_without_language() -> None:
    """A language that callctl does not speak names provinces only, as the fallback has them."""
    shipped = {f"callctl/{name}" for name in (*spoken("en", PLACES), *unspoken())}
    assert {*_phrases("de")} <= shipped
    assert {*_phrases("zh-CN")} <= {
        f"callctl/{name}" for name in (*spoken("zh", PLACES), "hold", "beep")
    }


def test_every_sentence_says_something_in_each_language() -> None:
    """No text is empty, none is another language's, and no two prompts of a language are alike."""
    for language in LANGUAGES:
        texts = spoken(language, PLACES)
        assert all(text.strip() for text in texts.values())
        sentences = [texts[name] for name in SENTENCES]
        assert len({*sentences}) == len(sentences)
        is_chinese = [bool(re.search(r"[\u4e00-\u9fff]", text)) for text in sentences]
        assert set(is_chinese) == {language == "zh"}


@pytest.mark.parametrize(
    ("name", "zh", "en", "fr"),
    [
        ("digit/1", "幺", "1", "1"),
        (
            "place/1",
            "您排在第一位。",
            "You are number 1 in the queue.",
            "Vous êtes le numéro 1 dans la file d'attente.",
        ),
        (
            "place/21",
            "您排在第二十一位。",
            "You are number 21 in the queue.",
            "Vous êtes le numéro 21 dans la file d'attente.",
        ),
        (
            "wait/1",
            "预计等待约一分钟。",
            "The estimated wait is about 1 minute.",
            "L'attente estimée est d'environ une minute.",
        ),
        (
            "wait/2",
            "预计等待约两分钟。",
            "The estimated wait is about 2 minutes.",
            "L'attente estimée est d'environ 2 minutes.",
        ),
        (
            "press/5",
            "接听请按五。",
            "Press 5 to take the call.",
            "Appuyez sur 5 pour prendre l'appel.",
        ),
        ("area/440000", "广东", "Guangdong", "Guangdong"),
    ],
)
def test_words_are_as_people_say_them(name: str, zh: str, en: str, fr: str) -> None:
    """Numbers are read as each language reads them."""
    assert [spoken(language, PLACES)[name] for language in LANGUAGES] == [zh, en, fr]


def test_chinese_names_the_city() -> None:
    """Chinese has the cities, with their province unless they are one."""
    texts = spoken("zh", PLACES)
    assert texts["area/440300"] == "广东深圳"
    assert texts["area/110000"] == "北京"
    assert "area/440300" not in spoken("en", PLACES)


@pytest.mark.parametrize(
    ("language", "said"),
    [("zh", "callctl/area/440300"), ("fr", "callctl/area/440000")],
)
def test_for_whom_says_number_and_place(language: str, said: str) -> None:
    """Who answers hears the number that was called, and where the caller is from."""
    area = shipped_table().area_of(PhoneNumber.parse("075588886666"))
    prompts = phrases.for_whom("400123", area, language)
    digits = [f"callctl/digit/{digit}" for digit in "400123"]
    assert prompts == ("callctl/call-for", *digits, "callctl/from", said)
    assert phrases.for_whom("400", Area.UNKNOWN, language)[-1] == "callctl/digit/0"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0"),
        (59, "0"),
        (60, "1"),
        (61, "2"),
        (600, "10"),
        (601, "15"),
        (3600, "60"),
        (3601, "long"),
    ],
)
def test_wait_is_told_rounded_up(seconds: float, told: str) -> None:
    """A caller is never told less than what is estimated, once it is a minute."""
    assert phrases.place_and_wait(1, seconds) == ("callctl/place/1", f"callctl/wait/{told}")


def test_place_beyond_those_told_is_many() -> None:
    """The hundredth caller hears that there are many before him."""
    assert phrases.place_and_wait(99, None) == ("callctl/place/99",)
    assert phrases.place_and_wait(100, None) == ("callctl/place/many",)


def test_documented_prompts_are_the_shipped_ones() -> None:
    """docs/audio.md lists every prompt, a row of numbered ones as one, and no other."""
    page = (ROOT / "docs" / "audio.md").read_text(encoding="utf-8")
    section = page.split("\n## The shipped prompts\n", 1)[1].split("\n## ", 1)[0]
    documented = set(re.findall(r"^\| `callctl/([^`]+)`", section, re.MULTILINE))
    rows = {"digit/0": "digit/D", "press/0": "press/D", "place/1": "place/N", "wait/0": "wait/N"}
    rows["area/110000"] = "area/CODE"
    names = {name for name in spoken("zh", PLACES) if not re.search(r"/\d", name)}
    assert documented == names | {*unspoken()} | {*rows.values()}
    assert {*rows} <= {*spoken("zh", PLACES)}
    minutes = ", ".join(map(str, wait_minutes()))
    assert minutes in section


FEW = {"110000": PLACES["110000"], "440300": PLACES["440300"]}


def test_building_makes_every_prompt_once(tmp_path: Path) -> None:
    """What is built is complete, at one level and not clipped; a second run does nothing."""
    made = build(tmp_path, LANGUAGES, FEW)
    assert made["zh"] == len(spoken("zh", FEW))
    assert all(file.is_file() for file in shipped_files(tmp_path, FEW))
    assert {*build(tmp_path, LANGUAGES, FEW).values()} == {0}

    for path in tmp_path.rglob("*.wav"):
        samples = samples_of(path.read_bytes())
        assert 0.1 < len(samples) / 8000 < 30, path
        assert max(map(abs, samples)) <= PEAK_MAX, path
        level = loudness_db(frame_levels(samples))
        has_tone = path.stem in {*unspoken()} or any(path.stem == name for _, name in ATTENTION_HZ)
        assert LEVEL_DB - 3 < level <= LEVEL_DB + (5 if has_tone else 0.5), path


def test_building_again_heals(tmp_path: Path) -> None:
    """A lost file is made again, and one that the catalogue has no more is removed."""
    build(tmp_path, ("fr",), FEW)
    folder = tmp_path / "fr" / "callctl"
    (folder / "closed.wav").unlink()
    (folder / "old.wav").write_bytes(b"")
    assert build(tmp_path, ("fr",), FEW)["fr"] > 0
    assert (folder / "closed.wav").is_file()
    assert not (folder / "old.wav").exists()
    assert not (tmp_path / "en").exists()


def test_language_without_prompts_hears_english(tmp_path: Path) -> None:
    """What is played in a language that callctl does not speak are the English words."""
    build(tmp_path, ("en",), FEW)
    english, other = tmp_path / "en" / "callctl", tmp_path / "callctl"
    assert (other / "closed.wav").read_bytes() == (english / "closed.wav").read_bytes()
    assert (other / "warning.wav").read_bytes() != (english / "warning.wav").read_bytes()
