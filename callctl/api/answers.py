"""The shapes of the API's answers; the CLI's --json prints the same.

Each amount comes twice: exact text in the currency ("0.3000" is thirty cents) and micro-units.
Times are ISO 8601 in UTC.
"""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue, computed_field

from callctl.rating import cost_micros
from callctl.values.money import format_micros
from callctl.views import LiveCall


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class HealthAnswer(_Answer):
    """That the web process reads the database, and which schema it found."""

    status: str
    schema_version: int


class LiveChargeAnswer(_Answer):
    """What one leg costs so far, and how many seconds of talk are paid for."""

    leg_id: str
    account: str
    tariff: str
    tariff_version: int
    paid_seconds: int
    cost_micros: int

    @computed_field  # type: ignore[prop-decorator]  # pydantic's way, mypy does not know it
    @property
    def cost(self) -> str:
        """`cost_micros` as text."""
        return format_micros(self.cost_micros)


class LiveCallAnswer(_Answer):
    """A call of this moment; `seconds` since the answer, or since set-up while it rings."""

    call_id: UUID
    did: str
    tenant: str
    caller: str
    area: str
    line: str | None
    stage: str
    setup_at: datetime
    answered_at: datetime | None
    seconds: int
    cost_micros: int
    charges: list[LiveChargeAnswer]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cost(self) -> str:
        """`cost_micros` as text."""
        return format_micros(self.cost_micros)

    @classmethod
    def of(cls, call: LiveCall, now: datetime) -> Self:
        """The call as of `now`: each leg's cost is its rate's price of the talk so far."""
        talk_ms = _milliseconds(call.answered_at, now) if call.answered_at else 0
        charges = [
            LiveChargeAnswer(
                leg_id=charge.leg_id,
                account=charge.account,
                tariff=charge.tariff,
                tariff_version=charge.tariff_version,
                paid_seconds=charge.paid_seconds,
                cost_micros=cost_micros(charge.rate, talk_ms),
            )
            for charge in call.charges
        ]
        return cls(
            call_id=call.call_id,
            did=call.did,
            tenant=call.tenant,
            caller=call.caller,
            area=call.area,
            line=call.line,
            stage=call.stage,
            setup_at=call.setup_at,
            answered_at=call.answered_at,
            seconds=_milliseconds(call.answered_at or call.setup_at, now) // 1000,
            cost_micros=sum(charge.cost_micros for charge in charges),
            charges=charges,
        )


class CdrLegAnswer(_Answer):
    """One leg of a CDR; `side` is a (the caller) or b (a line)."""

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
    ring_seconds: float
    talk_seconds: float
    billed_seconds: int
    cost_micros: int
    account: str | None
    tariff: str | None
    tariff_version: int | None
    rate_prefix: str | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cost(self) -> str:
        """`cost_micros` as text."""
        return format_micros(self.cost_micros)


class CdrAnswer(_Answer):
    """An ended call; `trace` tells which rules decided, in order."""

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
    ring_seconds: float
    talk_seconds: float
    cost_micros: int
    currency: str | None
    sip_call_id: str
    revision_id: int | None
    trace: JsonValue
    legs: list[CdrLegAnswer]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cost(self) -> str:
        """`cost_micros` as text."""
        return format_micros(self.cost_micros)


class AccountAnswer(_Answer):
    """A ledger account; available = balance + credit limit - held."""

    name: str
    kind: str
    tenant: str | None
    currency: str
    balance_micros: int
    held_micros: int
    available_micros: int
    credit_limit_micros: int
    open_reservations: int
    created_at: datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balance(self) -> str:
        """`balance_micros` as text."""
        return format_micros(self.balance_micros)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def held(self) -> str:
        """`held_micros` as text."""
        return format_micros(self.held_micros)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def available(self) -> str:
        """`available_micros` as text."""
        return format_micros(self.available_micros)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def credit_limit(self) -> str:
        """`credit_limit_micros` as text."""
        return format_micros(self.credit_limit_micros)


class EntryAnswer(_Answer):
    """A line of a statement: a signed amount and the balance after it."""

    transfer_id: UUID
    kind: str
    amount_micros: int
    balance_micros: int
    memo: str
    created_at: datetime
    call_id: UUID | None
    caller: str | None
    did: str | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def amount(self) -> str:
        """`amount_micros` as text."""
        return format_micros(self.amount_micros)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balance(self) -> str:
        """`balance_micros` as text."""
        return format_micros(self.balance_micros)


def _milliseconds(begin: datetime, end: datetime) -> int:
    elapsed = end - begin
    return max(0, (elapsed.days * 86_400 + elapsed.seconds) * 1000 + elapsed.microseconds // 1000)
