"""What the teller is asked and what it answers; built by charging and the CLI."""

import uuid
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class TransferKind(StrEnum):
    """What a transfer is for."""

    RESERVE = "reserve"
    RENEW = "renew"
    SETTLE = "settle"
    EXPIRE = "expire"
    OPENING = "opening"
    TOPUP = "topup"
    REFUND = "refund"
    FEE = "fee"


class Outcome(StrEnum):
    """What the ledger did; all but GRANTED and SHORT changed nothing."""

    GRANTED = "granted"
    SHORT = "short"  # a renewal: what was used is posted, no more money could be held
    DENIED = "denied"
    NOT_DUE = "not_due"  # an expiry: the reservation is not overdue, or was extended
    STEP_REFUSED = "step_refused"
    MISMATCH = "mismatch"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_RESERVATION = "unknown_reservation"
    RESERVATION_EXPIRED = "reservation_expired"
    EXCEEDS_RESERVATION = "exceeds_reservation"
    MALFORMED = "malformed"


class Urgency(IntEnum):
    """Who goes first when the teller's queue is long: ends, then renewals, then new calls."""

    SETTLE = 0
    RENEW = 1
    RESERVE = 2


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """One request; `id` is made by the caller before the first attempt and is kept for retries.

    `amount_micros` moves now; on a reservation it comes out of what is held. `hold_micros` is
    what the reservation shall hold afterwards (reserve and renew), and `expires_seconds` after
    which, counted from now, what it still holds may be given back (0: never).
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
    expires_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one request, with the payer's standing right after the batch it was in.

    `held_micros` is what all open reservations of the account hold.
    """

    outcome: Outcome
    balance_micros: int
    available_micros: int
    open_reservations: int
    held_micros: int
