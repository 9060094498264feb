"""The money that a call would hold before it rings, without holding it; for `route explain`.

As charging does it for a call: all who pay for the caller's leg hold its first slice, or as much
as the poorest can. Limits are not looked at, since a look opens their accounts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from callctl import rating
from callctl.charging import Biller, LimitBook, Payer, SlicePolicy
from callctl.charging.limits import Limited
from callctl.charging.payer import PayingAccount
from callctl.charging.quota import first_share_seconds
from callctl.directory.answering import Line
from callctl.directory.models import Did
from callctl.routing import Facts
from callctl.values.ids import new_id
from callctl.views import Account

_TRIES = 4  # as many as charging has
NO_RATE = "no_rate"


@dataclass(frozen=True, slots=True)
class FirstReservation:
    """Who holds the price of the first `seconds` of a leg's talk.

    `denial` is why the call gets no money, as the CDR's ended_by has it, and `why` says more.
    """

    payers: tuple[Payer, ...] = ()
    seconds: int = 0
    denial: str = ""
    why: str = ""

    def held_micros(self, payer: Payer) -> int:
        """What is held on the payer's account."""
        return 0 if self.denial else payer.meter.cost_micros(self.seconds * 1000)


class _NoLimits(LimitBook):
    """Knows of no limit, and so opens no account."""

    def __init__(self) -> None:
        pass

    async def cost_accounts(self, limited: Limited, at: datetime) -> list[PayingAccount]:
        return []

    async def count_accounts(self, limited: Limited, at: datetime) -> list[PayingAccount]:
        return []


async def service_leg(
    facts: Facts, accounts: Mapping[str, Account], policy: SlicePolicy
) -> FirstReservation:
    """What is held for the caller's leg; `accounts` by name, as they stand."""
    biller = Biller(_NoLimits(), facts.did, facts.at)
    bill = await biller.service_leg(new_id(), new_id(), facts.caller, facts.area)
    if bill.unpriced:
        return _unpriced(bill.unpriced)
    paying = [payer for payer in bill.payers if not payer.is_free]
    longest = rating.SECONDS_MAX if bill.seconds_max is None else bill.seconds_max
    seconds = min(policy.slice_seconds if paying else rating.SECONDS_MAX, longest)
    denial, why = "", ""
    for _ in range(_TRIES):
        poor = next((one for one in paying if _lacks(one, seconds, accounts)), None)
        if poor is None:
            return FirstReservation(bill.payers, seconds)
        denial, why = poor.account.denial, f"{poor.account.name} has not enough left"
        seconds = min(longest, *(_share_seconds(one, accounts, policy) for one in paying))
        if seconds == 0:
            break
    return FirstReservation(bill.payers, 0, denial, why)


async def forwarding_leg(did: Did, at: datetime, line: Line, seconds: int) -> FirstReservation:
    """What is held for a line's leg, for the seconds that the caller's leg is paid for."""
    bill = await Biller(_NoLimits(), did, at).forwarding_leg(new_id(), line)
    return _unpriced(bill.unpriced) if bill.unpriced else FirstReservation(bill.payers, seconds)


def _unpriced(tariff: str) -> FirstReservation:
    return FirstReservation(denial=NO_RATE, why=f"tariff {tariff} has no rate for the leg")


def _lacks(payer: Payer, seconds: int, accounts: Mapping[str, Account]) -> bool:
    """Whether the payer's account cannot hold that much."""
    available = accounts[payer.account.name].available_micros
    return payer.account.is_limited and payer.meter.cost_micros(seconds * 1000) > available


def _share_seconds(payer: Payer, accounts: Mapping[str, Account], policy: SlicePolicy) -> int:
    account = accounts[payer.account.name]
    return first_share_seconds(
        payer.meter, account.available_micros, account.open_reservations, policy
    )
