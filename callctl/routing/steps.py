"""What a call does next: the steps that routing decides on, and what can come of each.

Made by routing.journey; carried out by the flows, which tell the journey what came of it.
"""

from dataclasses import dataclass

from callctl.directory.answering import Group, Line, Menu, Message, Voicemail
from callctl.routing.facts import TraceStep
from callctl.values.hangup import HangupCause


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line to ring: `endpoint` is a PJSIP endpoint made from directory data only (R19)."""

    line: Line
    endpoint: str
    ring_seconds: int


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring these lines in turn, or `is_at_once`. What came of it: NoLine, or the call talks."""

    group: Group
    attempts: tuple[Attempt, ...]
    is_at_once: bool = False
    ringback: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait in the group's queue: Overflowed, LeftQueue, or the call talks.

    `why` no line was rung or took the call. While it waits, the lines are asked for again by
    routing.attempts.
    """

    group: Group
    is_vip: bool
    why: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Play the menu's prompt and wait for a key: Pressed, or NoKey.

    After a wrong key (`is_wrong`) the caller hears `wrong_prompt` first. `digits_max` is how many
    digits may follow each other (1 unless extensions are dialled).
    """

    menu: Menu
    is_wrong: bool = False
    digits_max: int = 1


@dataclass(frozen=True, slots=True)
class Say:
    """Play the message; then Said."""

    message: Message


@dataclass(frozen=True, slots=True)
class TakeMessage:
    """Take a voicemail; the call ends with it."""

    box: Voicemail


@dataclass(frozen=True, slots=True)
class PromiseCallback:
    """Note that the caller is to be called back, tell him; the call ends with it.

    `group` is whose queue he left, and keeps his place in; None: he did not wait.
    """

    group: Group | None


@dataclass(frozen=True, slots=True)
class End:
    """End the call: refused with `cause` if unanswered. `announcement`: an early-media prompt."""

    reason: str
    cause: HangupCause
    announcement: str | None = None


Step = Ring | Wait | Ask | Say | TakeMessage | PromiseCallback | End


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step, and every rule that was looked at on the way to it; last the step itself."""

    step: Step
    trace: tuple[TraceStep, ...]


def told(step: Step) -> TraceStep:
    """The step in words: the last line of a decision's trace."""
    match step:
        case Ring():
            between = " and " if step.is_at_once else ", then "
            rule, why = "ring", between.join(one.line.name for one in step.attempts)
        case Wait():
            rule, why = "wait", f"in the queue of group {step.group.name}: {step.why}"
        case Ask():
            rule, why = "ask", f"menu {step.menu.name}"
        case Say():
            rule, why = "say", f"message {step.message.name}"
        case TakeMessage():
            rule, why = "voicemail", f"box {step.box.name}"
        case PromiseCallback(group=group):
            place = f", with the place in the queue of group {group.name}" if group else ""
            rule, why = "callback", f"promised{place}"
        case End():
            rule, why = "end", f"{step.reason} (cause {int(step.cause)})"
    return TraceStep(rule, matched=True, why=why)


@dataclass(frozen=True, slots=True)
class NoLine:
    """No line took the call. `cause` is the last one's (Q.850); None: none could be rung."""

    cause: int | None = None


@dataclass(frozen=True, slots=True)
class Overflowed:
    """The queue was full or its estimate too long on entering, or the wait is over."""

    why: str


@dataclass(frozen=True, slots=True)
class LeftQueue:
    """A waiting caller pressed one of the queue's keys."""

    key: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """Digits that a caller pressed in a menu; "" is not possible."""

    digits: str


@dataclass(frozen=True, slots=True)
class NoKey:
    """A caller pressed nothing in a menu."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message was played."""


Outcome = NoLine | Overflowed | LeftQueue | Pressed | NoKey | Said
