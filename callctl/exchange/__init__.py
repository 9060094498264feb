"""The live switch: takes each call from Asterisk, runs its flow, and owns its end.

Made by app. `Exchange.on_event` is the ARI reader's callback; everything else happens in one
task per call.
"""

from callctl.exchange.canary import Canary
from callctl.exchange.exchange import Exchange
from callctl.exchange.reconciling import Reconciler
from callctl.exchange.recovery import Recovery, read_abandoned

__all__ = ["Canary", "Exchange", "Reconciler", "Recovery", "read_abandoned"]
