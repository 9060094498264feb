"""The directory as flows and routing see it: one frozen snapshot of everything provisioned.

Loaded by directory.store after each callctl apply; a call keeps the objects it started with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Tenant:
    """A company that owns DIDs; `account_id` is its prepaid account in the ledger."""

    name: str
    language: str
    timezone: str
    account_id: int
    account_name: str
    revenue_account_id: int  # where the ledger posts what this tenant's calls cost
    currency: str
    warn_seconds: tuple[int, ...]  # before the paid time's end, for example (60, 15)


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


@dataclass(frozen=True, slots=True)
class Did:
    """A 400 number: whose it is, what it costs, which lines answer it, and who may not call.

    `lines` are in answering order; `blacklist` holds normalised numbers
    (PhoneNumber.text); `ringback` is the name of a prompt played before the answer (A14), none:
    the line's own ringing is passed on.
    """

    number: str
    tenant: Tenant
    tariff: Tariff
    ringback: str | None
    lines: tuple[Line, ...]
    blacklist: frozenset[str]


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything provisioned as of one revision."""

    revision_id: int = 0
    dids: Mapping[str, Did] = field(default_factory=dict)
