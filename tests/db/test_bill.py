"""Who pays for a call, and which limits stop it, on the real ledger (B22)."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from callctl.charging import Bill, Biller, Charge, LimitBook, Neighbours, SlicePolicy, Warnings
from callctl.db.pool import Database
from callctl.directory.answering import CarrierCost, Line, Target, TargetKind
from callctl.directory.models import Answering, Did, Limits, Reseller, Tenant
from callctl.ledger import Teller, TransferKind
from callctl.ledger.requests import Urgency
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Rate, Tariff
from tests.db.ledger_desk import open_account, request, unbalanced

EVENING = datetime(2026, 11, 25, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
NONE = Limits()
CALLER = PhoneNumber.parse("01062001234")
RETAIL = Tariff("retail", 1, "CNY", (Rate("", 0, 300_000, 0, 1, 1),))  # 5,000 a second
WHOLESALE = Tariff("wholesale", 1, "CNY", (Rate("", 0, 120_000, 0, 1, 1),))  # 2,000 a second
LINE_RETAIL = Tariff("line", 1, "CNY", (Rate("", 0, 60_000, 0, 1, 1),))  # 1,000 a second


@dataclass
class Office:
    """A ledger, and a number of a tenant who may have a reseller."""

    database: Database
    teller: Teller
    book: LimitBook
    did: Did
    source: int

    def with_limits(self, did: Limits = NONE, tenant: Limits = NONE) -> None:
        self.did = replace(self.did, limits=did, tenant=replace(self.did.tenant, limits=tenant))

    async def bill(self, at: datetime = EVENING) -> Bill:
        biller = Biller(self.book, self.did, at)
        call_id = uuid.uuid4()
        return await biller.service_leg(call_id, uuid.uuid5(call_id, "a"), CALLER, Area.UNKNOWN)

    async def open(self, at: datetime = EVENING) -> Charge:
        charge = Charge(self.teller, SlicePolicy(120, 2.0), Warnings(()), Neighbours())
        await charge.reserve_first(await self.bill(at))
        return charge

    async def end(self, charge: Charge, talk_ms: int) -> None:
        legs = {payer.leg_id for payer in charge.payers}
        charge.begin(list(legs), 0.0, EVENING)
        await charge.close(dict.fromkeys(legs, talk_ms) if talk_ms else {})

    async def available(self, name: str) -> int:
        account_id = await self.database.fetchval("SELECT id FROM accounts WHERE name = $1", name)
        return (await self.teller.standing(account_id)).available_micros

    async def balance(self, name: str) -> int:
        value: int = await self.database.fetchval(
            "SELECT balance_micros FROM accounts WHERE name = $1", name
        )
        return value


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    """A tenant with ¥10 and a number, without limits."""
    teller = Teller(database)
    await teller.start()
    account = await open_account(database, "tenant:t")
    revenue = await open_account(database, "revenue:CNY", "revenue")
    source = await open_account(database, "clearing:CNY", "clearing")
    tenant = Tenant("t", "zh", "Asia/Shanghai", account, "tenant:t", revenue, "CNY", ())
    did = Did("4001234567", tenant, RETAIL, Answering(), Target(TargetKind.REFUSE))
    office = Office(database, teller, LimitBook(database), did, source)
    top_up = request(TransferKind.TOPUP, source, account, amount=10_000_000)
    await teller.submit([top_up], Urgency.SETTLE)
    yield office
    await teller.stop()
    assert await unbalanced(database) == []


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(concurrent_calls=2), "limit_concurrent_calls"),
        (Limits(calls_per_day=2), "limit_calls_per_day"),
        (Limits(calls_per_month=2), "limit_calls_per_month"),
        (Limits(cost_per_day_micros=1_200_000), "limit_cost_per_day"),
        (Limits(cost_per_month_micros=1_200_000), "limit_cost_per_month"),
    ],
)
@pytest.mark.parametrize("whose", ["number", "account"])
async def test_the_call_beyond_a_limit_says_which(
    office: Office, limits: Limits, reason: str, whose: str
) -> None:
    """Two calls of a slice each fit; the third is refused with the limit's name, at no cost."""
    office.with_limits(**{"did" if whose == "number" else "tenant": limits})
    two = [await office.open(), await office.open()]
    assert [charge.denial for charge in two] == ["", ""]
    third = await office.open()

    assert third.denial == reason
    assert third.denied_by is not None
    wanted = "limit:did:4001234567:" if whose == "number" else "limit:tenant:t:"
    assert third.denied_by.name.startswith(wanted)
    assert await office.available("tenant:t") == 10_000_000 - 2 * 600_000
    for charge in two:
        await office.end(charge, 0)


async def test_concurrent_calls_count_only_the_living(office: Office) -> None:
    """A call that has ended, answered or not, leaves its place to the next."""
    office.with_limits(did=Limits(concurrent_calls=1))
    for talk_ms in (5_000, 0, 5_000):
        charge = await office.open()
        assert charge.denial == ""
        assert (await office.open()).denial == "limit_concurrent_calls"
        await office.end(charge, talk_ms)
    assert await office.available("limit:did:4001234567:concurrent_calls") == 1_000_000


async def test_calls_per_day_count_the_answered_until_midnight(office: Office) -> None:
    """An unanswered call is not counted; the next day in the tenant's zone starts at none."""
    office.with_limits(did=Limits(calls_per_day=1))
    await office.end(await office.open(), 0)
    answered = await office.open()
    assert answered.denial == ""
    await office.end(answered, 5_000)
    assert (await office.open()).denial == "limit_calls_per_day"

    tomorrow = await office.open(EVENING + timedelta(minutes=1))
    assert tomorrow.denial == ""
    await office.end(tomorrow, 0)


async def test_a_cost_limit_is_never_exceeded_and_cuts_to_the_second(office: Office) -> None:
    """Calls share what is left of a day's cost; the paid time ends exactly at the cap."""
    office.with_limits(did=Limits(cost_per_day_micros=55_000))  # 11 seconds
    charge = await office.open()
    assert (charge.denial, charge.paid_seconds) == ("", 5)
    other = await office.open()
    assert other.denial == ""
    assert charge.paid_seconds + other.paid_seconds <= 11
    await office.end(charge, 5_000)
    await office.end(other, 1_000)
    left = await office.available("limit:did:4001234567:cost_per_day:2026-11-25")
    assert left == 55_000 - 5 * 5_000 - 1 * 5_000
    assert await office.balance("tenant:t") == 10_000_000 - 30_000


async def test_a_lowered_cap_leaves_nothing_and_cuts_nothing(office: Office) -> None:
    """A cap set below what is used refuses new calls; those that live are settled as ever."""
    office.with_limits(did=Limits(concurrent_calls=2))
    two = [await office.open(), await office.open()]
    office.with_limits(did=Limits(concurrent_calls=1))
    assert (await office.open()).denial == "limit_concurrent_calls"
    await office.end(two[0], 1_000)
    assert (await office.open()).denial == "limit_concurrent_calls"
    await office.end(two[1], 1_000)
    last = await office.open()
    assert last.denial == ""
    await office.end(last, 0)


async def test_the_longest_call_bounds_the_paid_time(office: Office) -> None:
    """No more is reserved than the longest call allowed costs; the smaller bound counts."""
    office.with_limits(
        did=Limits(longest_call_seconds=90), tenant=Limits(longest_call_seconds=3600)
    )
    charge = await office.open()
    assert charge.paid_seconds == 90
    charge.begin([charge.payers[0].leg_id], 0.0, EVENING)
    await charge.advance()
    assert (charge.paid_seconds, charge.exhaustion) == (90, "limit_longest_call")
    await charge.close({})


async def _sold(office: Office, money_micros: int) -> tuple[int, int]:
    """Put two resellers above the tenant; the upper one and the lower one get this much."""
    revenue = office.did.tenant.revenue_account_id
    accounts = []
    for name in ("upper", "lower"):
        account = await open_account(office.database, f"reseller:{name}", "reseller")
        income = await open_account(office.database, f"revenue:reseller:{name}", "revenue")
        top_up = request(TransferKind.TOPUP, office.source, account, amount=money_micros)
        await office.teller.submit([top_up], Urgency.SETTLE)
        accounts.append((account, income))
    (upper, upper_income), (lower, lower_income) = accounts
    cheaper = Tariff("cheaper", 1, "CNY", (Rate("", 0, 60_000, 0, 1, 1),))  # 1,000 a second
    top = Reseller("upper", "Asia/Shanghai", upper, "reseller:upper", revenue, "CNY", cheaper, None)
    under = Reseller(
        *("lower", "Asia/Shanghai", lower, "reseller:lower", upper_income, "CNY", WHOLESALE),
        line_tariff=None,
        parent=top,
    )
    tenant = replace(office.did.tenant, reseller=under, revenue_account_id=lower_income)
    office.did = replace(office.did, tenant=tenant)
    return upper, lower


async def test_resellers_pay_wholesale_in_the_same_step(office: Office) -> None:
    """Tenant at retail, its reseller and that one's parent at wholesale: each to who sold it."""
    await _sold(office, 5_000_000)
    charge = await office.open()
    assert charge.denial == ""
    await office.end(charge, 10_000)

    assert await office.balance("tenant:t") == 10_000_000 - 50_000
    assert await office.balance("revenue:reseller:lower") == 50_000
    assert await office.balance("reseller:lower") == 5_000_000 - 20_000
    assert await office.balance("revenue:reseller:upper") == 20_000
    assert await office.balance("reseller:upper") == 5_000_000 - 10_000
    assert await office.balance("revenue:CNY") == 10_000
    assert sorted(cost.cost_micros for cost in charge.costs) == [10_000, 20_000, 50_000]


async def test_a_reseller_without_money_stops_the_call_and_nobody_pays(office: Office) -> None:
    """When one up the chain can't pay, nothing is held from anybody, and the call says so."""
    await _sold(office, 999)  # the upper one pays 1,000 a second
    charge = await office.open()

    assert charge.denial == "no_reseller_credit"
    assert await office.available("tenant:t") == 10_000_000
    assert await office.available("reseller:lower") == 999


async def test_a_forwarding_leg_counts_against_the_cost_limit_too(office: Office) -> None:
    """The number's cost of a day is that of all its legs."""
    office.with_limits(did=Limits(cost_per_day_micros=1_000_000))
    charge = await office.open()
    line = Line("l", PhoneNumber.parse("13901710001"), "carrier", LINE_RETAIL, 15, ())
    leg_id = uuid.uuid4()
    bill = await Biller(office.book, office.did, EVENING).forwarding_leg(leg_id, line)
    assert await charge.add(bill.payers)
    await office.end(charge, 10_000)

    assert await office.balance("tenant:t") == 10_000_000 - 50_000 - 10_000
    left = await office.available("limit:did:4001234567:cost_per_day:2026-11-25")
    assert left == 1_000_000 - 60_000


async def test_what_the_carrier_costs_us_is_booked_and_stops_nothing(office: Office) -> None:
    """A forwarded leg's cost goes from our revenue to the carrier, below zero if it must."""
    carrier = await open_account(office.database, "carrier:carrier:CNY", "carrier")
    cost = CarrierCost(WHOLESALE, office.did.tenant.revenue_account_id, carrier)
    number = PhoneNumber.parse("13901710001")
    line = Line("l", number, "carrier", None, 15, (), carrier=cost)
    charge = await office.open()
    bill = await Biller(office.book, office.did, EVENING).forwarding_leg(uuid.uuid4(), line)
    assert await charge.add(bill.payers)
    assert charge.seconds_to_act() == pytest.approx(60, abs=1), "no account is near its end"
    await office.end(charge, 10_000)

    assert await office.balance("carrier:carrier:CNY") == 20_000
    assert await office.balance("revenue:CNY") == 50_000 - 20_000
    assert await office.balance("tenant:t") == 10_000_000 - 50_000


async def test_a_tariff_without_a_price_is_named(office: Office) -> None:
    """A number that a tariff has no rate for is no call, and the bill says which tariff it was."""
    only = Tariff("mobiles", 1, "CNY", (Rate("8613", 0, 1, 0, 1, 1),))
    office.did = replace(office.did, tariff=only)
    bill = await office.bill()
    assert (bill.unpriced, bill.payers) == ("mobiles", ())
