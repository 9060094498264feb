"""A call's way to its outcome without a call: which decisions it meets and why; for explanations.

The same code decides as for calls. The caller presses the given keys, the given lines are busy,
any other line that is rung takes the call.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from callctl.directory.answering import Line
from callctl.routing.facts import Facts, TraceStep
from callctl.routing.journey import Journey
from callctl.routing.screen import Verdict, screen
from callctl.routing.steps import (
    Ask,
    Decision,
    End,
    LeftQueue,
    NoKey,
    NoLine,
    Outcome,
    Pressed,
    Ring,
    Said,
    Say,
    Step,
    Wait,
    told,
)
from callctl.values.hangup import HangupCause
from callctl.values.line_state import LineState

NO_KEY = "-"  # among the keys: the caller presses none


@dataclass(frozen=True, slots=True)
class Walk:
    """The verdict, each decision, and the step that the way ends with.

    `line` is the one that takes the call, if any does. The trace's last line is the outcome.
    """

    verdict: Verdict
    decisions: tuple[Decision, ...]
    step: Step
    line: Line | None
    trace: tuple[TraceStep, ...]


def walk(facts: Facts, keys: Sequence[str] = (), busy: Collection[str] = ()) -> Walk:
    """Go the whole way; it ends where the caller would have to wait for somebody.

    `keys` are what the caller presses in menu after menu and in queues, `busy` names of lines.
    A menu for which no key is left ends the way.
    """
    facts = replace(facts, lines={**facts.lines, **_busy_lines(facts, busy)})
    verdict = screen(facts)
    trace = list(verdict.trace)
    if not verdict.is_allowed:
        step: Step = End(verdict.reason, verdict.cause, verdict.announcement)
        return Walk(verdict, (), step, None, _told(trace, step, None))
    caller = _Caller(list(keys), busy)
    journey = Journey(is_vip=verdict.is_vip, is_thorough=True)
    decisions = [journey.begin(facts)]
    while True:
        decision = decisions[-1]
        trace += decision.trace
        outcome = caller.meet(decision.step, trace)
        if outcome is None:
            break
        decisions.append(journey.after(outcome, facts))
    step = decisions[-1].step
    ended = _told(trace, step, caller.line)
    return Walk(verdict, tuple(decisions), step, caller.line, ended)


@dataclass(slots=True)
class _Caller:
    """What happens to the caller: the keys that he has still to press, the line that answers."""

    keys: list[str]
    busy: Collection[str]
    line: Line | None = field(default=None, init=False)

    def meet(self, step: Step, trace: list[TraceStep]) -> Outcome | None:
        """What comes of the step; None: the way ends with it."""
        match step:
            case Ring():
                return self._ring(step, trace)
            case Say():
                return Said()
            case Ask() if self.keys:
                return self._press(trace)
            case Wait(group=group) if self.keys and group.queue:
                key = self.keys.pop(0)
                trace.append(TraceStep("caller", True, f"presses {key} while waiting"))
                return LeftQueue(key)
            case _:
                return None

    def _press(self, trace: list[TraceStep]) -> Outcome:
        key = self.keys.pop(0)
        if key in {"", NO_KEY}:
            trace.append(TraceStep("caller", True, "presses no key"))
            return NoKey()
        trace.append(TraceStep("caller", True, f"presses {key}"))
        return Pressed(key)

    def _ring(self, step: Ring, trace: list[TraceStep]) -> Outcome | None:
        for attempt in step.attempts:
            name = attempt.line.name
            if name not in self.busy:
                self.line = attempt.line
                trace.append(TraceStep(f"attempt {name}", True, "takes the call"))
                return None
            trace.append(TraceStep(f"attempt {name}", False, "busy (cause 17)"))
        return NoLine(int(HangupCause.BUSY))


def _busy_lines(facts: Facts, busy: Collection[str]) -> dict[str, LineState]:
    """The busy lines' states: each has all the calls that it can have."""
    lines = {
        member.line.name: member.line
        for group in facts.did.answering.groups.values()
        for member in group.members
    } | dict(facts.did.answering.lines)
    found = {}
    for name in busy:
        state = facts.lines.get(name, LineState())
        line = lines.get(name)
        capacity = (line.capacity if line else None) or 1
        found[name] = replace(state, live_calls=max(capacity, state.live_calls))
    return found


def _told(trace: list[TraceStep], step: Step, line: Line | None) -> tuple[TraceStep, ...]:
    last = told(step)
    why = f"line {line.name} takes the call" if line else f"{last.rule}: {last.why}"
    return (*trace, TraceStep("outcome", True, why))
