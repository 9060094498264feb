"""Routing: may this caller call, and what happens to the call, step after step. Pure; no I/O.

Flows hand in `Facts` and get a `Verdict`, then `Decision` after `Decision` from a `Journey`, each
with the trace of every rule that was looked at, which the CDR keeps.
"""

from callctl.routing.facts import Facts, TraceStep
from callctl.routing.groups import attempts, capacity_of
from callctl.routing.journey import HOPS_MAX, Journey
from callctl.routing.screen import Verdict, screen
from callctl.routing.steps import (
    Ask,
    Attempt,
    Decision,
    End,
    LeftQueue,
    NoKey,
    NoLine,
    Outcome,
    Overflowed,
    Pressed,
    PromiseCallback,
    Ring,
    Said,
    Say,
    Step,
    TakeMessage,
    Wait,
)
from callctl.values.line_state import LineState, QueueState

__all__ = [
    "HOPS_MAX",
    "Ask",
    "Attempt",
    "Decision",
    "End",
    "Facts",
    "Journey",
    "LeftQueue",
    "LineState",
    "NoKey",
    "NoLine",
    "Outcome",
    "Overflowed",
    "Pressed",
    "PromiseCallback",
    "QueueState",
    "Ring",
    "Said",
    "Say",
    "Step",
    "TakeMessage",
    "TraceStep",
    "Verdict",
    "Wait",
    "attempts",
    "capacity_of",
    "screen",
]
