"""The directory as flows and routing see it: one frozen snapshot of everything provisioned.

Loaded by directory.store after each callctl apply; a call keeps the objects it started with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from callctl.directory.answering import (
    Callback,
    CallerList,
    Greeting,
    Group,
    Line,
    Menu,
    Message,
    Route,
    Target,
    Voicemail,
)
from callctl.values.schedule import ManualSwitch, Schedule
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
    recording_days: int = 30  # how long recordings and voicemails are kept
    switch_pin: str | None = None  # for feature codes; None: dialling from a bound line suffices


@dataclass(frozen=True, slots=True)
class Answering:
    """What the numbers of a tenant are answered with, each by its name."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    menus: Mapping[str, Menu] = field(default_factory=dict)
    messages: Mapping[str, Message] = field(default_factory=dict)
    voicemails: Mapping[str, Voicemail] = field(default_factory=dict)
    lines: Mapping[str, Line] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Did:
    """A 400 number: whose it is, what it costs, who may call it, and where its calls go.

    `answering` is the tenant's; where a number names lines instead of a group, its copy of
    `answering` has a group of the name LINES_GROUP, and `default` is that. `ringback` is the path
    of a prompt played before the answer (A14), None: the line's own ringing is passed on; a group
    may have its own (A15). A `greeting` (A16) answers the call, and so starts its charge
    (ambiguity 22). `lists` are in the order of the file. While the number is closed (by its
    `switch`, else by its `schedule`) its calls go to `closed`, None: they are refused.
    """

    number: str
    tenant: Tenant
    tariff: Tariff
    answering: Answering
    default: Target
    routes: tuple[Route, ...] = ()
    lists: tuple[CallerList, ...] = ()
    calls_per_caller_minute: int | None = None
    schedule: Schedule | None = None
    switch: ManualSwitch = ManualSwitch.SCHEDULE
    closed: Target | None = None
    ringback: str | None = None
    greeting: Greeting | None = None
    is_recorded: bool = False
    callback: Callback | None = None
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything provisioned as of one revision."""

    revision_id: int = 0
    dids: Mapping[str, Did] = field(default_factory=dict)
