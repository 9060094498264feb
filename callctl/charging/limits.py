"""Limits as control accounts in the ledger (B22); used by charging.bill.

A limit is an account of kind `limit` that may go down to its cap and no further: its credit limit
is the cap, and whatever counts against it is reserved, renewed and settled on it in the same step
as the money. So a limit is as exact as a balance, many calls at once share its rest, and a crash
leaves it right. A day or a month is an account of its own, opened with its first call; more in
docs/decisions/limits-are-accounts.md. Calls are counted in a currency of their own, a million
micro-units each.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from callctl.charging.payer import PayingAccount, Role
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.directory.models import Limits
from callctl.values.money import MICROS_PER_UNIT

CALLS_CURRENCY = "XCL"  # calls, not money
_KNOWN_MAX = 100_000  # accounts remembered; a day's change makes new ones

_COSTS = (("cost_per_day", "cost_per_day_micros"), ("cost_per_month", "cost_per_month_micros"))
_COUNTS = ("concurrent_calls", "calls_per_day", "calls_per_month")


@dataclass(frozen=True, slots=True)
class Limited:
    """A number or an account that has limits; `account_name` pays what they count.

    Its days and months begin at midnight in `timezone`.
    """

    name: str
    account_name: str
    timezone: str
    currency: str
    limits: Limits


def longest_seconds(limits: Iterable[Limits]) -> int | None:
    """The longest talk that all of them allow; None for no bound."""
    bounds = [one.longest_call_seconds for one in limits if one.longest_call_seconds is not None]
    return min(bounds, default=None)


class LimitBook:
    """Finds and opens the control accounts; remembers them, so that few calls ask."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[int, PayingAccount]] = {}  # by name: cap, account

    async def cost_accounts(self, limited: Limited, at: datetime) -> list[PayingAccount]:
        """The accounts that bound what `limited` spends in the periods that `at` is in."""
        caps = [(name, getattr(limited.limits, field)) for name, field in _COSTS]
        return [
            await self._account(limited, name, at, limited.currency, cap)
            for name, cap in caps
            if cap is not None
        ]

    async def count_accounts(self, limited: Limited, at: datetime) -> list[PayingAccount]:
        """The accounts that bound how many calls `limited` has, at once and in these periods."""
        caps = [(name, getattr(limited.limits, name)) for name in _COUNTS]
        return [
            await self._account(limited, name, at, CALLS_CURRENCY, cap * MICROS_PER_UNIT)
            for name, cap in caps
            if cap is not None
        ]

    async def _account(
        self, limited: Limited, limit: str, at: datetime, currency: str, cap_micros: int
    ) -> PayingAccount:
        name = f"limit:{limited.name}:{limit}{_period(limit, at, limited.timezone)}"
        known = self._known.get(name)
        if known is not None and known[0] == cap_micros:
            return known[1]
        row = await queries.open_limit_account(
            self._database, name=name, currency=currency, cap_micros=cap_micros
        )
        account = PayingAccount(row["id"], name, row["usage_id"], Role.LIMIT, limit)
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[name] = (cap_micros, account)
        return account


def _period(limit: str, at: datetime, timezone: str) -> str:
    """The end of an account's name: :2026-11-25 for a day, :2026-11 for a month, else nothing."""
    local = at.astimezone(ZoneInfo(timezone))
    if limit.endswith("_per_day"):
        return f":{local:%Y-%m-%d}"
    return f":{local:%Y-%m}" if limit.endswith("_per_month") else ""
