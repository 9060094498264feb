"""The parts of a provisioning file that numbers are answered with: schedules to voicemail boxes.

Used by directory.document, where a tenant has them, and by directory.plain. What they say about
each other is checked by directory.answering_references, and what can be reached from a number by
directory.reach. directory.assembly makes the models of them.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from callctl.directory.answering import LINES_GROUP
from callctl.directory.answering_fields import EMAIL_PATTERN
from callctl.directory.bands import DAYS, ordered_days
from callctl.directory.brief_entries import (
    BriefEntry,
    CallerPrefixes,
    CallerRange,
    Key,
    Prompt,
    TargetText,
    refuse_fields,
)
from callctl.directory.price_entries import (
    Areas,
    Begin,
    CalendarDate,
    Day,
    End,
    Name,
    Numbers,
)

LIST_MAX = 10_000  # numbers, prefixes and ranges each
# The fields of TenantEntry that are one object in the database: tenants.answering.
STORED_FIELDS = ("schedules", "lists", "screening", "groups", "menus", "messages", "voicemails")
BLACKLIST = "blacklist"  # what a number's own list of refused callers is called
ENTRIES_MAX = 1_000  # of one kind in a tenant
_GROUP_LINES_MAX = 500
HOLD_MUSIC = "callctl/hold"
LEAVE_A_MESSAGE = "callctl/leave-a-message"

StrategyName = Literal[
    "sequential",
    "round_robin",
    "random",
    "least_recent",
    "fewest_calls",
    "weighted",
    "simultaneous",
]
Ring = Annotated[int, Field(ge=1, le=300)]
_From = Annotated[
    Begin,
    Field(
        alias="from",
        description="Time of day at which it begins, in the tenant's zone",
        json_schema_extra={"default": "00:00"},
    ),
]
_To = Annotated[
    End,
    Field(
        alias="to",
        description="Time of day at which it ends; one that is not later is on the next day",
        json_schema_extra={"default": "24:00"},
    ),
]
CallsPerMinute = Annotated[int, Field(ge=1, le=1000)]


def _reserved(name: str) -> str:
    if name in {LINES_GROUP, BLACKLIST}:
        raise ValueError(f"{name!r} is what the {name} of a DID are called: take another name")
    return name


OwnName = Annotated[Name, AfterValidator(_reserved)]


class SpanEntry(BriefEntry):
    """From one time of day to another."""

    always: ClassVar[frozenset[str]] = frozenset({"from_minute", "to_minute"})

    from_minute: _From = 0
    to_minute: _To = 1440


class HoursEntry(BriefEntry):
    """Hours of some days of the week."""

    always: ClassVar[frozenset[str]] = frozenset({"from_minute", "to_minute"})

    days: Annotated[list[Day], AfterValidator(lambda days: list(ordered_days(days)))] = Field(
        default=[],
        max_length=len(DAYS),
        description="Weekdays, workday, restday, holiday; none: every day",
    )
    from_minute: _From = 0
    to_minute: _To = 1440


class SpecialDaysEntry(BriefEntry):
    """A date, or days from one to another, with hours of their own instead of the week's."""

    always: ClassVar[frozenset[str]] = frozenset({"hours"})

    name: str = Field(default="", max_length=100, description="For people")
    date: CalendarDate | None = Field(default=None, description="The day; or from and to")
    first: CalendarDate | None = Field(default=None, alias="from", description="The first day")
    last: CalendarDate | None = Field(default=None, alias="to", description="The last day")
    hours: list[SpanEntry] = Field(
        default=[], max_length=20, description="When it is open then; none: closed"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        if self.date and (self.first or self.last):
            problems.append(("date", "write date, or from and to: delete one of them"))
        elif not self.date and not (self.first and self.last):
            problems.append(("", "which days? Write date, or from and to"))
        elif self.first and self.last and self.first > self.last:
            problems.append(("to", "this is before from: write the last day"))
        refuse_fields(problems)
        return self


class ScheduleEntry(BriefEntry):
    """When something is open: hours of the week, and days that are not as the week says."""

    name: Name
    hours: list[HoursEntry] = Field(
        default=[], max_length=50, description="Of the week; none: closed but for special days"
    )
    special_days: list[SpecialDaysEntry] = Field(
        default=[], max_length=500, description="The first that has the day is taken"
    )


class ListEntry(BriefEntry):
    """Callers by number, beginning, range or area, and what being on it means."""

    name: OwnName
    mode: Literal["block", "allow_only", "vip"] = Field(
        description="block: refused; allow_only: nobody else may call; vip: goes first and is "
        "exempt from areas and hours"
    )
    numbers: Numbers = Field(default=[], max_length=LIST_MAX, description="In full")
    prefixes: CallerPrefixes = Field(
        default=[],
        max_length=LIST_MAX,
        description='How numbers begin, as people dial: "010", "139", "+44"',
    )
    ranges: list[CallerRange] = Field(
        default=[], max_length=LIST_MAX, description="First and last number with - between"
    )
    areas: Areas = Field(
        default=[], max_length=500, description="Provinces or cities, by name or adcode"
    )
    is_for_unknown: bool = Field(
        default=False, alias="unknown", description="Callers who show no number are on it too"
    )
    announcement: Prompt | None = Field(
        default=None, description="What the refused hear, not charged; none: they are refused"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        is_empty = not (self.numbers or self.prefixes or self.ranges or self.areas)
        if self.mode == "allow_only" and is_empty and not self.is_for_unknown:
            problems.append(("mode", "nobody is on this list, so nobody could call: add numbers"))
        if self.mode == "vip" and self.announcement:
            problems.append(("announcement", "nobody is refused by a vip list: delete this"))
        refuse_fields(problems)
        return self


class ScreeningEntry(BriefEntry):
    """What holds for every number of the tenant."""

    lists: list[Name] = Field(default=[], max_length=100, description="After the number's own")
    calls_per_caller_minute: CallsPerMinute | None = Field(
        default=None, description="More calls of one caller to one number in 60 s are refused"
    )


class MemberEntry(BriefEntry):
    """A line in a group."""

    short: ClassVar[str | None] = "line"

    line: Name = Field(description="One of the tenant's lines")
    priority: int = Field(default=1, ge=1, le=100, description="Lower ones are rung first")
    weight: int = Field(
        default=1, ge=0, le=100, description="Its share of the calls, with strategy weighted"
    )
    ring_seconds: Ring | None = Field(default=None, description="Here; none: as the line says")


class QueueEntry(BriefEntry):
    """Callers who wait while all lines of the group are busy; waiting is charged."""

    length: int = Field(default=20, ge=1, le=1000, description="How many may wait")
    wait_seconds: int = Field(default=300, ge=5, le=7200, description="How long one may wait")
    music: Prompt = Field(default=HOLD_MUSIC, description="Prompt, played again and again")
    announce_seconds: int | None = Field(
        default=None, ge=10, le=600, description="Place and wait are told so often; none: never"
    )
    is_vip_first: bool = Field(default=True, alias="vip_first", description="VIP callers go first")
    overflow: TargetText | None = Field(
        default=None, description="For who finds it full or has waited; none: the call ends"
    )
    overflow_estimate_seconds: int | None = Field(
        default=None, ge=5, le=7200, description="Who would wait longer overflows at once"
    )
    keys: dict[Key, TargetText] = Field(default={}, description="Where a waiting caller can go")


class GroupEntry(BriefEntry):
    """Lines that answer together: a team, or an extension of a switchboard."""

    name: OwnName
    strategy: StrategyName = Field(default="sequential", description="Who is rung first")
    lines: list[MemberEntry] = Field(min_length=1, max_length=_GROUP_LINES_MAX)
    extension: str | None = Field(
        default=None,
        pattern=r"^[0-9]{2,8}$",
        description="What callers dial in a menu to reach it; of two digits or more",
    )
    ringback: Prompt | None = Field(default=None, description="Instead of the number's")
    queue: QueueEntry | None = Field(default=None, description="None: nobody waits")
    otherwise: TargetText | None = Field(
        default=None, description="For calls that no line took; none: the call ends"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        is_without = self.strategy == "weighted" and not any(one.weight for one in self.lines)
        message = "every line has weight 0, so none could be rung: write weights"
        refuse_fields([("lines", message)] if is_without else [])
        return self


class MenuKeyEntry(BriefEntry):
    """Where a key leads."""

    short: ClassVar[str | None] = "to"

    to: TargetText = Field(description="Where it leads")
    schedule: Name | None = Field(default=None, description="When it leads there; none: always")
    closed: TargetText | None = Field(
        default=None, description="Where it leads at other times; none: as a wrong key"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        is_idle = self.closed is not None and self.schedule is None
        message = "it is never closed without schedule: write one, or delete this"
        refuse_fields([("closed", message)] if is_idle else [])
        return self


class MenuEntry(BriefEntry):
    """A level of the switchboard; hearing it is charged."""

    name: Name
    prompt: Prompt = Field(description="Says what can be pressed")
    keys: dict[Key, MenuKeyEntry] = Field(default={}, description="By digit, * or #")
    dials_extensions: bool = Field(default=False, description="Callers may dial extensions here")
    wait_seconds: int = Field(default=5, ge=1, le=60, description="For a key after the prompt")
    digit_seconds: int = Field(default=3, ge=1, le=10, description="For an extension's next digit")
    tries: int = Field(default=3, ge=1, le=10, description="How often it is played")
    wrong_prompt: Prompt | None = Field(default=None, description="Heard after a wrong key")
    no_key: TargetText | None = Field(
        default=None, description="After all tries without a key; none: the call ends"
    )
    wrong_key: TargetText | None = Field(
        default=None, description="After all tries with a wrong one; none: the call ends"
    )
    is_barge_in: bool = Field(default=True, alias="barge_in", description="A key ends the prompt")

    @model_validator(mode="after")
    def _check(self) -> Self:
        message = "nothing can be pressed here: add keys, or dials_extensions: true"
        is_idle = not self.keys and not self.dials_extensions
        refuse_fields([("keys", message)] if is_idle else [])
        return self


class MessageEntry(BriefEntry):
    """A prompt, and what then."""

    name: Name
    prompt: Prompt = Field(description="What is played")
    answers: bool = Field(
        default=False, description="It answers the call and is charged; else it is early media"
    )
    then: TargetText | None = Field(default=None, description="None: the call ends")


class VoicemailEntry(BriefEntry):
    """A box for messages."""

    name: Name
    greeting: Prompt = Field(default=LEAVE_A_MESSAGE, description="What callers hear first")
    email: str | None = Field(
        default=None,
        max_length=254,
        pattern=EMAIL_PATTERN,
        description="Who gets the messages; none: they are only kept",
    )
    seconds: int = Field(default=120, ge=5, le=1800, description="How long one may speak")
