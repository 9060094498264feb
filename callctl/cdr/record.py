"""What is recorded of a call: while it lives (LiveCall), as it is told (Record), for ever (Cdr).

Field names are the columns of live_calls, cdrs and cdr_legs. Times are aware UTC datetimes;
seconds have three decimals; money is micro-units.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from callctl.directory.models import Did
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber


class Noted(Protocol):
    """A rule that was looked at, as routing tells it."""

    @property
    def rule(self) -> str:
        """Its name."""

    @property
    def matched(self) -> bool:
        """Whether it matched."""

    @property
    def why(self) -> str:
        """The reason in words."""


class Stage(StrEnum):
    """How far a call has got: where its caller is, or was when it ended."""

    RINGING = "ringing"
    GREETING = "greeting"
    MENU = "menu"
    MESSAGE = "message"
    QUEUED = "queued"
    VOICEMAIL = "voicemail"
    CALLBACK = "callback"
    TALKING = "talking"


class Direction(StrEnum):
    """Who began a call: the caller, or we, to call back one whom nobody had answered."""

    INBOUND = "inbound"
    CALLBACK = "callback"


@dataclass(frozen=True, slots=True)
class LegPrice:
    """What a leg cost an account, and all that it takes to work the cost out again.

    `rate_id` is a row of a tariff version that never changes; `charged_ms` from `charged_from` on,
    in `timezone`, at that rate is `cost_micros`. `is_wholesale`: a reseller's or a carrier's, not
    the tenant's.
    """

    leg_id: uuid.UUID
    account: str
    tariff: str
    tariff_version: int
    rate_id: int
    rate_prefix: str
    timezone: str
    charged_from: datetime | None
    charged_ms: int
    billed_seconds: int
    cost_micros: int
    reservation_id: uuid.UUID
    is_wholesale: bool = False

    def leg_columns(self) -> dict[str, Any]:
        """What of a CdrLeg's row is about money."""
        return {
            "billed_seconds": self.billed_seconds,
            "cost_micros": self.cost_micros,
            "account": self.account,
            "tariff": self.tariff,
            "tariff_version": self.tariff_version,
            "rate_id": self.rate_id,
            "rate_prefix": self.rate_prefix,
            "timezone": self.timezone,
            "charged_from": self.charged_from,
            "charged_ms": self.charged_ms,
            "reservation_id": self.reservation_id,
        }


@dataclass(slots=True)
class Record:
    """What the flow learns about its call on the way; becomes part of the CDR."""

    revision_id: int
    did: Did | None = None
    area: Area = Area.UNKNOWN
    reason: str = ""  # why callctl itself ended the call: blacklisted, no_credit, ...
    trace: list[dict[str, Any]] = field(default_factory=list)
    prices: list[LegPrice] = field(default_factory=list)
    ringing_line: str | None = None  # the line that is being tried
    paid_time_over: str = ""  # what ended with the paid time: money, limit_cost_per_day, ...
    direction: Direction = Direction.INBOUND
    parent_call_id: uuid.UUID | None = None  # the missed call that a callback answers
    stage: Stage = Stage.RINGING
    group_name: str | None = None  # the group whose lines ring, or whose queue he waits in
    is_vip: bool = False
    queued_at: datetime | None = None  # when he entered the queue that he waits in
    target: str = ""  # where routing has sent the call: "menu:main"
    attempt_count: int = 0  # lines rung; names their legs
    attempts: dict[str, str] = field(default_factory=dict)  # line's name by the id of its leg
    dialled_text: str = ""  # as the caller dialled it: hostile text
    diverted_from: PhoneNumber | None = None  # who sent the call on to us (RFC 5806)

    def note(self, rule: str, *, matched: bool, why: str) -> None:
        """Add one step to the trace of the decision."""
        self.trace.append({"rule": rule, "matched": matched, "why": why})

    def note_all(self, steps: Sequence[Noted]) -> None:
        """Add what routing says of the rules that it looked at."""
        for step in steps:
            self.note(step.rule, matched=step.matched, why=step.why)


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call from its first reservation to its end, as `callctl calls` shows it."""

    call_id: uuid.UUID
    did: str
    tenant: str
    account_id: int
    caller: str
    area: str
    stage: str
    setup_at: datetime
    answered_at: datetime | None
    line: str | None
    a_channel_id: str
    b_channel_id: str | None
    revision_id: int
    charges: list[dict[str, Any]]  # per payer of a leg
    counts: list[dict[str, Any]]  # per limit on how many that the call is held on
    reservations: list[uuid.UUID]  # of all of these
    direction: str
    group_name: str | None
    begun_at: datetime | None  # the caller was answered
    memory: dict[str, Any]  # what lets a later run of the switch go on with it


@dataclass(frozen=True, slots=True)
class CdrLeg:
    """One leg of an ended call."""

    leg_id: uuid.UUID
    call_id: uuid.UUID
    side: str  # a: the caller's, b: a line's
    line: str | None
    number: str
    channel_id: str
    sip_call_id: str
    disposition: str
    hangup_cause: int
    setup_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    ring_seconds: float
    talk_seconds: float
    billed_seconds: int = 0
    cost_micros: int = 0
    account: str | None = None
    tariff: str | None = None
    tariff_version: int | None = None
    rate_id: int | None = None
    rate_prefix: str | None = None
    timezone: str | None = None
    charged_from: datetime | None = None
    charged_ms: int = 0
    reservation_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Cdr:
    """One ended call."""

    call_id: uuid.UUID
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
    trace: list[dict[str, Any]]
    legs: list[CdrLeg]
    charges: list[LegPrice] = field(default_factory=list)  # the wholesale ones
    stage: str = Stage.RINGING
    group_name: str | None = None
    direction: str = Direction.INBOUND
    parent_call_id: uuid.UUID | None = None
