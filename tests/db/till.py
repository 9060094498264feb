"""A tenant with an account and a clock in the test's hand, for tests of charging."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from callctl.charging import Charge, Neighbours, Payer, PayingAccount, SlicePolicy, Warnings
from callctl.db.pool import Database
from callctl.directory.models import Tenant
from callctl.ledger import Teller, TransferKind
from callctl.ledger.requests import Urgency
from callctl.rating import Meter
from callctl.values.tariff import Rate, Tariff
from tests.db.ledger_desk import request

BEGIN = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
PER_SECOND = Rate("", 0, 300_000, 0, 1, 1)  # 5,000 micro-units a second
PER_MINUTE = Rate("", 0, 300_000, 0, 60, 60)


class FakeClock:
    """A clock.monotonic that moves only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Till:
    """A teller, a tenant with an account, and a clock."""

    database: Database
    teller: Teller
    tenant: Tenant
    source: int
    time: FakeClock
    unheard_seconds: float = 0.0  # since Asterisk was heard last
    neighbours: Neighbours = field(default_factory=Neighbours)

    def payer(self, rate: Rate) -> Payer:
        tenant = self.tenant
        account = PayingAccount(tenant.account_id, tenant.account_name, tenant.revenue_account_id)
        meter = Meter(rate, BEGIN, tenant.timezone, None)
        return Payer(uuid.uuid4(), account, Tariff("t", 1, "CNY", (rate,)), meter)

    def charge(self, slice_seconds: int = 120) -> Charge:
        warnings = Warnings(self.tenant.warn_seconds)
        return Charge(
            *(self.teller, SlicePolicy(slice_seconds, 2.0), warnings, self.neighbours),
            heard_until=lambda: self.time.now - self.unheard_seconds,
        )

    def start(self, charge: Charge) -> None:
        """Everybody talks from now on."""
        charge.begin([payer.leg_id for payer in charge.payers], self.time.now, BEGIN)

    async def top_up(self, micros: int) -> None:
        one = request(TransferKind.TOPUP, self.source, self.tenant.account_id, amount=micros)
        await self.teller.submit([one], Urgency.SETTLE)

    async def available(self) -> int:
        return (await self.teller.standing(self.tenant.account_id)).available_micros


def talk_of(talks: dict[uuid.UUID, int]) -> Callable[[], Awaitable[dict[uuid.UUID, int]]]:
    """What tells these milliseconds of talk by leg id, at the end of a charge."""

    async def talk_times() -> dict[uuid.UUID, int]:
        return talks

    return talk_times
