"""What the views return: frozen rows in the words of the trade; money in micro-units."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from callctl.values.tariff import Rate


@dataclass(frozen=True, slots=True)
class LiveCharge:
    """What one leg of a live call is charged to one account: at which rate, paid for how long.

    `role` is tenant, reseller or carrier. `paid_seconds` counts from the start of the call's
    charged time; `charged_from` is when this leg's began, None before that. `available_micros` is
    what the account can still spend, now.
    """

    leg_id: str
    role: str
    account: str
    available_micros: int
    tariff: str
    tariff_version: int
    rate: Rate
    calendar: dict[str, Any] | None
    timezone: str
    charged_from: datetime | None
    paid_seconds: int
    posted_micros: int


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call of this moment; `stage` is how far it has got: callctl.cdr.Stage."""

    call_id: UUID
    did: str
    tenant: str
    caller: str
    area: str
    stage: str
    setup_at: datetime
    answered_at: datetime | None
    line: str | None
    charges: tuple[LiveCharge, ...]


@dataclass(frozen=True, slots=True)
class CdrFilter:
    """Which CDRs: None matches all; numbers in any spelling, `since` by set-up time."""

    did: str | None = None
    caller: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class CdrLeg:
    """One leg of an ended call: side a is the caller's, side b a line's."""

    leg_id: UUID
    side: str
    line: str | None
    number: str
    sip_call_id: str
    disposition: str
    hangup_cause: int
    setup_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    ring_seconds: Decimal
    talk_seconds: Decimal
    billed_seconds: int
    cost_micros: int
    account: str | None
    tariff: str | None
    tariff_version: int | None
    rate_prefix: str | None


@dataclass(frozen=True, slots=True)
class Cdr:
    """An ended call with its legs, and `trace`: each rule that decided, as JSON objects."""

    call_id: UUID
    did: str
    tenant: str | None
    caller: str
    area_code: str
    area: str
    line: str | None
    disposition: str
    hangup_cause: int
    ended_by: str
    setup_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    ring_seconds: Decimal
    talk_seconds: Decimal
    cost_micros: int
    currency: str | None
    sip_call_id: str
    revision_id: int | None
    stage: str | None
    group_name: str | None
    direction: str | None
    parent_call_id: UUID | None
    trace: Any
    legs: tuple[CdrLeg, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A ledger account; `tenant` is whose prepaid account it is, if anyone's.

    `at` is the moment that balance, held and open reservations are of; None is now. The credit
    limit is always today's.
    """

    name: str
    kind: str
    currency: str
    balance_micros: int
    held_micros: int
    credit_limit_micros: int
    open_reservations: int
    created_at: datetime
    tenant: str | None
    at: datetime | None = None

    @property
    def available_micros(self) -> int:
        """What can be spent: balance + credit limit - held."""
        return self.balance_micros + self.credit_limit_micros - self.held_micros


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an account's statement: `amount_micros` is signed, the balance is after it."""

    transfer_id: UUID
    kind: str
    amount_micros: int
    balance_micros: int
    memo: str
    created_at: datetime
    call_id: UUID | None
    caller: str | None
    did: str | None
