"""What PostgreSQL can't work out alone, worked out again; for `callctl audit`.

Each charge's cost from its frozen rate, and which refund belongs to which reservation.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from callctl.directory.store import frozen_rates
from callctl.rating import Meter
from callctl.values.ids import derived_id
from callctl.values.tariff import Calendar, Rate
from callctl.views.audit import AuditReader, Breaches, Proof

_RATES_KEPT_MAX = 50_000
_ANY_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)  # at a rate without bands the hour is nothing


class Recomputing:
    """The proofs that need rating or ids, over what `reader` reads."""

    def __init__(self, reader: AuditReader) -> None:
        self._reader = reader
        self._rates: dict[int, tuple[Rate, Calendar | None]] = {}

    async def costs(self) -> Proof:
        """Work out every charge's billed seconds and cost from its frozen rate again."""
        breaches = Breaches()
        async for rows in self._reader.plain_charges():
            await self._read_rates(rows)
            for row in rows:
                await self._check_plain(row, breaches)
        async for rows in self._reader.banded_charges():
            await self._read_rates(rows)
            for row in rows:
                self._check_banded(row, breaches)
        return breaches.proof("costs", "each charge costs what its frozen rate says, to the micro")

    async def settlements(self) -> Proof:
        """Compare every charge with what its one closed reservation posted and gave back."""
        breaches = Breaches()
        for row in await self._reader.double_charges():
            breaches.add(row["leg_id"], f"charges of {row['account']}", 1, 2)
        refunded: set[UUID] = {
            _refund_id(reservation_id) for reservation_id in await self._reader.live_reservations()
        }
        async for rows in self._reader.unlike_charges():
            ids = {_refund_id(row["found_id"]): row["found_id"] for row in rows if row["found_id"]}
            amounts = await self._reader.refund_amounts(ids)
            refunded.update(amounts)
            given_back = {ids[refund_id]: amount for refund_id, amount in amounts.items()}
            for row in rows:
                _check_settlement(row, given_back.get(row["found_id"], 0), breaches)
        async for rows in self._reader.leg_refunds():
            for row in rows:
                if row["id"] not in refunded:
                    what = f"refund to {row['account']}, in micro-units"
                    breaches.add(row["id"], what, "of a charge", row["amount_micros"])
        return breaches.proof(
            "settlements", "each charge is what its one closed reservation posted, less refunds"
        )

    async def _read_rates(self, rows: Sequence[Any]) -> None:
        """Have the rates of these rows at hand; each is read once while they are not too many."""
        missing = sorted({row["rate_id"] for row in rows} - self._rates.keys())
        if missing:
            if len(self._rates) > _RATES_KEPT_MAX:
                self._rates.clear()
                missing = sorted({row["rate_id"] for row in rows})
            self._rates |= await frozen_rates(self._reader.connection, missing)

    async def _check_plain(self, row: Any, breaches: Breaches) -> None:
        rate, calendar = self._rates[row["rate_id"]]
        cost = _cost(Meter(rate, _ANY_MOMENT, "UTC", calendar), row["seconds"] * 1000)
        if cost == (row["billed_seconds"], row["cost_micros"]):
            return
        count = breaches.count + row["charges"]
        for charge in await self._reader.alike_charges(row):
            _add_cost(breaches, charge, cost, row)
        breaches.count = count

    def _check_banded(self, row: Any, breaches: Breaches) -> None:
        rate, calendar = self._rates[row["rate_id"]]
        if row["charged_from"] is None or row["timezone"] is None:
            cost = (0, 0)  # it never began
        else:
            meter = Meter(rate, row["charged_from"], row["timezone"], calendar)
            cost = _cost(meter, row["charged_ms"])
        if cost != (row["billed_seconds"], row["cost_micros"]):
            _add_cost(breaches, row, cost, row)


def _cost(meter: Meter, charged_ms: int) -> tuple[int, int]:
    return meter.billed_seconds(charged_ms), meter.cost_micros(charged_ms)


def _add_cost(breaches: Breaches, charge: Any, cost: tuple[int, int], row: Any) -> None:
    breaches.add(
        charge["leg_id"],
        f"billed_seconds and cost_micros for {charge['account']}",
        f"{cost[0]} s, {cost[1]}",
        f"{row['billed_seconds']} s, {row['cost_micros']}",
    )


def _check_settlement(row: Any, refunded_micros: int, breaches: Breaches) -> None:
    if row["leg_id"] is None:
        if row["posted_micros"] != refunded_micros:
            what = f"posted_micros of reservation {row['found_id']}, which no charge names"
            breaches.add(row["found_leg_id"], what, 0, row["posted_micros"] - refunded_micros)
        return
    subject, whose = row["leg_id"], f"of {row['account']}"
    if row["found_id"] is None:
        breaches.add(subject, f"reservation {whose}", row["reservation_id"] or "one", "none")
        return
    if not row["is_closed"]:
        breaches.add(subject, f"reservation {row['found_id']} {whose}", "closed", "open")
    owner = (row["found_leg_id"], row["found_account"])
    if owner != (row["leg_id"], row["account"]):
        what = f"leg and account of reservation {row['found_id']}"
        breaches.add(subject, what, f"{row['leg_id']}, {row['account']}", f"{owner[0]}, {owner[1]}")
    posted = row["posted_micros"] - refunded_micros
    if posted != row["cost_micros"]:
        breaches.add(subject, f"cost_micros {whose}, by posts", posted, row["cost_micros"])


def _refund_id(reservation_id: UUID) -> UUID:
    """The id that charging.leg_money gives the refund of a reservation."""
    return derived_id(reservation_id, "refund")
