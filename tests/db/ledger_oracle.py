"""What the ledger must do, in a few lines of Python: the oracle of test_ledger_machine."""

from dataclasses import dataclass, field


@dataclass
class Oracle:
    """One payer, one payee; reservations by name."""

    limit: int
    balance: int = 0
    revenue: int = 0
    holds: dict[str, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)

    @property
    def available(self) -> int:
        return self.balance + self.limit - sum(self.holds.values())

    def topup(self, amount: int) -> str:
        self.balance += amount
        return "granted"

    def refund(self, amount: int) -> str:
        if amount > self.available:
            return "denied"
        self.balance -= amount
        return "granted"

    def reserve(self, name: str, hold: int) -> str:
        if hold > self.available:
            return "denied"
        self.holds[name] = hold
        return "granted"

    def renew(self, name: str, post: int, hold: int) -> str:
        if post > self.holds[name]:
            return "exceeds_reservation"
        self._post(name, post)
        more = hold - self.holds[name]
        if more > self.available:
            return "short"
        self.holds[name] = hold
        return "granted"

    def settle(self, name: str, post: int) -> str:
        if post > self.holds[name]:
            return "exceeds_reservation"
        self._post(name, post)
        del self.holds[name]
        self.closed.add(name)
        return "granted"

    def _post(self, name: str, amount: int) -> None:
        self.holds[name] -= amount
        self.balance -= amount
        self.revenue += amount
