"""The charges of this switch that share an account; they tell each other when it runs dry.

A call that reserved while money was plentiful holds more than its share once others come. Told so
by a neighbour, it gives the surplus back, so that all of them end close together and none is cut
while money is there. Used by charging.charge; made by app.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Protocol

from callctl.ledger import Answer


class Neighbour(Protocol):
    """What a charge is to the others."""

    def hear(self, account_id: int, seen: Answer) -> None:
        """An account that we share stands like this, and it is scarce."""


class Neighbours:
    """Who shares which account, by account id."""

    def __init__(self) -> None:
        self._by_account: defaultdict[int, dict[int, Neighbour]] = defaultdict(dict)

    def join(self, one: Neighbour, account_ids: Iterable[int]) -> None:
        """`one` holds money on these accounts from now on."""
        for account_id in account_ids:
            self._by_account[account_id][id(one)] = one

    def leave(self, one: Neighbour) -> None:
        """`one` holds money no more."""
        for account_id in [key for key, ones in self._by_account.items() if id(one) in ones]:
            del self._by_account[account_id][id(one)]
            if not self._by_account[account_id]:
                del self._by_account[account_id]

    def tell(self, teller: Neighbour, seen: Mapping[int, Answer]) -> None:
        """Pass on how these accounts stand; they are scarce."""
        for account_id, answer in seen.items():
            for one in list(self._by_account.get(account_id, {}).values()):
                if one is not teller:
                    one.hear(account_id, answer)
