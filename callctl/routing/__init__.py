"""Routing: may this caller call, and which lines are tried in which order. Pure; no I/O.

Flows hand in `Facts` and get a `Verdict` or a `Decision`, each with the trace of every rule that
was looked at, which the CDR keeps.
"""

from callctl.routing.decide import Attempt, Decision, decide
from callctl.routing.facts import Facts, TraceStep
from callctl.routing.screen import Verdict, screen

__all__ = ["Attempt", "Decision", "Facts", "TraceStep", "Verdict", "decide", "screen"]
