"""Newer segments from a file, and the commands of areas."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callctl import clock
from callctl.cli.main import app
from callctl.db.pool import Database
from callctl.directory.area_book import AreaBook
from callctl.directory.area_import import (
    SegmentsImported,
    import_segments,
    list_segments,
    plan_segments,
    read_segments,
)
from callctl.errors import ConfigurationRefused
from callctl.values.phone_number import PhoneNumber

_NEW, _SHANGHAI = "1400001", "1390171"  # nobody's in the shipped table, and one of Shanghai's
_FILE = f"segment,area\n{_NEW},深圳\n1400002,440300\n{_SHANGHAI},310000\n\n1390172,Beijing\n"
_FOLLOW_SECONDS_MAX = 1.0


@pytest.fixture(autouse=True)
def _environment(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What commands find."""
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))


async def _run(*arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["areas", *arguments]))


async def _json(*arguments: str) -> Any:
    result = await _run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.output)


def _mobile(segment: str) -> PhoneNumber:
    return PhoneNumber.parse(f"{segment}0001")


async def test_import_adds_corrects_and_repeats_nothing(database: Database) -> None:
    """What differs from the shipped table or an earlier import is written, once."""
    segments = read_segments(_FILE.encode())

    assert await plan_segments(database, segments) == SegmentsImported(2, 1, 1)
    assert await list_segments(database) == []
    assert await import_segments(database, segments) == SegmentsImported(2, 1, 1, is_written=True)
    assert await import_segments(database, segments) == SegmentsImported(0, 0, 4)

    book = AreaBook()
    assert (str(book.area_of(_mobile(_NEW))), book.is_imported(_mobile(_NEW))) == ("unknown", False)
    await book.load(database)
    assert (str(book.area_of(_mobile(_NEW))), book.is_imported(_mobile(_NEW))) == (
        "广东 深圳",
        True,
    )
    assert str(book.area_of(_mobile("1390172"))) == "北京"
    assert str(book.area_of(_mobile(_SHANGHAI))) == "上海"
    assert str(book.area_of(PhoneNumber.parse("01062000001"))) == "北京"


async def test_neighbours_are_listed_together(database: Database) -> None:
    """Segments in a row of one area and one import are one line of the list."""
    await import_segments(database, read_segments(_FILE.encode()))

    runs = [(run.first, run.last, str(run.area)) for run in await list_segments(database)]

    assert runs == [("1390172", "1390172", "北京"), (_NEW, "1400002", "广东 深圳")]


async def test_a_running_switch_follows_an_import(database: Database, database_url: str) -> None:
    """Within a second of the import the area is the new one, without a restart."""
    book = AreaBook()
    await book.load(database)
    following = asyncio.create_task(book.run(database, database_url))
    try:
        await import_segments(database, read_segments(_FILE.encode()))
        deadline = clock.monotonic() + _FOLLOW_SECONDS_MAX
        while not book.area_of(_mobile(_NEW)):
            assert clock.monotonic() < deadline
            await clock.sleep(0.01)
    finally:
        following.cancel()


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (b"", [(1, "", "there are no segments")]),
        (b"segment,area\n", [(1, "", "there are no segments")]),
        (b"1390171\n", [(1, "", "1 cells: write a segment and its area")]),
        (b"13901710001,440300\n", [(1, "segment", "write the first seven digits of a mobile")]),
        (b"1200000,440300\n", [(1, "segment", "is no segment")]),
        ("１３９０１７１,上海".encode(), [(1, "segment", "is no segment")]),
        (b"1390171,310000\n1390171,310000\n", [(2, "segment", "is also in line 1: delete one")]),
        (b"1390171,Shangai\n", [(1, "area", "did you mean 310000")]),
        ("1390171,上海\n".encode("gbk"), [(1, "", "save the file as CSV UTF-8")]),
        (b'1390171,"310000\n', [(1, "", "this is not CSV")]),
        (
            b"segment,area\n139,x\n1390171,440305\n",
            [(2, "segment", "is no segment"), (2, "area", "not a known"), (3, "area", "440300")],
        ),
    ],
)
def test_a_wrong_file_is_refused_whole(content: bytes, problems: list[tuple[Any, ...]]) -> None:
    """Each thing wrong is told with its line, its column and the way out."""
    with pytest.raises(ConfigurationRefused) as refused:
        read_segments(content)

    found = sorted(refused.value.problems)
    assert [(line, field) for line, field, _ in found] == sorted(p[:2] for p in problems)
    for _, _, words in problems:
        assert any(words in message for _, _, message in found), found


async def test_command_imports_a_file_or_says_what_is_wrong(tmp_path: Path) -> None:
    """--dry-run counts and writes nothing; a wrong row stops the whole file, exit code 1."""
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("\ufeff" + _FILE)
    bad.write_text(f"{_FILE}139,x\n")

    refused = await _run("import", str(bad))
    assert (refused.exit_code, "bad.csv:7: segment: '139' is no segment" in refused.output) == (
        1,
        True,
    )
    dry = await _run("import", str(good), "--dry-run")
    assert dry.output == "dry run: 2 added, 1 changed, 1 as they were; nothing was written\n"
    assert (await _json("list"))["segments"] == []
    assert (await _json("import", str(good)))["is_written"] is True
    assert [run["adcode"] for run in (await _json("list"))["segments"]] == ["110000", "440300"]
    assert "广东 深圳" in (await _run("list")).output


async def test_command_looks_numbers_up(database: Database) -> None:
    """Each number is told with its form, kind and area, and where that is from."""
    await import_segments(database, read_segments(_FILE.encode()))

    found = (await _json("lookup", "0086 14000010001", "0731-12345678", "+44 20 7123 4567", "x"))[
        "numbers"
    ]

    assert [one["number"] for one in found] == [
        "+8614000010001",
        "+8673112345678",
        "+442071234567",
        "unknown",
    ]
    assert [one["kind"] for one in found] == ["mobile", "fixed", "foreign", "unknown"]
    assert (found[0]["adcode"], found[0]["city"], found[0]["source"]) == (
        "440300",
        "深圳",
        "import",
    )
    assert (found[1]["province"], found[1]["zone"]) == ("湖南", "430100 430200 430300")
    assert (found[2]["adcode"], found[2]["source"]) == (None, None)
    assert "shipped table" in (await _run("lookup", "01062000001")).output


async def test_lookup_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an installation the shipped table answers."""
    monkeypatch.delenv("CALLCTL_DATABASE_URL")

    assert (await _json("lookup", "13901710001"))["numbers"][0]["city"] == "上海"
