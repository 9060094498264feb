"""Who pays for a leg and at which price; made by `bill`, from the directory.

A leg has several payers at once: the tenant at retail, its reseller and that one's parents at
wholesale, and every cost limit that counts them. They are asked in one step: all pay or none.
"""

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from callctl.rating import Meter
from callctl.values.ids import derived_id
from callctl.values.tariff import Tariff


class Role(StrEnum):
    """What a payer is: who buys, ourselves who pay the carrier, or a limit that only counts."""

    TENANT = "tenant"
    RESELLER = "reseller"
    CARRIER = "carrier"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class PayingAccount:
    """An account that legs are charged to, and the account that gets what it pays.

    `limit` is the name of the limit that a control account keeps, such as "cost_per_day".
    """

    id: int
    name: str
    payee_id: int
    role: Role = Role.TENANT
    limit: str = ""

    def reservation_under(self, parent: uuid.UUID) -> uuid.UUID:
        """The reservation on it for a leg or a call: a retry asks for the same one."""
        return derived_id(parent, f"reservation {self.name}")

    @property
    def is_limited(self) -> bool:
        """Whether it can run dry; what we owe a carrier never stops a call."""
        return self.role is not Role.CARRIER

    @property
    def denial(self) -> str:
        """The reason of a call that this account can't pay for, as the CDR has it."""
        if self.role is Role.LIMIT:
            return f"limit_{self.limit}"
        return "no_credit" if self.role is Role.TENANT else "no_reseller_credit"

    @property
    def exhaustion(self) -> str:
        """Likewise of a talk that ended because it could pay no more."""
        if self.role is Role.LIMIT:
            return f"limit_{self.limit}"
        return "money" if self.role is Role.TENANT else "reseller_money"


@dataclass(frozen=True, slots=True)
class Payer:
    """One leg charged to one account; the meter has the rate, the zone and the begin."""

    leg_id: uuid.UUID
    account: PayingAccount
    tariff: Tariff
    meter: Meter
    reservation_id: uuid.UUID = field(init=False)

    def __post_init__(self) -> None:
        """Name the reservation."""
        object.__setattr__(self, "reservation_id", self.account.reservation_under(self.leg_id))

    @property
    def is_free(self) -> bool:
        """Whether the leg costs nothing however long it talks; then no money is reserved."""
        return self.meter.is_free

    def starting_at(self, moment: datetime) -> "Payer":
        """The payer of a leg whose talk begins at `moment`."""
        return replace(self, meter=self.meter.starting_at(moment))

    def counted_by(self, account: PayingAccount) -> "Payer":
        """The same cost once more, for the control account of a limit."""
        return replace(self, account=account)


@dataclass(frozen=True, slots=True)
class CountedCall:
    """A call that counts against a limit on how many: held while it lives.

    `is_used_up`: an answered call stays counted (calls a day); else only live ones are.
    """

    call_id: uuid.UUID
    account: PayingAccount
    is_used_up: bool
    reservation_id: uuid.UUID = field(init=False)

    def __post_init__(self) -> None:
        """Name the reservation."""
        object.__setattr__(self, "reservation_id", self.account.reservation_under(self.call_id))
