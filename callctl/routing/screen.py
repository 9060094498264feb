"""Screening: the blacklist (A9), before anything else is done for the call."""

from dataclasses import dataclass

from callctl.routing.facts import Facts, TraceStep
from callctl.values.hangup import HangupCause


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the caller may call; when not, with which Q.850 cause and for which reason."""

    is_allowed: bool
    cause: HangupCause
    reason: str
    trace: tuple[TraceStep, ...]


def screen(facts: Facts) -> Verdict:
    """Judge the caller. A blacklisted number has no right to call (A9): cause 21, no cost."""
    if facts.caller.text in facts.did.blacklist:
        step = TraceStep("blacklist", matched=True, why=f"{facts.caller.text} is listed")
        return Verdict(
            is_allowed=False, cause=HangupCause.REJECTED, reason="blacklisted", trace=(step,)
        )
    step = TraceStep("blacklist", matched=False, why="caller is not listed")
    return Verdict(is_allowed=True, cause=HangupCause.NORMAL, reason="", trace=(step,))
