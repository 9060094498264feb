"""The directory as flows and routing see it: one frozen snapshot of everything provisioned.

Loaded by directory.store after each callctl apply; a call keeps the objects it started with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Limits:
    """What stops fraud and bounds cost (B22); None: no such limit. Days and months are local.

    Costs count what live calls hold, so that no limit is ever exceeded; calls are those answered.
    """

    concurrent_calls: int | None = None
    calls_per_day: int | None = None
    calls_per_month: int | None = None
    cost_per_day_micros: int | None = None
    cost_per_month_micros: int | None = None
    longest_call_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Reseller:
    """Who sells to tenants, and pays wholesale for their calls from a prepaid account.

    `tariff` prices the tenants' service legs, `line_tariff` their forwarding legs (none: free).
    What it pays is posted to `revenue_account_id`: its parent's revenue, at the top ours.
    """

    name: str
    timezone: str
    account_id: int
    account_name: str
    revenue_account_id: int
    currency: str
    tariff: Tariff
    line_tariff: Tariff | None
    limits: Limits = Limits()
    parent: "Reseller | None" = None


@dataclass(frozen=True, slots=True)
class Tenant:
    """A company that owns DIDs; `account_id` is its prepaid account in the ledger."""

    name: str
    language: str
    timezone: str
    account_id: int
    account_name: str
    revenue_account_id: int  # where the ledger posts what its calls cost: its reseller's, or ours
    currency: str
    warn_seconds: tuple[int, ...]  # before the paid time's end, for example (60, 15); none: never
    limits: Limits = Limits()
    reseller: Reseller | None = None


@dataclass(frozen=True, slots=True)
class CarrierCost:
    """What a carrier charges us for a leg: booked from our revenue to the carrier's account."""

    tariff: Tariff
    revenue_account_id: int
    account_id: int


@dataclass(frozen=True, slots=True)
class Line:
    """A bound answering number, reached through `trunk` (a PJSIP endpoint).

    `areas` are adcodes (GB/T 2260 prefixes) whose callers it serves; none: a default line.
    `tariff` prices the forwarding leg; none: it is free.
    """

    name: str
    number: PhoneNumber
    trunk: str
    tariff: Tariff | None
    ring_seconds: int
    areas: tuple[str, ...]
    carrier: CarrierCost | None = None


@dataclass(frozen=True, slots=True)
class Did:
    """A 400 number: whose it is, what it costs, which lines answer it, and who may not call.

    `lines` are in answering order; `blacklist` holds normalised numbers
    (PhoneNumber.text); `ringback` is the name of a prompt played before the answer (A14), none:
    the line's own ringing is passed on. A `greeting` (A16) answers the call, and so starts its
    charge (ambiguity 22).
    """

    number: str
    tenant: Tenant
    tariff: Tariff
    ringback: str | None
    lines: tuple[Line, ...]
    blacklist: frozenset[str]
    limits: Limits = Limits()
    greeting: str | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything provisioned as of one revision."""

    revision_id: int = 0
    dids: Mapping[str, Did] = field(default_factory=dict)
