"""The shapes of the API's answers; the CLI's --json prints the same.

Each amount comes twice: exact text in the currency ("0.3000" is thirty cents) and micro-units.
Times are ISO 8601 in UTC.
"""

from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue, computed_field

from callctl.directory.manual_switch import SwitchPosition
from callctl.directory.models import Did
from callctl.directory.rates import calendar_of
from callctl.rating import Meter
from callctl.routing.schedules import opening
from callctl.values.money import format_micros
from callctl.values.schedule import ManualSwitch
from callctl.values.tariff import Rate
from callctl.views import LiveCall, LiveCharge


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class HealthAnswer(_Answer):
    """That the web process reads the database, and which schema it found."""

    status: str
    schema_version: int


class LiveChargeAnswer(_Answer):
    """What one leg costs one account so far, and until when its talk is paid for.

    `seconds` is the leg's charged time so far; `paid_through` is null before the time runs;
    `rate` such as "0.30/min 60/60" is the base price, `role` is tenant, reseller or carrier.
    """

    leg_id: str
    role: str
    account: str
    available_micros: int
    tariff: str
    tariff_version: int
    rate: str
    seconds: int
    paid_seconds: int
    paid_through: datetime | None
    cost_micros: int

    @computed_field  # type: ignore[prop-decorator]  # pydantic's way, mypy does not know it
    @property
    def cost(self) -> str:
        """`cost_micros` as text."""
        return format_micros(self.cost_micros)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def available(self) -> str:
        """`available_micros` as text."""
        return format_micros(self.available_micros)

    @classmethod
    def of(cls, charge: LiveCharge, call: LiveCall, now: datetime) -> Self:
        """The charge as of `now`: its cost is its rate's price of the talk so far."""
        began, talk_ms = charge.charged_from, 0
        calendar = calendar_of(charge.calendar)
        if began is not None:
            talk_ms = min(_milliseconds(began, now), charge.paid_seconds * 1000)
        meter = Meter(charge.rate, began or call.setup_at, charge.timezone, calendar)
        begins = [one.charged_from for one in call.charges if one.charged_from is not None]
        paid_through = min(begins) + timedelta(seconds=charge.paid_seconds) if begins else None
        return cls(
            leg_id=charge.leg_id,
            role=charge.role,
            account=charge.account,
            available_micros=charge.available_micros,
            tariff=charge.tariff,
            tariff_version=charge.tariff_version,
            rate=_rate(charge.rate),
            seconds=talk_ms // 1000,
            paid_seconds=charge.paid_seconds,
            paid_through=paid_through,
            cost_micros=meter.cost_micros(talk_ms),
        )


class LiveCallAnswer(_Answer):
    """A call of this moment; `seconds` since the answer, or since set-up while it rings.

    `cost_micros` is what it costs the tenant so far; `charges` has every leg and payer.
    """

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
        """The call as of `now`."""
        charges = [LiveChargeAnswer.of(charge, call, now) for charge in call.charges]
        retail = [charge.cost_micros for charge in charges if charge.role == "tenant"]
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
            cost_micros=sum(retail),
            charges=charges,
        )


class DidAnswer(_Answer):
    """A number: how its switch stands, since when and by whom, and whether it is open now."""

    did: str
    tenant: str
    switch: ManualSwitch
    changed_at: datetime | None
    changed_by: str | None
    schedule: str | None
    is_open: bool
    why: str

    @classmethod
    def of(cls, did: Did, turned: SwitchPosition | None, now: datetime) -> Self:
        """The number as of `now`; `turned` is None while nobody has touched its switch."""
        switch = turned.position if turned else ManualSwitch.SCHEDULE
        if switch is not ManualSwitch.SCHEDULE:
            is_open, why = switch is ManualSwitch.OPEN, "switched by hand"
        elif did.schedule is not None:
            found = opening(did.schedule, now)
            is_open, why = found.is_open, found.why
        else:
            is_open, why = True, "it has no schedule"
        return cls(
            did=did.number,
            tenant=did.tenant.name,
            switch=switch,
            changed_at=turned.changed_at if turned else None,
            changed_by=turned.changed_by if turned else None,
            schedule=did.schedule.name if did.schedule else None,
            is_open=is_open,
            why=why,
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
    stage: str | None
    group_name: str | None
    direction: str | None
    parent_call_id: UUID | None
    trace: JsonValue
    legs: list[CdrLegAnswer]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cost(self) -> str:
        """`cost_micros` as text."""
        return format_micros(self.cost_micros)


class AccountAnswer(_Answer):
    """A ledger account; available = balance + credit limit - held. `at` is of when, null: now."""

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
    at: datetime | None

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


def _rate(rate: Rate) -> str:
    """A rate in short: price a minute and increments; + for fee, steps, bands that it has too."""
    increments = f"{rate.first_increment_seconds}/{rate.next_increment_seconds}"
    more = bool(rate.connect_fee_micros or rate.first_step_seconds or rate.bands)
    return f"{format_micros(rate.price_per_minute_micros)}/min {increments}{' +' if more else ''}"
