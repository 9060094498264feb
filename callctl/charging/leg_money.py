"""The money of one payer of a leg: what is held and posted, and the requests that change it.

Used by charging.charge only. Every request's id is derived from the reservation's, so that the
same request sent again is known to the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from callctl.charging.payer import CountedCall, Payer, PayingAccount
from callctl.ledger import Answer, Outcome, TransferKind, TransferRequest
from callctl.values.ids import derived_id
from callctl.values.money import MICROS_PER_UNIT

EXPIRY_GRACE_SECONDS = 14_400
"""A reservation whose call nobody settles is given back so long after its paid time."""
_COUNT_EXPIRY_SECONDS = 86_400  # a place among the live calls is not renewed


@dataclass(frozen=True, slots=True)
class LegCost:
    """What a leg cost one of its payers in the end, for its CDR; `talk_ms` is what was charged."""

    payer: Payer
    talk_ms: int
    billed_seconds: int
    cost_micros: int


@dataclass(slots=True)
class LegMoney:
    """One payer of one leg; `standing` is its account as last seen.

    `offset_ms` is how long the call had been charged when this leg's own talk began; None while
    it does not talk yet.
    """

    payer: Payer
    offset_ms: int | None = None
    held_micros: int = 0
    posted_micros: int = 0
    renewals: int = 0
    standing: Answer | None = None
    renewal_name: str = "renew"  # another for each run of the switch that has the call

    def price_of(self, total_seconds: int, elapsed_ms: int = 0) -> int:
        """What the leg costs when the call has been charged for `total_seconds`."""
        offset_ms = elapsed_ms if self.offset_ms is None else self.offset_ms
        return self.payer.meter.cost_micros(total_seconds * 1000 - offset_ms)

    def reserve(self, seconds: int) -> TransferRequest:
        """Hold the price of the leg's first `seconds`."""
        hold = self.payer.meter.cost_micros(seconds * 1000)
        return self._request(TransferKind.RESERVE, f"reserve {hold}", hold=hold, seconds=seconds)

    def reserved(self, request: TransferRequest, answer: Answer) -> None:
        """Note that `request` was granted."""
        self.held_micros, self.standing = request.hold_micros, answer

    def begin(self, payer: Payer, offset_ms: int) -> None:
        """The leg talks from now on; `payer` has the moment in its meter."""
        self.payer, self.offset_ms = payer, offset_ms

    def paid_seconds(self, seconds_max: int) -> int:
        """How many seconds of the call what is held and posted pays for, at most `seconds_max`."""
        offset_ms = self.offset_ms or 0
        money = self.held_micros + self.posted_micros
        if self.price_of(seconds_max) <= money:
            return seconds_max
        own = self.payer.meter.quota_seconds(money, seconds_max)
        return min(own + offset_ms // 1000, seconds_max)

    def renew(self, elapsed_ms: int, total_seconds: int) -> TransferRequest:
        """Post what `elapsed_ms` of the call cost, and hold the rest of `total_seconds`."""
        talked_ms = 0 if self.offset_ms is None else elapsed_ms - self.offset_ms
        used = self.payer.meter.cost_micros(talked_ms)
        post = max(0, used - self.posted_micros)
        price = self.price_of(total_seconds, elapsed_ms)
        self.renewals += 1
        return self._request(
            TransferKind.RENEW,
            f"{self.renewal_name} {self.renewals}",
            amount=post,
            hold=max(0, price - self.posted_micros - post),
            seconds=total_seconds - elapsed_ms // 1000,
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
        cost = self.payer.meter.cost_micros(talk_ms)
        billed = self.payer.meter.billed_seconds(talk_ms)
        leg_cost = LegCost(self.payer, talk_ms, billed, cost)
        if self.payer.is_free:
            return leg_cost, []
        step = [
            self._request(TransferKind.SETTLE, "settle", amount=max(0, cost - self.posted_micros))
        ]
        if cost < self.posted_micros:  # the talk's end was known later than it came
            step.append(self._refund(self.posted_micros - cost))
        return leg_cost, step

    def _request(
        self, kind: TransferKind, name: str, *, amount: int = 0, hold: int = 0, seconds: int = 0
    ) -> TransferRequest:
        payer = self.payer
        return TransferRequest(
            id=derived_id(payer.reservation_id, name),
            kind=kind,
            from_account_id=payer.account.id,
            to_account_id=payer.account.payee_id,
            amount_micros=amount,
            hold_micros=hold,
            reservation_id=payer.reservation_id,
            leg_id=payer.leg_id,
            expires_seconds=0 if kind is TransferKind.SETTLE else seconds + EXPIRY_GRACE_SECONDS,
        )

    def _refund(self, micros: int) -> TransferRequest:
        return TransferRequest(
            id=derived_id(self.payer.reservation_id, "refund"),
            kind=TransferKind.REFUND,
            from_account_id=self.payer.account.payee_id,
            to_account_id=self.payer.account.id,
            amount_micros=micros,
            memo="posted beyond the end of the talk",
        )


@dataclass(frozen=True, slots=True)
class Renewal:
    """A renewal that was, or may have been, sent: one request for each of `legs`."""

    legs: tuple[LegMoney, ...]
    step: tuple[TransferRequest, ...]
    total_seconds: int


def count_request(
    counted: CountedCall, kind: TransferKind, *, is_answered: bool = False
) -> TransferRequest:
    """Reserve one call on a limit of how many, or settle it: used up if it was answered."""
    is_reserve = kind is TransferKind.RESERVE
    used = MICROS_PER_UNIT if is_answered and counted.is_used_up and not is_reserve else 0
    return TransferRequest(
        id=derived_id(counted.reservation_id, str(kind)),
        kind=kind,
        from_account_id=counted.account.id,
        to_account_id=counted.account.payee_id,
        amount_micros=used,
        hold_micros=MICROS_PER_UNIT if is_reserve else 0,
        reservation_id=counted.reservation_id,
        leg_id=counted.call_id,
        expires_seconds=_COUNT_EXPIRY_SECONDS if is_reserve else 0,
    )


def voiding(request: TransferRequest) -> TransferRequest:
    """What gives back all that a reservation may hold, whether it was made or not."""
    return _without_money(request, TransferKind.SETTLE, "settle")


def holding_nothing(request: TransferRequest) -> TransferRequest:
    """What makes the same reservation without any money, unless it is made already."""
    return _without_money(request, TransferKind.RESERVE, "reserve nothing")


def _without_money(request: TransferRequest, kind: TransferKind, name: str) -> TransferRequest:
    return replace(
        request,
        id=derived_id(request.reservation_id or request.id, name),
        kind=kind,
        amount_micros=0,
        hold_micros=0,
        expires_seconds=0,
    )


def note_reserved(
    legs: Sequence[LegMoney], step: Sequence[TransferRequest], answers: Sequence[Answer]
) -> None:
    """Note that the requests of a step were granted; the legs' come first in it."""
    for leg, request, answer in zip(legs, step, answers, strict=False):
        leg.reserved(request, answer)


def first_denied(
    accounts: Sequence[PayingAccount], answers: Sequence[Answer]
) -> PayingAccount | None:
    """The account that could not pay: a limit on how many before one on money."""
    denied = [
        account
        for account, answer in zip(accounts, answers, strict=True)
        if answer.outcome is Outcome.DENIED
    ]
    return denied[-1] if denied else None
