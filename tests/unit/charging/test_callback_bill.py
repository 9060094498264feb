"""Who pays for the caller's leg of a callback."""

import uuid
from datetime import UTC, datetime
from typing import Any

from callctl.charging import Biller, LimitBook, Role
from callctl.directory.answering import Callback, CarrierCost, Target, TargetKind
from callctl.directory.models import Answering, Did, Reseller, Tenant
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Rate, Tariff

NOW = datetime(2026, 11, 25, tzinfo=UTC)
CALLER = PhoneNumber.parse("13800138000")
NO_DATABASE: Any = None  # without limits no control account is looked for
NO_BOOK = LimitBook(NO_DATABASE)


def tariff(name: str, prefix: str = "") -> Tariff:
    """A tariff of one price."""
    return Tariff(name, 1, "CNY", (Rate(prefix, 0, 60_000, 0, 1, 1),))


HOUSE = Reseller("house", "Asia/Shanghai", 5, "reseller:house", 6, "CNY", tariff("in-house"), None)
SHOP = Reseller(
    *("shop", "Asia/Shanghai", 3, "reseller:shop", 4, "CNY", tariff("in-shop"), tariff("out-shop")),
    parent=HOUSE,
)
TENANT = Tenant("acme", "zh", "Asia/Shanghai", 1, "tenant:acme", 2, "CNY", (), reseller=SHOP)


def did(callback: Callback) -> Did:
    """A number of a tenant of a reseller of a reseller."""
    target = Target(TargetKind.GROUP, "desk")
    return Did("4001234567", TENANT, tariff("in"), Answering(), target, callback=callback)


async def test_all_pay_for_a_leg_that_goes_out() -> None:
    """The tenant at the callback's tariff, the reseller at its line tariff, we to the carrier."""
    carrier = CarrierCost(tariff("cost"), 8, 9)
    biller = Biller(NO_BOOK, did(Callback("carrier", tariff("back"), carrier)), NOW)
    bill = await biller.callback_leg(uuid.uuid4(), uuid.uuid4(), CALLER, Area.UNKNOWN)

    assert [(one.account.name, one.tariff.name, one.account.role) for one in bill.payers] == [
        ("tenant:acme", "back", Role.TENANT),
        ("reseller:shop", "out-shop", Role.RESELLER),
        ("revenue:CNY", "cost", Role.CARRIER),
    ]
    assert bill.unpriced == ""


async def test_a_caller_without_a_rate_is_unpriced() -> None:
    """The tariff that has no rate for the caller is named."""
    biller = Biller(NO_BOOK, did(Callback("carrier", tariff("abroad", "44"))), NOW)
    bill = await biller.callback_leg(uuid.uuid4(), uuid.uuid4(), CALLER, Area.UNKNOWN)

    assert (bill.payers, bill.unpriced) == ((), "abroad")
