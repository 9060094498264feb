"""Closes the money of calls that an earlier run of the switch left behind; called by exchange.

Such a leg is charged to the last moment that is proven and never beyond its paid time.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callctl.charging.leg_money import count_request
from callctl.charging.resumed import counted_of, meter_of
from callctl.errors import ReservationUnknown
from callctl.ledger import Outcome, Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from callctl.rating import Meter
from callctl.values.ids import derived_id


@dataclass(frozen=True, slots=True)
class Settled:
    """What one payer of an abandoned leg has paid in all, and for which time."""

    talk_ms: int
    billed_seconds: int
    cost_micros: int


async def settle_abandoned(
    teller: Teller, charge: dict[str, Any], row: Any, ended_at: datetime | None
) -> Settled:
    """Settle one of a live call's `charges`; without `ended_at` what was posted stands.

    `row` is what read_held has found of its reservation, None when there is none.
    """
    meter = meter_of(charge)
    began = charge["charged_from"] is not None
    talk_ms = 0
    if ended_at is not None and began:
        elapsed_ms = round((ended_at - meter.started_at).total_seconds() * 1000)
        talk_ms = max(0, min(elapsed_ms, _paid_seconds(charge, row, meter) * 1000))
    if row is None:  # a free leg, or the crash came before the money was held
        talk_ms = talk_ms if meter.is_free else 0
        return Settled(talk_ms, meter.billed_seconds(talk_ms), 0)
    posted, amount = row["posted_micros"], 0
    if row["is_open"]:
        amount = min(max(meter.cost_micros(talk_ms) - posted, 0), row["held_micros"])
        [answer] = await teller.submit([_settlement(charge, amount)], Urgency.SETTLE)
        amount = amount if answer.outcome is Outcome.GRANTED else 0
    cost = posted + amount
    if meter.cost_micros(talk_ms) != cost:  # what was paid tells for which time
        talk_ms = meter.quota_seconds(cost) * 1000 if cost else 0
    return Settled(talk_ms, meter.billed_seconds(talk_ms), cost)


async def release_count(teller: Teller, count: dict[str, Any], *, is_answered: bool) -> None:
    """Settle one of a live call's `counts`."""
    request = count_request(counted_of(count), TransferKind.SETTLE, is_answered=is_answered)
    try:
        await teller.submit([request], Urgency.SETTLE)
    except ReservationUnknown:
        return  # the crash came before it was counted


async def release_unclaimed(teller: Teller, rows: Sequence[Any]) -> None:
    """Give back what reservations hold whose call had no row yet; it was not rung for long."""
    requests = [
        TransferRequest(
            id=derived_id(row["id"], "settle abandoned"),
            kind=TransferKind.SETTLE,
            from_account_id=row["account_id"],
            to_account_id=row["payee_account_id"],
            reservation_id=row["id"],
            leg_id=row["leg_id"],
        )
        for row in rows
    ]
    await asyncio.gather(*(teller.submit([one], Urgency.SETTLE) for one in requests))


def _paid_seconds(charge: dict[str, Any], row: Any, meter: Meter) -> int:
    """How long is paid for; the first row of a call was written before that was known."""
    if charge["paid_seconds"] or row is None:
        return int(charge["paid_seconds"])
    return meter.quota_seconds(row["held_micros"] + row["posted_micros"])


def _settlement(charge: dict[str, Any], amount_micros: int) -> TransferRequest:
    reservation_id = uuid.UUID(charge["reservation_id"])
    return TransferRequest(
        id=derived_id(reservation_id, "settle abandoned"),
        kind=TransferKind.SETTLE,
        from_account_id=charge["account_id"],
        to_account_id=charge["payee_account_id"],
        amount_micros=amount_micros,
        reservation_id=reservation_id,
        leg_id=uuid.UUID(charge["leg_id"]),
    )
