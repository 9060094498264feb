"""callctl apply: calendars, all that a rate has, resellers, limits; loaded, planned, exported."""

from datetime import UTC, date, datetime

import pytest

from callctl.db.pool import Database
from callctl.directory.answering import Greeting
from callctl.directory.apply import Plan, plan
from callctl.directory.models import Limits
from callctl.directory.reading import read_document
from callctl.directory.store import DirectoryWatch, frozen_rates, load_tariff
from callctl.errors import NotFound
from callctl.values.tariff import Band, DayKind, Rate
from tests.db.provisioning import (
    EVERYTHING,
    apply_text,
    changed,
    exported,
    loaded,
    signed,
)

NATIONAL_DAY = datetime(2026, 9, 30, 16, tzinfo=UTC)


async def test_all_that_a_rate_has_is_loaded(database: Database) -> None:
    """Area, free seconds, first step, maximum, validity and bands of the file are the switch's."""
    await apply_text(database, EVERYTHING)

    tariff = (await loaded(database)).dids["4001234567"].tariff
    default, old, new, area = tariff.rates
    assert (default.free_seconds, default.first_step_seconds) == (10, 180)
    assert (default.first_step_price_micros, default.maximum_cost_micros) == (500_000, 5_000_000)
    assert default.bands == (
        Band("feast", ("sun", "holiday"), 0, 1440, 100_000),
        Band("夜间", (), 1200, 480, 200_000),
    )
    assert (old.prefix, old.valid_from, old.valid_until) == ("86139", None, NATIONAL_DAY)
    assert (new.prefix, new.valid_from, new.valid_until) == ("86139", NATIONAL_DAY, None)
    assert (area.prefix, area.area, area.next_increment_seconds) == ("", "440300", 1)
    assert tariff.calendar is not None
    assert tariff.calendar.days == {
        date(2026, 10, 1): DayKind.HOLIDAY,
        date(2026, 10, 10): DayKind.WORKDAY,
    }


async def test_resellers_and_limits_are_loaded(database: Database) -> None:
    """A tenant has its chain of resellers; each one's money is posted to the one above."""
    await apply_text(database, EVERYTHING)

    did = (await loaded(database)).dids["4001234567"]
    shop = did.tenant.reseller
    assert shop is not None
    house = shop.parent
    assert house is not None
    ids = {row["name"]: row["id"] for row in await database.fetch("SELECT id, name FROM accounts")}
    assert did.tenant.revenue_account_id == ids["revenue:reseller:shop"]
    assert shop.revenue_account_id == ids["revenue:reseller:house"]
    assert house.revenue_account_id == ids["revenue:CNY"]
    assert (shop.account_id, shop.account_name) == (ids["reseller:shop"], "reseller:shop")
    assert (shop.tariff.name, shop.line_tariff, house.line_tariff) == (
        "wholesale",
        shop.tariff,
        None,
    )
    assert (house.parent, house.timezone) == (None, "Asia/Urumqi")
    assert shop.limits == Limits(cost_per_month_micros=1_000_000_000)
    assert did.limits == Limits(concurrent_calls=2, cost_per_day_micros=1_000_000)
    assert did.tenant.limits == Limits(3, 100, 2000, 10_500_000, 200_000_000, 3600)
    assert did.tenant.warn_seconds == ()
    assert did.greeting == Greeting("callctl/greeting-demo")


async def test_accounts_of_resellers_are_opened_with_their_money(database: Database) -> None:
    """A reseller has a paying account with its opening balance and limit, and one for revenue."""
    await apply_text(database, EVERYTHING)

    rows = await database.fetch(
        "SELECT name, kind, balance_micros, credit_limit_micros FROM accounts "
        "WHERE name LIKE '%shop' OR name = 'clearing:CNY' ORDER BY name"
    )
    assert [tuple(row) for row in rows] == [
        ("clearing:CNY", "clearing", -650_000_000, 0),
        ("reseller:shop", "reseller", 50_000_000, 10_000_000),
        ("revenue:reseller:shop", "revenue", 0, 0),
    ]


async def test_everything_comes_back_from_export(database: Database) -> None:
    """The exported file is read without a difference, and makes the same in another database."""
    await apply_text(database, EVERYTHING)
    text = await exported(database)

    assert (await apply_text(database, EVERYTHING)) == Plan()
    assert (await apply_text(database, text)) == Plan()
    assert await exported(database) == text
    assert await exported(database, "acme") == text
    assert "2026-10-01T00:00:00+08:00" in text
    assert read_document(text.encode()).tariffs == read_document(EVERYTHING.encode()).tariffs


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (
            "free_seconds: 10",
            "free_seconds: 20",
            ("~", "tariffs.retail.rates.*.free_seconds", "10", "20"),
        ),
        (
            "{seconds: 180,",
            "{seconds: 60,",
            ("~", "tariffs.retail.rates.*.first_step.seconds", "180", "60"),
        ),
        (
            'maximum_cost: "5"',
            'maximum_cost: "6"',
            ("~", "tariffs.retail.rates.*.maximum_cost", "5.00", "6.00"),
        ),
        (
            'from: "20:00"',
            'from: "21:00"',
            (
                "~",
                "tariffs.retail.rates.*.bands",
                "feast=sun,holiday 00:00-24:00 0.10; 夜间=all 20:00-08:00 0.20",
                "feast=sun,holiday 00:00-24:00 0.10; 夜间=all 21:00-08:00 0.20",
            ),
        ),
        (
            'price_per_minute: "0.25"',
            'price_per_minute: "0.26"',
            ("~", "tariffs.retail.rates.深圳.price_per_minute", "0.25", "0.26"),
        ),
        (
            'price_per_minute: "0.35"',
            'price_per_minute: "0.36"',
            (
                "~",
                "tariffs.retail.rates.86139 from 2026-10-01T00:00:00+08:00.price_per_minute",
                "0.35",
                "0.36",
            ),
        ),
        (
            "concurrent_calls: 3",
            "concurrent_calls: 4",
            ("~", "tenants.acme.account.limits.concurrent_calls", "3", "4"),
        ),
        (
            "limits: {concurrent_calls: 2, cost",
            "limits: {cost",
            ("-", "tenants.acme.dids.4001234567.limits.concurrent_calls", "2", None),
        ),
        (
            'credit_limit: "10"',
            'credit_limit: "20"',
            ("~", "resellers.shop.account.credit_limit", "10.00", "20.00"),
        ),
        ("reseller: shop", "reseller: house", ("~", "tenants.acme.reseller", "shop", "house")),
        (
            "warn_seconds: []",
            "warn_seconds: [9]",
            ("+", "tenants.acme.account.warn_seconds", None, "9"),
        ),
    ],
)
async def test_each_new_field_is_planned_and_applied(
    database: Database, old: str, new: str, change: tuple[str, ...]
) -> None:
    """A dry run shows exactly the field that differs; after apply there is no difference."""
    await apply_text(database, EVERYTHING)
    document = read_document(changed((old, new)).encode())

    async with database.transaction() as connection:
        planned = await plan(connection, document)

    assert signed(planned) == [change]
    assert (await apply_text(database, changed((old, new)))).changes == planned.changes
    assert await apply_text(database, changed((old, new))) == Plan()


async def test_changed_calendar_makes_new_versions_of_its_tariffs(database: Database) -> None:
    """Tariffs that use a calendar follow it, in the file or not; calls of before keep the old."""
    await apply_text(database, EVERYTHING)
    calendar = changed(("kind: workday", "kind: holiday")).partition("tariffs:")[0]

    found = await apply_text(database, calendar)

    assert signed(found) == [
        ("~", "calendars.cn.days.2026-10-10.kind", "workday", "holiday"),
        ("~", "tariffs.retail.version", "1", "2"),
    ]
    tariff = (await loaded(database)).dids["4001234567"].tariff
    assert tariff.version == 2
    assert tariff.calendar is not None
    assert tariff.calendar.days[date(2026, 10, 10)] is DayKind.HOLIDAY
    assert len(tariff.rates) == 4
    rows = await database.fetch("SELECT id FROM rates ORDER BY id")
    async with database.transaction() as connection:
        frozen = await frozen_rates(connection, [row["id"] for row in rows] + [10**9])
    assert len(frozen) == len(rows) == 9
    old_rate, old_calendar = frozen[rows[0]["id"]]
    assert old_calendar is not None
    assert old_calendar.days[date(2026, 10, 10)] is DayKind.WORKDAY
    assert frozen[tariff.rates[0].id] == (tariff.rates[0], tariff.calendar)
    assert frozen[rows[4]["id"]][1] is None  # of wholesale
    assert old_rate.bands == tariff.rates[0].bands


async def test_name_of_a_day_is_for_people_only(database: Database) -> None:
    """Another name of a holiday is written, and no tariff gets a new version for it."""
    await apply_text(database, EVERYTHING)

    found = await apply_text(database, changed(("国庆节", "National Day")))

    assert signed(found) == [("~", "calendars.cn.days.2026-10-01.name", "国庆节", "National Day")]
    assert await database.fetchval("SELECT max(version) FROM tariff_versions") == 1


async def test_load_tariff_gives_the_newest_version(database: Database) -> None:
    """By its name the tariff comes as it is now; an unknown name says how to find the right one."""
    await apply_text(database, EVERYTHING)
    await apply_text(database, changed(("free_seconds: 10", "free_seconds: 20")))

    async with database.transaction() as connection:
        tariff = await load_tariff(connection, "retail")
        with pytest.raises(NotFound, match="callctl tariff list"):
            await load_tariff(connection, "nothing")

    assert (tariff.version, tariff.rates[0].free_seconds) == (2, 20)
    assert all(rate.id > 0 for rate in tariff.rates)


async def test_watch_keeps_the_tariffs_that_did_not_change(
    database: Database, database_url: str
) -> None:
    """A reload takes over the versions that it knows, and reads only the new ones."""
    await apply_text(database, EVERYTHING)
    watch = DirectoryWatch(database, database_url)
    await watch.reload()
    before = watch.current.dids["4001234567"]

    await apply_text(database, changed(('"0.05"', '"0.06"')))
    await watch.reload()

    after = watch.current.dids["4001234567"]
    assert after.tariff is before.tariff
    assert before.tenant.reseller is not None
    assert after.tenant.reseller is not None
    assert after.tenant.reseller.tariff.rates[0].price_per_minute_micros == 60_000
    assert before.tenant.reseller.tariff.rates[0].price_per_minute_micros == 50_000


def test_rate_that_is_written_has_no_id() -> None:
    """A rate of a file has no id: the database gives it one."""
    document = read_document(EVERYTHING.encode())

    assert document.tariffs[1].rates[0].to_rate() == Rate("", 0, 50_000, 0, 60, 60)
