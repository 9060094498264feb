"""The routing decision: which lines are tried, in which order, and why (A3, A5, A7).

First the lines bound to the caller's area, then the default lines, each in the DID's order. An
unknown area matches no binding: the call goes to the default lines, never nowhere (ambiguity 25).
"""

from dataclasses import dataclass

from callctl.directory.models import Line
from callctl.routing.facts import Facts, TraceStep


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line to try: `endpoint` is a PJSIP endpoint made from directory data only (R19)."""

    line: Line
    endpoint: str
    ring_seconds: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The attempts in order, and every rule that was looked at."""

    attempts: tuple[Attempt, ...]
    trace: tuple[TraceStep, ...]


def decide(facts: Facts) -> Decision:
    """Choose the lines for this caller; pure, and never without an attempt if a line exists."""
    by_area: list[Line] = []
    by_default: list[Line] = []
    trace: list[TraceStep] = []
    for line in facts.did.lines:
        if not line.areas:
            by_default.append(line)
            trace.append(TraceStep(f"line {line.name}", matched=True, why="default line"))
        elif any(facts.area.matches(code) for code in line.areas):
            by_area.append(line)
            why = f"caller's area {facts.area} is bound to it"
            trace.append(TraceStep(f"line {line.name}", matched=True, why=why))
        else:
            why = f"caller's area {facts.area} is not among {', '.join(line.areas)}"
            trace.append(TraceStep(f"line {line.name}", matched=False, why=why))
    attempts = tuple(_attempt(line) for line in (*by_area, *by_default))
    return Decision(attempts=attempts, trace=tuple(trace))


def _attempt(line: Line) -> Attempt:
    endpoint = f"PJSIP/{line.number.dial_digits}@{line.trunk}"
    return Attempt(line=line, endpoint=endpoint, ring_seconds=line.ring_seconds)
