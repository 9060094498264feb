"""The ledger: accounts, reservations and transfers in PostgreSQL, through one teller.

Used by charging (calls), cli (top-ups) and api. Nobody else moves money.
"""

from callctl.ledger.requests import Answer, Outcome, TransferKind, TransferRequest
from callctl.ledger.teller import Teller

__all__ = ["Answer", "Outcome", "Teller", "TransferKind", "TransferRequest"]
