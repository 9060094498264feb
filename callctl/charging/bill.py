"""The bill of a call: who pays for its legs, which limits count it; made by flows at its start.

The tenant pays retail at the tariff of the number or the line; the tenant's reseller and that
one's parents pay wholesale. Every limit of the number and of their accounts takes part.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from callctl.charging.limits import LimitBook, Limited, longest_seconds
from callctl.charging.payer import CountedCall, Payer, PayingAccount, Role
from callctl.directory.answering import CarrierCost, Line
from callctl.directory.models import Did, Reseller
from callctl.rating import Meter, find_rate
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Bill:
    """Who pays for the service leg, and what bounds the call; or the name of who has no price.

    `unpriced` is the tariff that has no rate for the leg, "" when all have.
    """

    payers: tuple[Payer, ...] = ()
    counts: tuple[CountedCall, ...] = ()
    seconds_max: int | None = None  # the longest talk allowed
    unpriced: str = ""


@dataclass(frozen=True, slots=True)
class Biller:
    """Makes the bills of one call to `did` that came at `at`."""

    book: LimitBook
    did: Did
    at: datetime

    async def service_leg(
        self, call_id: uuid.UUID, leg_id: uuid.UUID, caller: PhoneNumber, area: Area
    ) -> Bill:
        """The bill of the caller's leg, rated on the caller's number and area.

        Raises DatabaseUnavailable when a limit's account could not be looked up.
        """
        digits = caller.text.removeprefix("+")
        priced = [(self._tenant, self.did.tariff)]
        priced += [(_account_of(one), one.tariff) for one in self._resellers()]
        payers, unpriced = self._payers(leg_id, priced, digits, area)
        return Bill(unpriced=unpriced) if unpriced else await self._counted(call_id, payers)

    async def callback_leg(
        self, call_id: uuid.UUID, leg_id: uuid.UUID, caller: PhoneNumber, area: Area
    ) -> Bill:
        """The bill of the caller's leg when we call him back: as `service_leg` bounds the call.

        It goes out like a line's, so resellers pay what they pay for forwarding legs.
        """
        callback = self.did.callback
        digits = caller.text.removeprefix("+")
        priced = self._placed(callback.tariff, callback.carrier) if callback else []
        payers, unpriced = self._payers(leg_id, priced, digits, area)
        return Bill(unpriced=unpriced) if unpriced else await self._counted(call_id, payers)

    async def forwarding_leg(self, leg_id: uuid.UUID, line: Line) -> Bill:
        """The bill of a line's leg, rated on the line's number; without payers it is free."""
        digits = line.number.text.removeprefix("+")
        priced = self._placed(line.tariff, line.carrier)
        payers, unpriced = self._payers(leg_id, priced, digits, Area.UNKNOWN)
        if unpriced:
            return Bill(unpriced=unpriced)
        return Bill(payers=await self._with_limits(payers))

    @property
    def seconds_max(self) -> int | None:
        """The longest talk that every limit on the call allows."""
        return longest_seconds(limited.limits for limited in self._limited())

    async def _counted(self, call_id: uuid.UUID, payers: list[Payer]) -> Bill:
        """The bill of a leg with which a call begins: every limit of the call counts it."""
        counts = [
            CountedCall(call_id, account, is_used_up=account.limit != "concurrent_calls")
            for limited in self._limited()
            for account in await self.book.count_accounts(limited, self.at)
        ]
        return Bill(
            payers=await self._with_limits(payers),
            counts=tuple(counts),
            seconds_max=self.seconds_max,
        )

    def _placed(
        self, tariff: Tariff | None, carrier: CarrierCost | None
    ) -> list[tuple[PayingAccount, Tariff]]:
        """Who pays for a leg that we place, at which tariff."""
        priced = [(self._tenant, tariff)] if tariff else []
        for one in self._resellers():
            priced += [(_account_of(one), one.line_tariff)] if one.line_tariff else []
        if carrier:
            name = f"revenue:{self.did.tenant.currency}"
            us = PayingAccount(carrier.revenue_account_id, name, carrier.account_id, Role.CARRIER)
            priced.append((us, carrier.tariff))
        return priced

    @property
    def _tenant(self) -> PayingAccount:
        tenant = self.did.tenant
        return PayingAccount(tenant.account_id, tenant.account_name, tenant.revenue_account_id)

    def _resellers(self) -> Iterator[Reseller]:
        reseller = self.did.tenant.reseller
        while reseller is not None:
            yield reseller
            reseller = reseller.parent

    def _limited(self) -> Iterator[Limited]:
        """Whatever has limits that this call counts against."""
        did, tenant = self.did, self.did.tenant
        account = tenant.account_name
        yield Limited(f"did:{did.number}", account, tenant.timezone, tenant.currency, did.limits)
        yield Limited(account, account, tenant.timezone, tenant.currency, tenant.limits)
        for one in self._resellers():
            yield Limited(
                one.account_name, one.account_name, one.timezone, one.currency, one.limits
            )

    def _payers(
        self,
        leg_id: uuid.UUID,
        priced: list[tuple[PayingAccount, Tariff]],
        digits: str,
        area: Area,
    ) -> tuple[list[Payer], str]:
        """A payer for each account and tariff; or the name of the tariff that has no rate."""
        zones = {one.account_id: one.timezone for one in self._resellers()}
        payers = []
        for account, tariff in priced:
            choice = find_rate(tariff, digits, area, self.at)
            if choice is None:
                return [], tariff.name
            timezone = zones.get(account.id, self.did.tenant.timezone)
            meter = Meter(choice.rate, self.at, timezone, tariff.calendar)
            payers.append(Payer(leg_id, account, tariff, meter))
        return payers, ""

    async def _with_limits(self, payers: list[Payer]) -> tuple[Payer, ...]:
        """The payers, and each cost limit on one of them as one more payer of the same cost."""
        found = list(payers)
        by_account = {payer.account.name: payer for payer in payers}
        for limited in self._limited():
            counted = by_account.get(limited.account_name)
            if counted is not None and not counted.is_free:
                accounts = await self.book.cost_accounts(limited, self.at)
                found += [counted.counted_by(account) for account in accounts]
        return tuple(found)


def _account_of(reseller: Reseller) -> PayingAccount:
    return PayingAccount(
        reseller.account_id, reseller.account_name, reseller.revenue_account_id, Role.RESELLER
    )
