"""The lines and DIDs of a provisioning file, and their limits; for directory.document and plain."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from callctl.directory.answering_entries import CallsPerMinute, Ring
from callctl.directory.brief_entries import (
    BriefEntry,
    CallerPrefixes,
    Prompt,
    TargetText,
    refuse_fields,
)
from callctl.directory.models import Limits
from callctl.directory.price_entries import Areas, Name, Number, Numbers, PositiveMicros

BLACKLIST_MAX = 10_000
_LINES_MAX = 500
_ROUTES_MAX = 1_000
_CALL_SECONDS_MAX = 14_400  # Asterisk's timers hold no more

_Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
_Trunk = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]


class LimitsEntry(BriefEntry):
    """What stops fraud and bounds cost; a limit that is not there does not limit."""

    concurrent_calls: _Count | None = Field(default=None, description="Calls at one moment")
    calls_per_day: _Count | None = Field(default=None, description="Answered calls of a local day")
    calls_per_month: _Count | None = Field(
        default=None, description="Answered calls of a local month"
    )
    cost_per_day_micros: PositiveMicros | None = Field(
        default=None, alias="cost_per_day", description="Cost of a local day, live calls included"
    )
    cost_per_month_micros: PositiveMicros | None = Field(
        default=None,
        alias="cost_per_month",
        description="Cost of a local month, live calls included",
    )
    longest_call_seconds: Annotated[int, Field(ge=1, le=_CALL_SECONDS_MAX)] | None = Field(
        default=None, description="A call is ended after this talk time"
    )

    def to_limits(self) -> Limits:
        """The limits as calls are held to them."""
        return Limits(**dict(self))


class LineEntry(BriefEntry):
    """A bound answering number."""

    always: ClassVar[frozenset[str]] = frozenset({"trunk", "areas", "ring_seconds"})

    name: Name
    number: Number = Field(description="In full, with its area code; the trunk is sent it")
    trunk: _Trunk = Field(default="carrier", description="PJSIP endpoint that reaches it")
    areas: Areas = Field(
        default=[],
        max_length=500,
        description="Provinces or cities whose callers it serves, by name or adcode; "
        "none: a default line, for everybody else",
    )
    ring_seconds: Ring = Field(
        default=15, description="How long it rings before the next line is tried"
    )
    tariff: Name | None = Field(
        default=None, description="Prices the forwarding leg; none: it is free"
    )
    carrier_tariff: Name | None = Field(
        default=None, description="What its carrier charges us for the leg, for our own books"
    )
    is_on: bool = Field(default=True, alias="on", description="Whether calls are sent to it")
    schedule: Name | None = Field(default=None, description="When calls are; none: always")
    capacity: int | None = Field(
        default=None, ge=1, le=10_000, description="Calls at once; none: as many as come"
    )
    confirm_key: str | None = Field(
        default=None,
        pattern=r"^[0-9]$",
        description="The digit by which who answers takes the call; none: the answer is enough",
    )
    is_announced: bool = Field(
        default=False,
        alias="announce",
        description="Who answers is told for which number and from where the call is",
    )
    wrap_up_seconds: int = Field(
        default=0, ge=0, le=3600, description="Its rest after a call that came from a queue"
    )
    is_recorded: bool = Field(default=False, alias="record", description="Talks are recorded")


class GreetingEntry(BriefEntry):
    """A prompt that answers the call, and so is charged."""

    short: ClassVar[str | None] = "prompt"

    prompt: Prompt = Field(description="What is played")
    is_barge_in: bool = Field(default=False, alias="barge_in", description="A key ends it")


class RouteEntry(BriefEntry):
    """One rule: when all that it names holds for a call, the call goes there."""

    name: Name
    areas: Areas = Field(default=[], max_length=500, description="Where the caller is from")
    prefixes: CallerPrefixes = Field(
        default=[], max_length=1000, description="How the caller's number begins"
    )
    while_open: Name | None = Field(default=None, description="In this schedule's hours")
    while_closed: Name | None = Field(default=None, description="Out of this schedule's hours")
    caller_list: Name | None = Field(
        default=None, alias="list", description="The caller is on this list"
    )
    percentage: int | None = Field(
        default=None, ge=0, le=100, description="Of the calls for which all else holds"
    )
    is_vip_only: bool = Field(default=False, alias="vip", description="Only VIP callers")
    to: TargetText = Field(description="Where the call goes then")


class CallbackEntry(BriefEntry):
    """How callers are called back who asked for it."""

    always: ClassVar[frozenset[str]] = frozenset({"trunk"})

    trunk: _Trunk = Field(default="carrier", description="PJSIP endpoint that reaches them")
    tariff: Name | None = Field(
        default=None, description="Prices the leg to the caller; none: it is free"
    )
    carrier_tariff: Name | None = Field(
        default=None, description="What the carrier charges us for that leg"
    )
    ring_seconds: Ring = Field(default=30, description="How long the caller's telephone rings")


class ExtrasEntry(BriefEntry):
    """What was bought beyond what a number includes."""

    lines: int = Field(
        default=0, ge=0, le=10_000, description="Lines reached without a menu, beyond 20"
    )
    extensions: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Behind menus, beyond 10 on one level, 40 on two and more",
    )
    lines_per_extension: int = Field(
        default=0, ge=0, le=500, description="Lines of one extension, beyond 4"
    )


class DidEntry(BriefEntry):
    """A 400 number (or any number of 3 to 15 digits that the carrier sends us)."""

    always: ClassVar[frozenset[str]] = frozenset({"blacklist"})

    number: str = Field(pattern=r"^[0-9]{3,15}$", description="The digits as callers dial them")
    tariff: Name = Field(description="Prices the service leg, which the tenant pays")
    ringback: Prompt | None = Field(
        default=None,
        description="Prompt played before the answer, not charged; none: ordinary ringing",
    )
    greeting: GreetingEntry | None = Field(
        default=None,
        description="Prompt that answers the call and is charged; none: the line answers",
    )
    lines: list[Name] | None = Field(
        default=None,
        min_length=1,
        max_length=_LINES_MAX,
        description="The tenant's lines in answering order; at least one without areas",
    )
    strategy: Literal[
        "sequential", "round_robin", "random", "least_recent", "fewest_calls", "simultaneous"
    ] = Field(default="sequential", description="Of lines: who is rung first")
    to: TargetText | None = Field(
        default=None, description="Where calls go, instead of lines: a group, a menu, ..."
    )
    routes: list[RouteEntry] = Field(
        default=[], max_length=_ROUTES_MAX, description="Rules; the first that holds is taken"
    )
    schedule: Name | None = Field(default=None, description="When it is open; none: always")
    closed: TargetText | None = Field(
        default=None, description="Where calls go while it is closed; none: they are refused"
    )
    lists: list[Name] = Field(
        default=[], max_length=100, description="Who may call and who is VIP, before the tenant's"
    )
    calls_per_caller_minute: CallsPerMinute | None = Field(
        default=None, description="Instead of the tenant's"
    )
    blacklist: Numbers = Field(
        default=[], max_length=BLACKLIST_MAX, description="Callers who are refused"
    )
    is_recorded: bool = Field(default=False, alias="record", description="Talks are recorded")
    callback: CallbackEntry | None = Field(
        default=None, description="How callers are called back; none: they are not"
    )
    extras: ExtrasEntry = Field(
        default=ExtrasEntry(), description="Bought beyond what a number includes"
    )
    limits: LimitsEntry = LimitsEntry()

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        if self.lines is None and self.to is None:
            problems.append(("lines", "where do its calls go? Write lines, or to"))
        if self.lines is not None and self.to is not None:
            problems.append(("to", "write lines, or to: delete one of them"))
        if self.lines is None and self.strategy != "sequential":
            problems.append(("strategy", "this is for lines: write it in the group"))
        refuse_fields(problems)
        return self
