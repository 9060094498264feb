"""callctl apply of a file that speaks of what is provisioned already, or contradicts it."""

import pytest

from callctl.db.pool import Database
from callctl.directory.apply import Plan
from tests.db.provisioning import EVERYTHING, apply_text, changed, lines_of, loaded, refused


async def test_file_may_name_what_is_provisioned_already(database: Database) -> None:
    """A tenant's own file does without the tariffs, calendars and resellers it uses."""
    await apply_text(database, EVERYTHING)
    alone = "tenants:\n" + EVERYTHING.partition("tenants:\n")[2]

    assert await apply_text(database, alone) == Plan()
    await apply_text(
        database, alone.replace("limits: {concurrent_calls: 2", "limits: {calls_per_day: 2")
    )

    assert (await loaded(database)).dids["4001234567"].tariff.name == "retail"


OTHER = """\
tenants:
  - name: other
    reseller: shop
    account: {currency: CNY}
    lines:
      - {name: desk, number: "01062000002", tariff: mobiles}
    dids:
      - {number: "4007654321", tariff: retail, lines: [desk]}
"""
MOBILES = """\
tariffs:
  - {name: mobiles, rates: [{prefix: "8613", price_per_minute: "1"}]}
  - {name: cities, rates: [{area: 北京, price_per_minute: "1"}]}
  - {name: euros, currency: EUR, rates: [{price_per_minute: "1"}]}
"""


@pytest.mark.parametrize(
    ("old", "new", "field", "line", "words"),
    [
        (
            "retail",
            "reta1l",
            "tenants[0].dids[0].tariff",
            8,
            "no tariff 'reta1l' (there is cities, euros,",
        ),
        ("retail", "euros", "tenants[0].dids[0].tariff", 8, "in EUR and the account in CNY"),
        ("retail", "mobiles", "tenants[0].dids[0].tariff", 8, "callers who show no number"),
        ("shop", "nobody", "tenants[0].reseller", 3, "no reseller 'nobody' (there is house, shop)"),
        ("CNY", "EUR", "tenants[0].reseller", 3, "need one currency"),
    ],
)
async def test_what_is_outside_the_file_is_checked_like_what_is_in_it(
    database: Database, old: str, new: str, field: str, line: int, words: str
) -> None:
    """A provisioned tariff or reseller that does not fit is refused with line, field, remedy."""
    await apply_text(database, EVERYTHING)
    await apply_text(database, MOBILES)
    text = OTHER.replace(", tariff: mobiles}", "}").replace(old, new)

    problems = await refused(database, text)

    (problem,) = [found for found in problems if found.field == field]
    assert problem.line == line
    assert words in problem.message


async def test_line_needs_a_price_in_the_provisioned_tariff(database: Database) -> None:
    """A line's tariff of outside the file must price the line's own number, by prefix or area."""
    await apply_text(database, EVERYTHING)
    await apply_text(database, MOBILES)

    (problem,) = await refused(database, OTHER)
    await apply_text(database, OTHER.replace("mobiles", "cities"))

    assert (problem.line, problem.field) == (6, "tenants[0].lines[0].tariff")
    assert "8610" in problem.message


async def test_tariff_may_not_leave_others_without_a_price(database: Database) -> None:
    """A new version without a price for somebody who is not in the file is refused."""
    await apply_text(database, EVERYTHING)
    text = 'tariffs:\n  - name: retail\n    rates:\n      - {prefix: "44", price_per_minute: "1"}\n'

    (problem,) = await refused(database, text)

    assert (problem.line, problem.field) == (3, "tariffs[0].rates")
    assert "DID 4001234567 of acme, line desk of acme" in problem.message


@pytest.mark.parametrize(
    ("pairs", "field", "words"),
    [
        (
            [("    timezone: Asia/Urumqi\n", "    reseller: shop\n")],
            "resellers[1].reseller",
            "house < shop < house is a circle",
        ),
        ([("reseller: house", "reseller: shop")], "resellers[0].reseller", "shop < shop"),
        (
            [("calendar: cn", "calendar: xy")],
            "tariffs[0].calendar",
            "no calendar 'xy' (there is cn)",
        ),
        (
            [('opening_balance: "50"', 'opening_balance: "51"')],
            "resellers[0].account.opening_balance",
            "topup reseller:shop",
        ),
    ],
)
async def test_what_cannot_be_of_resellers_and_calendars_is_refused(
    database: Database, pairs: list[tuple[str, str]], field: str, words: str
) -> None:
    """Circles, calendars that are not there, and money that has moved already are refused."""
    await apply_text(database, EVERYTHING)

    problems = await refused(database, changed(*pairs))

    assert [problem.field for problem in problems] == [field]
    assert words in problems[0].message


async def test_at_most_five_resellers_stand_above_each_other(database: Database) -> None:
    """The fifth is possible and the sixth is refused, wherever in the chain it is added."""
    rows = [
        f"  - {{name: r{level}, tariff: plain, account: {{}}"
        + (f", reseller: r{level - 1}}}" if level > 1 else "}")
        for level in range(1, 6)
    ]
    head = "tariffs: [{name: plain, rates: [{price_per_minute: '1'}]}]\nresellers:\n"
    await apply_text(database, head + "\n".join(reversed(rows)) + "\n")

    above = rows[0].replace("account: {}", "account: {}, reseller: r0")
    top = "  - {name: r0, tariff: plain, account: {}}"
    (problem,) = await refused(database, f"resellers:\n{above}\n{top}\n")

    assert "6 resellers" in problem.message
    assert problem.field == "resellers[0].reseller"


async def test_a_carriers_cost_has_a_tariff_and_an_account(database: Database) -> None:
    """A line's carrier tariff opens the account of the carrier, whom our own revenue pays."""
    await apply_text(database, EVERYTHING)
    [line] = lines_of((await loaded(database)).dids["4001234567"])
    rows = await database.fetch("SELECT id, name, kind FROM accounts")
    accounts = {row["name"]: row for row in rows}

    assert line.carrier is not None
    assert line.carrier.tariff.name == "wholesale"
    assert line.carrier.account_id == accounts["carrier:carrier:CNY"]["id"]
    assert accounts["carrier:carrier:CNY"]["kind"] == "carrier"
    assert line.carrier.revenue_account_id == accounts["revenue:CNY"]["id"]
