"""Who pays for a leg and at which price; made by flows from the directory."""

import uuid
from dataclasses import dataclass, field

from callctl import rating
from callctl.directory.models import Tenant
from callctl.values.ids import derived_id
from callctl.values.tariff import Rate, Tariff


@dataclass(frozen=True, slots=True)
class Payer:
    """One leg charged to one account at one rate."""

    leg_id: uuid.UUID
    tenant: Tenant
    tariff: Tariff
    rate: Rate
    reservation_id: uuid.UUID = field(init=False)

    def __post_init__(self) -> None:
        """Name the leg's reservation, so that a retry asks for the same one."""
        object.__setattr__(self, "reservation_id", derived_id(self.leg_id, "reservation"))

    @property
    def is_free(self) -> bool:
        """Whether the leg costs nothing however long it talks; then no money is reserved."""
        return rating.is_free(self.rate)

    @classmethod
    def of(cls, leg_id: uuid.UUID, tenant: Tenant, tariff: Tariff, digits: str) -> "Payer | None":
        """Return who pays for a leg rated on `digits`; None when the tariff has no rate for it."""
        rate = rating.rate_for(tariff, digits)
        return None if rate is None else cls(leg_id, tenant, tariff, rate)
