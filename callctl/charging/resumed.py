"""Takes up the money of a call where an earlier run of the switch left it; called by exchange.

The ledger says what is held and posted, the live call's row for what.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callctl.charging.leg_money import LegMoney
from callctl.charging.payer import CountedCall, Payer, PayingAccount, Role
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.directory.rates import calendar_of
from callctl.ledger import Answer, Outcome
from callctl.rating import Meter
from callctl.values.ids import new_id
from callctl.values.tariff import Rate, Tariff


@dataclass(frozen=True, slots=True)
class Resumed:
    """The money of an adopted call: its legs', what counts it, and when its charged time began.

    `began_at` is None when nothing is charged yet.
    """

    legs: tuple[LegMoney, ...]
    counts: tuple[CountedCall, ...]
    seconds_max: int | None
    began_at: datetime | None


async def read_held(
    database: Database, charges: Iterable[Mapping[str, Any]]
) -> Mapping[uuid.UUID, Any]:
    """What the ledger has of the reservations of live calls' `charges`, by id; in one statement."""
    ids = {uuid.UUID(one["reservation_id"]) for one in charges}
    rows = await queries.find_reservations(database, ids=list(ids)) if ids else []
    return {row["id"]: row for row in rows}


def resumed(
    charges: Sequence[Mapping[str, Any]],
    counts: Sequence[Mapping[str, Any]],
    seconds_max: int | None,
    held: Mapping[uuid.UUID, Any],
) -> Resumed | None:
    """What `Charge.resume` takes; None when a reservation is closed: the call has no money.

    `held` is what `read_held` has found.
    """
    began_at = min(
        (datetime.fromisoformat(one["charged_from"]) for one in charges if one["charged_from"]),
        default=None,
    )
    legs: list[LegMoney] = []
    for row in charges:
        leg = LegMoney(payer_of(row), renewal_name=f"renew {new_id().hex}")
        if row["charged_from"] and began_at is not None:
            begin = datetime.fromisoformat(row["charged_from"])
            leg.offset_ms = round((begin - began_at).total_seconds() * 1000)
        if not leg.payer.is_free:
            money = held.get(leg.payer.reservation_id)
            if money is None or not money["is_open"]:
                return None
            leg.held_micros, leg.posted_micros = money["held_micros"], money["posted_micros"]
            leg.standing = _standing(money)
        legs.append(leg)
    return Resumed(tuple(legs), tuple(counted_of(row) for row in counts), seconds_max, began_at)


def _standing(money: Mapping[str, Any]) -> Answer:
    return Answer(
        Outcome.GRANTED,
        money["balance_micros"],
        money["available_micros"],
        money["open_reservations"],
        money["account_held_micros"],
    )


def payer_of(row: Mapping[str, Any]) -> Payer:
    """The payer of one of a live call's `charges`; its tariff has its name and version only."""
    account = PayingAccount(
        row["account_id"],
        row["account"],
        row["payee_account_id"],
        Role(row["role"]),
        row.get("limit", ""),
    )
    tariff = Tariff(row["tariff"], row["tariff_version"], "", ())
    return Payer(uuid.UUID(row["leg_id"]), account, tariff, meter_of(row))


def meter_of(row: Mapping[str, Any]) -> Meter:
    """The meter of one of a live call's `charges`, from where its charged time began."""
    moment = datetime.fromisoformat(row["charged_from"] or row["quoted_from"])
    rate, calendar = Rate.from_json(row["rate"]), calendar_of(row["calendar"])
    return Meter(rate, moment, row["timezone"], calendar)


def counted_of(row: Mapping[str, Any]) -> CountedCall:
    """The counted call of one of a live call's `counts`."""
    account = PayingAccount(row["account_id"], row["account"], row["payee_account_id"], Role.LIMIT)
    return CountedCall(uuid.UUID(row["call_id"]), account, row["is_used_up"])
