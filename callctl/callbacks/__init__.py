"""Callbacks: who is to be called back, by whom, and what became of it.

Asked for by cli and api (a missed call), promised by flows; exchange.outbound claims and makes
them. The rows are shared by all switches, and each is claimed by one.
"""

from callctl.callbacks.asking import ask_for_missed, line_or_group, refusal
from callctl.callbacks.request import CallbackRequest, CallbackState, Happening
from callctl.callbacks.store import Callbacks

__all__ = [
    "CallbackRequest",
    "CallbackState",
    "Callbacks",
    "Happening",
    "ask_for_missed",
    "line_or_group",
    "refusal",
]
