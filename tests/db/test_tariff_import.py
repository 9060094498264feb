"""callctl tariff and callctl calendar on a real PostgreSQL."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callctl.cli.main import app
from callctl.db.pool import Database
from callctl.directory.importing import Wanted, import_table
from callctl.directory.rate_table import read_table
from callctl.directory.store import DirectoryWatch, load_tariff
from callctl.errors import ConfigurationRefused, InvalidInput, NotFound
from tests.db.provisioning import apply_text, contents, exported, loaded

CALENDAR = "calendars: [{name: cn, days: [{date: 2026-10-01, kind: holiday}]}]\n"
TABLE = """\
prefix,area,price_per_minute,connect_fee,minimum_seconds,increments,round_to,free_seconds,\
first_step_seconds,first_step_price_per_minute,maximum_cost,valid_from,valid_until,bands
,,0.30,0.00,0,60/60,0.0001,,,,,,,
8610,,0.20,0.01,6,6/6,0.01,10,180,0.50,5.00,,2026-10-01T00:00:00+08:00,
8610,,0.25,0.00,0,1/1,0.0001,,,,,2026-10-01T00:00:00+08:00,,\
"night=all 20:00-08:00 0.20; feast=sat-sun,holiday 00:00-24:00 0.10"
,深圳,0.15,0.00,0,60/60,0.0001,,,,,,,
"""
TENANT = """\
tenants:
  - name: acme
    account: {}
    lines: [{name: desk, number: "01062000001"}]
    dids: [{number: "4001234567", tariff: wholesale, lines: [desk]}]
"""


@pytest.fixture(autouse=True)
async def _rows(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A calendar, and an environment in which commands find the database."""
    await apply_text(database, CALENDAR)
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))
    # Log lines would go to the stream that the runner closes, for the rest of the session.
    monkeypatch.setattr("callctl.log.configure", lambda _level: None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The table in a file."""
    path = tmp_path / "rates.csv"
    write(path, TABLE)
    return path


def write(file: Path, text: str) -> None:
    """Make the file hold this text."""
    file.write_text(text)


async def run(*arguments: str) -> Result:
    """Run a command as main() does, in a thread: commands have an event loop of their own."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, list(arguments)))


async def imported(file: Path, *options: str) -> Any:
    """What callctl tariff import answers."""
    result = await run("tariff", "import", "wholesale", str(file), "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def changes(answer: dict[str, Any]) -> tuple[int, ...]:
    """Version, added, changed and removed rates of an answer."""
    return tuple(answer[name] for name in ("version", "added", "changed", "removed"))


async def test_table_is_imported_and_exported_as_it_was(database: Database, file: Path) -> None:
    """What export prints is the file that was imported, to the last byte; and so in a file."""
    answer = await imported(file, "--calendar", "cn")

    assert changes(answer) == (1, 4, 0, 0)
    assert answer["revision_id"] == 2
    assert (await run("tariff", "export", "wholesale")).output == TABLE
    copy = file.with_name("copy.csv")
    assert (await run("tariff", "export", "wholesale", str(copy))).exit_code == 0
    assert copy.read_bytes() == TABLE.encode()
    assert (await imported(copy))["is_changed"] is False


async def test_same_table_again_writes_nothing(database: Database, file: Path) -> None:
    """Without a difference there is no version, no revision, no row; the order is no difference."""
    await imported(file, "--calendar", "cn")
    before = await contents(database)
    head, first, *rest = TABLE.splitlines(keepends=True)
    write(file, "".join([head, *rest, first]))

    answer = await imported(file)

    assert changes(answer) == (1, 0, 0, 0)
    assert answer["revision_id"] is None
    assert await contents(database) == before


async def test_changed_table_is_a_new_version_of_the_whole_tariff(
    database: Database, file: Path
) -> None:
    """Differences are counted, dry or not; the calendar stays and the old version too."""
    await imported(file, "--calendar", "cn")
    before = await contents(database)
    write(file, TABLE.replace("0.25,0.00", "0.26,0.00").replace(",深圳,", "86755,,"))

    planned = await imported(file, "--dry-run")
    assert await contents(database) == before
    answer = await imported(file)

    assert changes(planned) == changes(answer) == (2, 1, 1, 1)
    async with database.transaction() as connection:
        tariff = await load_tariff(connection, "wholesale")
    assert [rate.prefix for rate in tariff.rates] == ["", "8610", "8610", "86755"]
    assert tariff.calendar is not None
    assert await database.fetchval("SELECT count(*) FROM rates") == 8


async def test_calendar_is_changed_by_itself(database: Database, file: Path) -> None:
    """Another calendar makes a new version; the calendar's own change makes one as well."""
    write(file, "price_per_minute\n1\n")
    await imported(file)

    assert (await imported(file, "--calendar", "cn"))["version"] == 2
    await apply_text(database, CALENDAR.replace("holiday", "workday"))
    assert await database.fetchval("SELECT max(version) FROM tariff_versions") == 3
    assert (await imported(file))["is_changed"] is False
    assert (await imported(file, "--calendar", ""))["version"] == 4
    async with database.transaction() as connection:
        assert (await load_tariff(connection, "wholesale")).calendar is None


async def test_wrong_rows_are_named_and_nothing_is_written(database: Database, file: Path) -> None:
    """The first hundred problems are shown with file, line and column, and all are counted."""
    before = await contents(database)
    write(file, "price_per_minute,prefix\n" + "x,y\n" * 80)

    result = await run("tariff", "import", "wholesale", str(file))
    answer = await run("tariff", "import", "wholesale", str(file), "--json")

    assert result.exit_code == 1
    first, *_, last = result.stderr.splitlines()
    assert first == (
        f"{file}:2: price_per_minute: 'x' is not an amount: write a plain decimal such as 0.30"
    )
    assert last == "160 problem(s) (the first 100 are shown); nothing was changed"
    assert len(result.stderr.splitlines()) == 101
    assert json.loads(answer.output)["problem_count"] == 160
    assert await contents(database) == before


@pytest.mark.parametrize(
    ("text", "options", "line", "field", "words"),
    [
        (TABLE, (), 4, "bands", "--calendar NAME"),
        (TABLE, ("--calendar", "fr"), 1, "--calendar", "no calendar 'fr' (there is cn)"),
        ("price_per_minute\n1\n", ("--currency", "EUR"), 1, "--currency", "in CNY"),
        ("price_per_minute,prefix\n1,86\n", (), 1, "", "DID 4001234567 of acme would have"),
    ],
)
async def test_table_that_contradicts_the_directory_is_refused(
    database: Database,
    file: Path,
    text: str,
    options: tuple[str, ...],
    line: int,
    field: str,
    words: str,
) -> None:
    """Holidays without a calendar, another currency, DIDs left without a price are refused."""
    write(file, "price_per_minute\n1\n")
    await imported(file)
    await apply_text(database, TENANT)
    before = await contents(database)
    write(file, text)

    result = await run("tariff", "import", "wholesale", str(file), "--json", *options)

    (problem,) = json.loads(result.output)["problems"]
    assert (problem["line"], problem["field"]) == (line, field)
    assert words in problem["message"]
    assert await contents(database) == before


async def test_tenant_uses_a_tariff_of_a_table(database: Database, file: Path) -> None:
    """A tariff from CSV prices a DID whose file does not have it."""
    await imported(file, "--calendar", "cn")

    await apply_text(database, TENANT)

    tariff = (await loaded(database)).dids["4001234567"].tariff
    assert [rate.area for rate in tariff.rates] == ["", "", "", "440300"]


async def test_running_switch_hears_of_an_import(
    database: Database, database_url: str, file: Path
) -> None:
    """A watch that reloads after an import has the new version."""
    await imported(file, "--calendar", "cn")
    await apply_text(database, TENANT)
    watch = DirectoryWatch(database, database_url)
    await watch.reload()
    write(file, TABLE.replace("0.30", "0.31"))

    await imported(file)
    await watch.reload()

    tariff = watch.current.dids["4001234567"].tariff
    assert (tariff.version, tariff.rates[0].price_per_minute_micros) == (2, 310_000)


async def test_long_tariff_is_read_and_written_in_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are put together in the order of the file, also when another's rates lie between."""
    monkeypatch.setattr("callctl.directory.rates._READ_PAGE", 2)
    monkeypatch.setattr("callctl.directory.rates._WRITTEN_PAGE", 3)
    for name in ("first", "second"):
        table = read_table(b"price_per_minute,prefix\n" + b"".join(b"1,%d\n" % n for n in range(9)))
        await import_table(database, table, Wanted(name))
    await database.execute(
        "UPDATE rates SET prefix = '99', tariff_version_id = "
        "(SELECT max(tariff_version_id) FROM rates) WHERE id = 1"
    )

    async with database.transaction() as connection:
        tariff = await load_tariff(connection, "second")

    assert [rate.prefix for rate in tariff.rates] == ["99", *"012345678"]
    assert [rate.id for rate in tariff.rates] == [1, *range(10, 19)]


async def test_long_tariff_is_left_to_its_own_export(
    database: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A YAML export names a tariff that is too long for it, and is read back as it is."""
    await imported(file, "--calendar", "cn")
    await apply_text(database, TENANT)
    monkeypatch.setattr("callctl.directory.store.EXPORTED_RATES_MAX", 3)

    text = await exported(database)

    assert text.startswith("# tariff wholesale has 4 rates: callctl tariff export wholesale\n")
    assert (await apply_text(database, text)).changes == ()


async def test_imports_at_once_make_one_version(database: Database, file: Path) -> None:
    """Of several equal imports at one moment the first writes and the others find it done."""
    table = read_table(b"price_per_minute\n1\n")

    found = await asyncio.gather(
        *(import_table(database, table, Wanted("wholesale")) for _ in range(4))
    )

    assert sorted(one.is_changed for one in found) == [False, False, False, True]


async def test_list_shows_every_tariff(database: Database, file: Path) -> None:
    """Name, version, currency, number of rates and calendar, in words and for programs."""
    assert "there are no tariffs" in (await run("tariff", "list")).output
    await imported(file, "--calendar", "cn")

    heading, row = (await run("tariff", "list")).output.splitlines()
    answer = json.loads((await run("tariff", "list", "--json")).output)

    assert heading.split() == ["name", "version", "currency", "rates", "calendar", "since"]
    assert row.split()[:5] == ["wholesale", "1", "CNY", "4", "cn"]
    (tariff,) = answer["tariffs"]
    assert (tariff["name"], tariff["rate_count"]) == ("wholesale", 4)


async def test_unknown_tariff_and_bad_names_are_one_line(file: Path) -> None:
    """What is wrong with the arguments is said before anything is done."""
    for arguments, error in (
        (("tariff", "export", "nothing"), NotFound),
        (("tariff", "import", "Bad", str(file)), InvalidInput),
        (("tariff", "import", "good", str(file), "--currency", "yuan"), InvalidInput),
        (("tariff", "import", "good", str(file) + ".no"), InvalidInput),
        (("calendar", "Atlantis", "2026"), InvalidInput),
    ):
        result = await run(*arguments)
        assert isinstance(result.exception, error), arguments


async def test_calendar_command_writes_what_apply_reads(database: Database) -> None:
    """The country's calendar of a year can be applied at once; a warning is not part of it."""
    result = await run("calendar", "cn", "2090", "--name", "later")

    assert "warning: no make-up workdays of CN are known for 2090" in result.stderr
    await apply_text(database, result.stdout)
    days = await database.fetchval(
        "SELECT count(*) FROM calendar_days AS d INNER JOIN calendars AS c ON d.calendar_id = c.id "
        "WHERE c.name = 'later'"
    )
    assert days > 5


async def test_refusal_names_the_first_problems_only() -> None:
    """The error's own text stays short, and its problems are all there."""
    with pytest.raises(ConfigurationRefused) as caught:
        read_table(b"price_per_minute\n" + b"x\n" * 300)

    assert len(caught.value.problems) == 300
    assert str(caught.value).splitlines()[-1] == "and 200 more"
