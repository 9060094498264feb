"""What a number's calls are answered with: lines, groups, queues, menus, messages, routes.

Part of the directory's models. Prompts are paths below Asterisk's sounds, without extension:
"callctl/closed" is one of ours in any language, "tenants/acme/welcome" an upload of the tenant's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from callctl.values.phone_number import PhoneNumber
from callctl.values.schedule import Schedule
from callctl.values.tariff import Tariff

LINES_GROUP = "lines"  # the group of a number that names lines instead of a group


class TargetKind(StrEnum):
    """What a call can be sent to."""

    GROUP = "group"
    MENU = "menu"
    LINE = "line"  # one line alone; an external number is a line that is in no group
    MESSAGE = "message"
    VOICEMAIL = "voicemail"
    CALLBACK = "callback"  # the caller is promised to be called back; has no name
    REFUSE = "refuse"  # unanswered, cause 21; has no name


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes next; written "group:support", "menu:main", "callback", "refuse"."""

    kind: TargetKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)


@dataclass(frozen=True, slots=True)
class CarrierCost:
    """What a carrier charges us for a leg: booked from our revenue to the carrier's account."""

    tariff: Tariff
    revenue_account_id: int
    account_id: int


@dataclass(frozen=True, slots=True)
class Line:
    """A bound answering number, reached through `trunk` (a PJSIP endpoint).

    areas            adcodes (GB/T 2260 prefixes) whose callers it serves; none: a default line
    tariff           prices the forwarding leg; None: it is free
    is_on, schedule  whether calls are sent to it at all (A4)
    capacity         calls at once, held across switches; None: as many as come
    confirm_key      the digit by which who answers takes the call; None: the answer is enough
    is_announced     who answers hears for which number and from where the call is, before he talks
    wrap_up_seconds  rest after a call that came from a queue
    """

    name: str
    number: PhoneNumber
    trunk: str
    tariff: Tariff | None
    ring_seconds: int
    areas: tuple[str, ...]
    carrier: CarrierCost | None = None
    id: int = 0
    is_on: bool = True
    schedule: Schedule | None = None
    capacity: int | None = None
    confirm_key: str | None = None
    is_announced: bool = False
    wrap_up_seconds: int = 0
    is_recorded: bool = False

    @property
    def is_taken_by_answer(self) -> bool:
        """Whether who answers a caller's call takes it by that, untold and unasked."""
        return self.confirm_key is None and not self.is_announced


class Strategy(StrEnum):
    """In which order the lines of a group are tried (A5, ambiguity 2)."""

    SEQUENTIAL = "sequential"
    ROUND_ROBIN = "round_robin"
    RANDOM = "random"
    LEAST_RECENT = "least_recent"
    FEWEST_CALLS = "fewest_calls"
    WEIGHTED = "weighted"
    SIMULTANEOUS = "simultaneous"


@dataclass(frozen=True, slots=True)
class Member:
    """A line in a group: lower `priority` first; `weight` is its share under WEIGHTED, 0 to 100.

    `ring_seconds` None: the line's own.
    """

    line: Line
    priority: int = 1
    weight: int = 1
    ring_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """Callers who wait while all lines of a group are busy.

    Waiting answers the call, so it is charged (ambiguity 22). `overflow` takes those who find it
    full, whose estimated wait is beyond `overflow_estimate_seconds`, or who have waited
    `wait_seconds_max`; None: they are told that nobody is free. `keys` lead out by a digit.
    """

    length_max: int
    wait_seconds_max: int
    music: str  # prompt, played again and again
    announce_seconds: int | None  # between two announcements of place and wait; None: none
    is_vip_first: bool = True
    overflow: Target | None = None
    overflow_estimate_seconds: int | None = None
    keys: Mapping[str, Target] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that answer together; `extension` is what callers dial in a menu to reach it.

    `otherwise` takes the calls that no line took; None: the caller is refused, or told so.
    """

    name: str
    strategy: Strategy
    members: tuple[Member, ...]
    extension: str | None = None
    ringback: str | None = None
    queue: Queue | None = None
    otherwise: Target | None = None


@dataclass(frozen=True, slots=True)
class MenuKey:
    """What a key leads to, in its schedule only if it has one; out of it: `closed`."""

    target: Target
    schedule: Schedule | None = None
    closed: Target | None = None


@dataclass(frozen=True, slots=True)
class Menu:
    """A level of the switchboard (A15-A18).

    `keys` by digit, * or #; `dials_extensions`: callers may dial a group's extension here. After
    `tries_max` rounds without a key the call goes to `no_key`, after as many wrong ones to
    `wrong_key`; None: the call ends after the last prompt. `is_barge_in`: a key ends the prompt.
    """

    name: str
    prompt: str
    keys: Mapping[str, MenuKey]
    dials_extensions: bool = False
    wait_seconds: int = 5  # for a key after the prompt
    digit_seconds: int = 3  # between the digits of an extension
    tries_max: int = 3
    wrong_prompt: str | None = None
    no_key: Target | None = None
    wrong_key: Target | None = None
    is_barge_in: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """A prompt, then the end or another target; unanswered early media unless `answers`."""

    name: str
    prompt: str
    answers: bool = False
    then: Target | None = None


@dataclass(frozen=True, slots=True)
class Voicemail:
    """A box: what callers hear, how long they may speak, who gets it by e-mail."""

    name: str
    greeting: str
    email: str | None = None
    seconds_max: int = 120


@dataclass(frozen=True, slots=True)
class Greeting:
    """A prompt that answers the call, and so starts its charge (A16)."""

    prompt: str
    is_barge_in: bool = False


@dataclass(frozen=True, slots=True)
class Callback:
    """How callers are called back: through `trunk`, priced by `tariff` (None: free)."""

    trunk: str
    tariff: Tariff | None = None
    carrier: CarrierCost | None = None
    ring_seconds: int = 30


class ListMode(StrEnum):
    """What being on a list means (ambiguity 3)."""

    BLOCK = "block"
    ALLOW_ONLY = "allow_only"
    VIP = "vip"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class CallerList:
    """Callers by number, prefix, range or area.

    numbers, prefixes  as PhoneNumber.text; a prefix is matched against PhoneNumber.e164 or text
    ranges             (first, last), PhoneNumber.text of equal length, both included
    areas              adcodes
    is_for_unknown     callers without a number are on it too
    announcement       what the refused hear, in early media; None: refused at once, cause 21
    """

    name: str
    mode: ListMode
    numbers: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    ranges: tuple[tuple[str, str], ...] = ()
    areas: tuple[str, ...] = ()
    is_for_unknown: bool = False
    announcement: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One rule: when all that it names holds for a call, the call goes to `target`.

    areas         adcodes; `prefixes` as in CallerList
    while_open    a schedule in whose hours it holds; while_closed: outside whose hours
    caller_list   a list that the caller must be on
    percentage    of the calls for which all else holds, 0 to 100
    is_vip_only   only VIP callers
    """

    name: str
    target: Target
    areas: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    while_open: Schedule | None = None
    while_closed: Schedule | None = None
    caller_list: CallerList | None = None
    percentage: int | None = None
    is_vip_only: bool = False
