"""Calls and their legs: the verbs that flows are written with (dial, bridge, reject, play).

The exchange makes a Call for each caller and feeds its legs with events; a flow tells it what to
do. This and the exchange are the only packages that speak to Asterisk.
"""

from callctl.calls.call import Call
from callctl.calls.call_clock import CallClock, Moment
from callctl.calls.caller_id import CallerIdPresented
from callctl.calls.calling_back import CallerToRing, ring_caller, tell_line
from callctl.calls.leg import Leg
from callctl.calls.line_to_ring import LineToRing

__all__ = [
    "Call",
    "CallClock",
    "CallerIdPresented",
    "CallerToRing",
    "Leg",
    "LineToRing",
    "Moment",
    "ring_caller",
    "tell_line",
]
