"""Calls and their legs: the verbs that flows are written with (dial, bridge, reject, play).

The exchange makes a Call for each caller and feeds its legs with events; a flow tells it what to
do. This and the exchange are the only packages that speak to Asterisk.
"""

from callctl.calls.call import Call, LineToRing
from callctl.calls.caller_id import CallerIdPresented
from callctl.calls.leg import Leg

__all__ = ["Call", "CallerIdPresented", "Leg", "LineToRing"]
