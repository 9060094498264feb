"""Charging: the money of one call, from the reservation before dialling to the last post.

Flows open a Charge, ask it while the call talks how long the talk is paid for, and leave; the
exchange asks it afterwards what each leg cost. It joins rating (how long) and ledger (the money).
"""

from callctl.charging.abandoned import settle_abandoned
from callctl.charging.charge import Advance, Charge, open_charge
from callctl.charging.leg_money import LegCost
from callctl.charging.payer import Payer
from callctl.charging.quota import SlicePolicy

__all__ = [
    "Advance",
    "Charge",
    "LegCost",
    "Payer",
    "SlicePolicy",
    "open_charge",
    "settle_abandoned",
]
