"""callctl apply on a real PostgreSQL: differences, money, versions, refusals, export, notices."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import asyncpg
import pytest

from callctl.db.pool import Database
from callctl.directory.answering import ListMode
from callctl.directory.apply import Plan, plan
from callctl.directory.models import Directory
from callctl.directory.reading import read_document
from callctl.directory.store import DirectoryWatch
from callctl.errors import ConfigurationRefused, NotFound
from tests.db.provisioning import (
    EXAMPLE,
    apply_text,
    contents,
    exported,
    lines_of,
    loaded,
    signed,
)


def replaced(old: str, new: str) -> str:
    """Return the example with one thing in it replaced."""
    assert EXAMPLE.count(old) == 1, old
    return EXAMPLE.replace(old, new)


async def test_first_apply_provisions_everything(database: Database) -> None:
    """After one apply the switch sees the DIDs, lines, rates and accounts of the file."""
    found = await apply_text(database, EXAMPLE)

    directory = await loaded(database)
    did = directory.dids["4001234567"]
    assert directory.revision_id == found.revision_id == 1
    assert set(directory.dids) == {"4001234567", "4007654321", "4008001000", "4009999999"}
    lines = lines_of(did)
    assert [line.name for line in lines] == ["beijing", "shanghai", "headquarters"]
    assert [line.areas for line in lines] == [("110000",), ("310000",), ()]
    assert lines[0].number.dial_digits == "01062000001"
    [blacklist] = did.lists
    assert (blacklist.name, blacklist.mode) == ("blacklist", ListMode.BLOCK)
    assert blacklist.numbers == {"+8613900000000"}
    assert did.ringback == "callctl/ringback-demo"
    assert (did.tariff.name, did.tariff.version, did.tariff.currency) == ("400-standard", 1, "CNY")
    assert did.tariff.rates[0].price_per_minute_micros == 300_000
    assert lines_of(directory.dids["4007654321"])[1].ring_seconds == 4
    assert directory.dids["4009999999"].tenant.warn_seconds == (5, 2)
    assert directory.dids["4009999999"].tariff.rates[0].next_increment_seconds == 1


async def test_opening_balance_is_one_transfer_from_clearing(database: Database) -> None:
    """B5: the opening money is a transfer, so clearing and the tenants sum to zero."""
    await apply_text(database, EXAMPLE)

    rows = await database.fetch("SELECT name, kind, balance_micros FROM accounts ORDER BY name")
    assert [tuple(row) for row in rows] == [
        ("clearing:CNY", "clearing", -600_120_000),
        ("revenue:CNY", "revenue", 0),
        ("tenant:acme", "prepaid", 600_000_000),
        ("tenant:shortcash", "prepaid", 120_000),
    ]
    assert await database.fetchval("SELECT array_agg(DISTINCT kind) FROM transfers") == ["opening"]


async def test_second_apply_changes_nothing(database: Database) -> None:
    """The same file again: no difference, no revision, no row touched."""
    await apply_text(database, EXAMPLE)
    before = await contents(database)

    found = await apply_text(database, EXAMPLE)

    assert found == Plan()
    assert await contents(database) == before


async def test_dry_run_shows_the_difference_and_changes_nothing(database: Database) -> None:
    """`plan` answers what `apply` then does, and leaves every table as it was."""
    await apply_text(database, EXAMPLE)
    before = await contents(database)
    text = replaced("ring_seconds: 4", "ring_seconds: 9").replace("      blacklist", "      #")
    text = text.replace("areas: [上海]", "areas: [上海, 江苏]")
    text = text.replace("blacklist: [", "# [")

    async with database.transaction() as connection:
        planned = await plan(connection, read_document(text.encode()))

    assert await contents(database) == before
    assert signed(planned) == [
        ("~", "tenants.acme.lines.shanghai.areas", "上海", "上海, 江苏"),
        ("~", "tenants.acme.lines.hotline-2.ring_seconds", "4", "9"),
        ("-", "tenants.acme.dids.4001234567.blacklist.13900000000", "refused", None),
    ]
    applied = await apply_text(database, text)
    assert applied.changes == planned.changes
    assert applied.revision_id == 2


async def test_tariff_change_makes_a_new_version_and_keeps_the_old(database: Database) -> None:
    """A call that started on version 1 can be rated by it for ever; new calls get version 2."""
    await apply_text(database, EXAMPLE)

    text = replaced("increments: 60/60", "increments: 6/6")
    found = await apply_text(database, text)

    assert signed(found) == [("~", "tariffs.400-standard.rates.*.increments", "60/60", "6/6")]
    tariff = (await loaded(database)).dids["4001234567"].tariff
    assert (tariff.version, tariff.rates[0].first_increment_seconds) == (2, 6)
    versions = await database.fetch(
        "SELECT v.version, r.first_increment_seconds FROM tariff_versions AS v "
        "INNER JOIN rates AS r ON r.tariff_version_id = v.id "
        "INNER JOIN tariffs AS t ON v.tariff_id = t.id "
        "WHERE t.name = '400-standard' ORDER BY v.version"
    )
    assert [tuple(row) for row in versions] == [(1, 60), (2, 6)]


async def test_what_a_tenant_no_longer_has_is_removed(database: Database) -> None:
    """A tenant becomes exactly as written; tenants and tariffs not in the file stay."""
    await apply_text(database, EXAMPLE)
    text = """
tariffs:
  - name: 400-standard
    rates:
      - price_per_minute: "0.30"
tenants:
  - name: acme
    account:
      opening_balance: "600.00"
    lines:
      - name: beijing
        number: "01062000001"
    dids:
      - number: "4001234567"
        tariff: 400-standard
        lines: [beijing]
"""

    found = await apply_text(database, text)

    directory = await loaded(database)
    assert set(directory.dids) == {"4001234567", "4009999999"}
    assert [line.areas for line in lines_of(directory.dids["4001234567"])] == [()]
    lines = await database.fetch("SELECT name FROM lines ORDER BY name")
    assert [row["name"] for row in lines] == ["beijing", "counter"]
    assert ("-", "tenants.acme.lines.hotline-1.number", "01062000011", None) in signed(found)
    assert await database.fetchval("SELECT count(*) FROM tariffs") == 2
    assert await database.fetchval("SELECT count(*) FROM accounts WHERE kind = 'prepaid'") == 2


async def test_did_moves_to_another_tenant_of_the_same_file(database: Database) -> None:
    """A DID may change hands when the file has both sides."""
    await apply_text(database, EXAMPLE)
    head, _, tail = EXAMPLE.partition('      - number: "4007654321"')
    text = head + tail[tail.index("\n  - name: shortcash") :]
    text += '      - {number: "4007654321", tariff: 400-standard, lines: [counter]}\n'

    await apply_text(database, text)

    did = (await loaded(database)).dids["4007654321"]
    assert (did.tenant.name, [line.name for line in lines_of(did)]) == ("shortcash", ["counter"])


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (
            lambda: replaced('"600.00"', '"700.00"'),
            "tenants[0].account.opening_balance",
            "callctl account topup acme",
        ),
        (
            lambda: EXAMPLE.replace("currency: CNY", "currency: EUR").replace(
                '"0.12"', '"0.12"\n      currency: EUR'
            ),
            "tariffs[0].currency",
            "new name",
        ),
        (
            lambda: EXAMPLE.replace("name: acme", "name: thief").replace('"4009', '"4008'),
            "tenants[0].dids[0].number",
            "belongs to tenant acme",
        ),
    ],
)
async def test_file_that_contradicts_the_directory_is_refused_whole(
    database: Database, change: Callable[[], str], field: str, words: str
) -> None:
    """What cannot be is refused with line, field and remedy, and nothing at all is written."""
    await apply_text(database, EXAMPLE)
    before = await contents(database)
    text = change().replace("ring_seconds: 4", "ring_seconds: 5")

    with pytest.raises(ConfigurationRefused) as caught:
        await apply_text(database, text)

    (problem, *_) = [found for found in caught.value.problems if found.field == field]
    assert words in problem.message
    assert problem.line > 1
    assert await contents(database) == before


async def test_credit_limit_cannot_fall_below_what_is_used(database: Database) -> None:
    """A limit may be lowered to what calls have taken of it, not further."""
    text = replaced('credit_limit: "0"', 'credit_limit: "50"')
    await apply_text(database, text)
    await database.execute(
        "UPDATE accounts SET balance_micros = -20000000, held_micros = 10000000 "
        "WHERE name = 'tenant:acme'"
    )

    with pytest.raises(ConfigurationRefused, match=r"30\.00 of the credit is in use"):
        await apply_text(database, EXAMPLE)
    await apply_text(database, replaced('credit_limit: "0"', 'credit_limit: "30"'))

    limit = await database.fetchval(
        "SELECT credit_limit_micros FROM accounts WHERE name = 'tenant:acme'"
    )
    assert limit == 30_000_000


async def test_export_is_read_back_without_a_difference(database: Database) -> None:
    """The exported file says exactly what is provisioned, and the same each time."""
    await apply_text(database, EXAMPLE)

    text = await exported(database)

    assert (await apply_text(database, text)).changes == ()
    assert await exported(database) == text
    assert "01062000001" in text
    assert "北京" in text


async def test_export_of_one_tenant_has_its_tariffs_only(database: Database) -> None:
    """One tenant's export is a file that stands by itself."""
    await apply_text(database, EXAMPLE)

    document = read_document((await exported(database, "shortcash")).encode())

    assert [tariff.name for tariff in document.tariffs] == ["400-per-second"]
    assert [tenant.name for tenant in document.tenants] == ["shortcash"]
    with pytest.raises(NotFound, match="no tenant nobody"):
        await exported(database, "nobody")


async def test_applies_at_once_make_one_revision(database: Database) -> None:
    """Of several equal applies at one moment the first writes and the others find it done."""
    found = await asyncio.gather(*(apply_text(database, EXAMPLE) for _ in range(4)))

    assert sorted(len(one.changes) > 0 for one in found) == [False, False, False, True]
    assert await database.fetchval("SELECT count(*) FROM revisions") == 1
    assert await database.fetchval("SELECT count(*) FROM transfers") == 2


async def test_notice_is_sent_for_real_changes_only(database: Database, database_url: str) -> None:
    """Listeners hear the revision's id once it is committed, and nothing of an empty apply."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    connection = await asyncpg.connect(database_url, timeout=5)
    await connection.add_listener("callctl_directory", lambda *got: heard.put_nowait(got[-1]))
    try:
        await apply_text(database, EXAMPLE)
        await apply_text(database, EXAMPLE)
        await apply_text(database, replaced("ring_seconds: 4", "ring_seconds: 5"))

        async with asyncio.timeout(5):
            assert [await heard.get(), await heard.get()] == ["1", "2"]
        assert heard.empty()
    finally:
        await connection.close()


class ObservedWatch(DirectoryWatch):
    """A watch that says when it has tried to reload."""

    def __init__(self, database: Database, dsn: str) -> None:
        super().__init__(database, dsn)
        self.tried: asyncio.Queue[Directory] = asyncio.Queue()

    async def reload(self) -> None:
        """Reload, then tell what is current."""
        try:
            await super().reload()
        finally:
            self.tried.put_nowait(self.current)

    async def changed_from(self, known: Directory, seconds: float = 1.0) -> Directory:
        """The directory after `known`; fails when it takes more than the promised second."""
        async with asyncio.timeout(seconds):
            while (found := await self.tried.get()) is known:
                pass
        return found


@pytest.fixture
async def watch(database: Database, database_url: str) -> AsyncIterator[ObservedWatch]:
    """A running watch on this test's database, which has already heard that it listens."""
    watch = ObservedWatch(database, database_url)
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(5):
        await watch.tried.get()
    yield watch
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_running_watch_follows_within_a_second(
    database: Database, watch: ObservedWatch
) -> None:
    """New calls see a change within a second; the directory that a call took never changes."""
    empty = watch.current
    await apply_text(database, EXAMPLE)
    first = await watch.changed_from(empty)

    await apply_text(database, replaced("ring_seconds: 4", "ring_seconds: 5"))
    second = await watch.changed_from(first)

    assert dict(empty.dids) == {}
    assert lines_of(first.dids["4007654321"])[1].ring_seconds == 4
    assert lines_of(second.dids["4007654321"])[1].ring_seconds == 5


async def test_watch_keeps_the_old_directory_when_a_reload_fails(
    database: Database, watch: ObservedWatch
) -> None:
    """A directory that cannot be read is no reason to forget the last one; it is tried again."""
    await apply_text(database, EXAMPLE)
    known = await watch.changed_from(watch.current)
    await database.execute("ALTER TABLE lines RENAME TO lines_away")
    await apply_notice(database)

    async with asyncio.timeout(1):
        assert await watch.tried.get() is known
    await database.execute("ALTER TABLE lines_away RENAME TO lines")

    assert (await watch.changed_from(known, seconds=5)).revision_id == 2


async def apply_notice(database: Database) -> None:
    """Announce a revision without a change."""
    await database.execute("INSERT INTO revisions (summary) VALUES ('nothing')")
    await database.execute("SELECT pg_notify('callctl_directory', '2')")
