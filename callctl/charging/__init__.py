"""Charging: the money of one call, from the reservation before dialling to the last post.

Flows make a Bill, open a Charge with it, ask it while the call talks how long the talk is paid
for, and leave; the exchange asks it afterwards what each leg cost. It joins rating (how long) and
ledger (the money).
"""

from callctl.charging.bill import Bill, Biller
from callctl.charging.charge import DATABASE_AWAY, Charge, TalkTimes
from callctl.charging.in_doubt import InDoubt
from callctl.charging.leg_money import LegCost
from callctl.charging.limits import LimitBook
from callctl.charging.neighbours import Neighbours
from callctl.charging.opening import open_charge
from callctl.charging.patience import ANSWER_SECONDS_MAX
from callctl.charging.payer import CountedCall, Payer, PayingAccount, Role
from callctl.charging.quota import SlicePolicy
from callctl.charging.resumed import Resumed, read_held, resumed
from callctl.charging.warnings import Advance, Warnings

__all__ = [
    "ANSWER_SECONDS_MAX",
    "DATABASE_AWAY",
    "Advance",
    "Bill",
    "Biller",
    "Charge",
    "CountedCall",
    "InDoubt",
    "LegCost",
    "LimitBook",
    "Neighbours",
    "Payer",
    "PayingAccount",
    "Resumed",
    "Role",
    "SlicePolicy",
    "TalkTimes",
    "Warnings",
    "open_charge",
    "read_held",
    "resumed",
]
