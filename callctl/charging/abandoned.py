"""Closes the money of calls that an earlier run of the switch left behind; called by exchange.

Such a leg is charged to the last moment that is proven and never beyond its paid time.
"""

import uuid
from typing import Any

from callctl import rating
from callctl.charging.charge import TalkTimes
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.ledger import Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from callctl.values.ids import derived_id
from callctl.values.tariff import Rate


async def settle_abandoned(
    database: Database, teller: Teller, charge: dict[str, Any], talk_times: TalkTimes
) -> tuple[int, int]:
    """Settle one leg of a live call's `charges`; returns (billed seconds, cost in micro-units).

    `talk_times` has the leg's milliseconds if its end is known; else what was posted stands.
    """
    leg_id = uuid.UUID(charge["leg_id"])
    reservation_id = uuid.UUID(charge["reservation_id"])
    rate = Rate(**charge["rate"])
    talk_ms = min(talk_times.get(leg_id, 0), charge["paid_seconds"] * 1000)
    row = await queries.find_reservation(database, reservation_id=reservation_id)
    if row is None:  # a free leg, or the crash came before the money was held
        return rating.billed_seconds(rate, talk_ms) if rating.is_free(rate) else 0, 0
    posted, held = row["posted_micros"], row["held_micros"]
    amount = 0
    if row["is_open"]:
        amount = min(max(rating.cost_micros(rate, talk_ms) - posted, 0), held)
        await teller.submit(
            [
                TransferRequest(
                    id=derived_id(reservation_id, "settle abandoned"),
                    kind=TransferKind.SETTLE,
                    from_account_id=charge["account_id"],
                    to_account_id=charge["revenue_account_id"],
                    amount_micros=amount,
                    reservation_id=reservation_id,
                    leg_id=leg_id,
                )
            ],
            Urgency.SETTLE,
        )
    cost = posted + amount
    return rating.quota_seconds(rate, cost) if cost else 0, cost
