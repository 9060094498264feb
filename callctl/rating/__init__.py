"""Rating: which rate a call has, what a talk costs and how long a sum lasts.

Pure, and whole numbers only: the same input gives the same answer for ever, so each cost can be
worked out again (docs/rating.md). Called by charging, by the API and by whoever checks a cost.
"""

from callctl.rating.choice import RateChoice, find_rate
from callctl.rating.explain import Explanation, Step
from callctl.rating.meter import SECONDS_MAX, Meter

__all__ = ["SECONDS_MAX", "Explanation", "Meter", "RateChoice", "Step", "find_rate"]
