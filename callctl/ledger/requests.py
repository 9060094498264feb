"""What the teller is asked and what it answers; built by charging and the CLI."""

import uuid
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class TransferKind(StrEnum):
    """What a transfer is for."""

    RESERVE = "reserve"
    RENEW = "renew"
    SETTLE = "settle"
    OPENING = "opening"
    TOPUP = "topup"
    REFUND = "refund"
    FEE = "fee"


class Outcome(StrEnum):
    """What the ledger did; all but GRANTED and SHORT changed nothing."""

    GRANTED = "granted"
    SHORT = "short"  # a renewal: what was used is posted, no more money could be held
    DENIED = "denied"
    STEP_REFUSED = "step_refused"
    MISMATCH = "mismatch"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_RESERVATION = "unknown_reservation"
    EXCEEDS_RESERVATION = "exceeds_reservation"


class Urgency(IntEnum):
    """Who goes first when the teller's queue is long: ends, then renewals, then new calls."""

    SETTLE = 0
    RENEW = 1
    RESERVE = 2


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """One request; `id` is made by the caller before the first attempt and is kept for retries.

    `amount_micros` moves now; on a reservation it comes out of what is held. `hold_micros` is
    what the reservation shall hold afterwards (reserve and renew).
    """

    id: uuid.UUID
    kind: TransferKind
    from_account_id: int
    to_account_id: int
    amount_micros: int = 0
    hold_micros: int = 0
    reservation_id: uuid.UUID | None = None
    leg_id: uuid.UUID | None = None
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one request, with the payer's standing right after the batch it was in."""

    outcome: Outcome
    balance_micros: int
    available_micros: int
    open_reservations: int
