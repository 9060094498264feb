"""What the ledger must do, in a page of Python: the oracle of test_ledger_machine."""

import uuid
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from callctl.ledger import TransferKind, TransferRequest

K = TransferKind


@dataclass
class Held:
    """A reservation; `expires` says that it has an end, `overdue` that this has come."""

    account: int
    micros: int = 0
    state: str = "open"
    expires: bool = False
    overdue: bool = False


@dataclass
class Oracle:
    """The books: `limits` has the credit limit of each account, None where nothing limits it."""

    limits: dict[int, int | None]
    balance: Counter[int] = field(default_factory=Counter)
    held: dict[uuid.UUID, Held] = field(default_factory=dict)
    done: dict[uuid.UUID, tuple[TransferRequest, str]] = field(default_factory=dict)

    def available(self, account: int) -> int:
        held = sum(h.micros for h in self.held.values() if h.account == account)
        return self.balance[account] + (self.limits[account] or 0) - held

    def open_count(self, account: int) -> int:
        return sum(h.state == "open" for h in self.held.values() if h.account == account)

    def step(self, requests: Sequence[TransferRequest]) -> list[str]:
        before = deepcopy((self.balance, self.held, self.done))
        for is_short in (False, True):
            said = [self._one(request, is_short=is_short) for request in requests]
            if {"granted", "short"}.issuperset(said):
                break
            fresh = [request.id in self.done.keys() - before[2].keys() for request in requests]
            said = ["step_refused" if new else word for new, word in zip(fresh, said, strict=True)]
            self.balance, self.held, self.done = deepcopy(before)
            if "denied" not in said or {request.kind for request in requests} != {K.RENEW}:
                break
        return said

    def _one(self, q: TransferRequest, *, is_short: bool) -> str:
        if q.id in self.done:
            first, word = self.done[q.id]
            return word if first == q else "mismatch"
        held = self.held.get(q.reservation_id or q.id)
        if refusal := _refusal(q, held):
            return refusal
        is_open, payer = held is not None and held.state == "open", q.from_account_id
        change = {K.SETTLE: -held.micros, K.EXPIRE: -held.micros}.get(q.kind, 0) if held else 0
        if q.kind is K.RESERVE:
            held, change = Held(payer), q.hold_micros
        elif q.kind is K.RENEW and held is not None:
            change = -q.amount_micros if is_short else q.hold_micros - held.micros
        need, limit = q.amount_micros + change, self.limits[payer]
        if limit is not None and need > max(0, self.available(payer)):
            return "denied"
        self.balance[payer] -= q.amount_micros
        self.balance[q.to_account_id] += q.amount_micros
        if held is not None and q.reservation_id is not None:
            self.held[q.reservation_id] = held
            held.micros += change
            held.state = {K.SETTLE: "settled", K.EXPIRE: "expired"}.get(q.kind, "open")
            if q.kind is K.RESERVE or (q.kind is K.RENEW and not is_short and is_open):
                held.expires, held.overdue = q.expires_seconds > 0, False
        self.done[q.id] = (q, "short" if is_short else "granted")
        return self.done[q.id][1]


def _refusal(q: TransferRequest, held: Held | None) -> str | None:
    """What is said without looking at any money."""
    is_open = held is not None and held.state == "open"
    refusals = {
        "malformed": min(q.amount_micros, q.hold_micros) < 0
        or (q.kind is K.EXPIRE and q.amount_micros > 0),
        "mismatch": q.kind is K.RESERVE and held is not None,
        "unknown_reservation": q.kind in {K.RENEW, K.SETTLE, K.EXPIRE}
        and (held is None or held.state == "settled" or held.account != q.from_account_id),
        "reservation_expired": q.kind in {K.RENEW, K.EXPIRE} and not is_open,
        "exceeds_reservation": q.kind in {K.RENEW, K.SETTLE}
        and (held is not None and is_open and q.amount_micros > held.micros),
        "not_due": q.kind is K.EXPIRE and held is not None and not held.overdue,
    }
    return next((word for word, is_so in refusals.items() if is_so), None)
