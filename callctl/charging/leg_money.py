"""The money of one leg: what is held and posted, and the ledger requests that change it.

Used by charging.charge only. Every request's id is derived from the reservation's, so that the
same request sent again is known to the ledger.
"""

from dataclasses import dataclass

from callctl import rating
from callctl.charging.payer import Payer
from callctl.ledger import Answer, Outcome, TransferKind, TransferRequest
from callctl.values.ids import derived_id


@dataclass(frozen=True, slots=True)
class LegCost:
    """What a leg cost in the end, for its CDR."""

    payer: Payer
    billed_seconds: int
    cost_micros: int


@dataclass(slots=True)
class LegMoney:
    """One charged leg; `standing` is the payer's account as last seen."""

    payer: Payer
    held_micros: int = 0
    posted_micros: int = 0
    renewals: int = 0
    standing: Answer | None = None

    def reserve(self, seconds: int) -> TransferRequest:
        """Hold the price of the first `seconds`."""
        hold = rating.cost_micros(self.payer.rate, seconds * 1000)
        return self._request(TransferKind.RESERVE, f"reserve {hold}", hold=hold)

    def reserved(self, request: TransferRequest, answer: Answer) -> None:
        """Note that `request` was granted."""
        self.held_micros, self.standing = request.hold_micros, answer

    def renew(self, elapsed_ms: int, total_seconds: int) -> TransferRequest:
        """Post what `elapsed_ms` cost, and hold the rest of the price of `total_seconds`."""
        used = rating.cost_micros(self.payer.rate, elapsed_ms)
        post = max(0, used - self.posted_micros)
        price = rating.cost_micros(self.payer.rate, total_seconds * 1000)
        self.renewals += 1
        return self._request(
            TransferKind.RENEW,
            f"renew {self.renewals}",
            amount=post,
            hold=price - self.posted_micros - post,
        )

    def renewed(self, request: TransferRequest, answer: Answer) -> None:
        """Note what came of `request`: its amount is posted, its hold granted or not."""
        self.posted_micros += request.amount_micros
        is_granted = answer.outcome is Outcome.GRANTED
        self.held_micros = (
            request.hold_micros if is_granted else self.held_micros - request.amount_micros
        )
        self.standing = answer

    def settle(self, talk_ms: int) -> tuple[LegCost, list[TransferRequest]]:
        """The leg's cost, and what posts its rest, voids what is held, gives back too much."""
        cost = rating.cost_micros(self.payer.rate, talk_ms)
        billed = rating.billed_seconds(self.payer.rate, talk_ms)
        leg_cost = LegCost(self.payer, billed, cost)
        if self.payer.is_free:
            return leg_cost, []
        step = [
            self._request(TransferKind.SETTLE, "settle", amount=max(0, cost - self.posted_micros))
        ]
        if cost < self.posted_micros:  # the talk's end was known later than it came
            step.append(self._refund(self.posted_micros - cost))
        return leg_cost, step

    def _request(
        self, kind: TransferKind, name: str, *, amount: int = 0, hold: int = 0
    ) -> TransferRequest:
        payer = self.payer
        return TransferRequest(
            id=derived_id(payer.reservation_id, name),
            kind=kind,
            from_account_id=payer.tenant.account_id,
            to_account_id=payer.tenant.revenue_account_id,
            amount_micros=amount,
            hold_micros=hold,
            reservation_id=payer.reservation_id,
            leg_id=payer.leg_id,
        )

    def _refund(self, micros: int) -> TransferRequest:
        return TransferRequest(
            id=derived_id(self.payer.reservation_id, "refund"),
            kind=TransferKind.REFUND,
            from_account_id=self.payer.tenant.revenue_account_id,
            to_account_id=self.payer.tenant.account_id,
            amount_micros=micros,
            memo="posted beyond the end of the talk",
        )
