"""How the accounts behind a call's legs stand, as last seen. Pure; used by charging.charge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from callctl.charging.leg_money import LegMoney
from callctl.charging.payer import PayingAccount
from callctl.charging.quota import (
    SlicePolicy,
    first_share_seconds,
    further_share_seconds,
    is_scarce,
)
from callctl.ledger import Answer

_LEAST_SECONDS = 2  # kept beyond the latest moment of asking again


@dataclass(frozen=True, slots=True)
class Standings:
    """The paying legs of a call that is paid for `paid_seconds`."""

    paying: list[LegMoney]
    paid_seconds: int
    policy: SlicePolicy

    def is_scarce(self) -> bool:
        """Whether any account is near its end."""
        return any(self.is_leg_scarce(leg) for leg in self.paying)

    def scarce(self) -> dict[int, Answer]:
        """Those accounts that are near their end, by id, as last seen."""
        return {
            leg.payer.account.id: leg.standing
            for leg in self.paying
            if leg.standing is not None and self.is_leg_scarce(leg)
        }

    def surplus_total(self, elapsed_ms: int) -> int | None:
        """The paid seconds to shrink to where more is held than is fair; None where it is not."""
        if not self.is_scarce():
            return None
        step = max(leg.payer.meter.rate.next_increment_seconds for leg in self.paying)
        fair = self.fair_total(elapsed_ms)
        return fair if fair + step < self.paid_seconds else None

    def is_leg_scarce(self, leg: LegMoney) -> bool:
        """Whether the leg's account is."""
        seen = leg.standing
        return seen is not None and is_scarce(
            leg.payer.meter,
            self._own_seconds(leg),
            seen.available_micros,
            seen.open_reservations,
            self.policy,
        )

    def shared_total(self) -> int:
        """Paid seconds of the call that every leg's fair share of what is available can reach."""
        return min((self._reach(leg) for leg in self.paying), default=self.paid_seconds)

    def exhausted(self) -> PayingAccount:
        """The account that reaches least far; there is a paying leg whenever money runs out."""
        return min(self.paying, key=self._reach).payer.account

    def fair_total(self, elapsed_ms: int) -> int:
        """Paid seconds that would be left to the call if all that is held were shared anew.

        Never less than what is needed to ask again in time.
        """
        least = elapsed_ms // 1000 + math.ceil(self.policy.lead_seconds) + _LEAST_SECONDS
        return max(least, min((self._fair(leg) for leg in self.paying), default=least))

    def _fair(self, leg: LegMoney) -> int:
        seen = leg.standing
        if seen is None:
            return self.paid_seconds
        share = (seen.available_micros + seen.held_micros) // max(seen.open_reservations, 1)
        own = leg.payer.meter.quota_seconds(leg.posted_micros + share, self._own_seconds(leg))
        return own + (leg.offset_ms or 0) // 1000

    def _reach(self, leg: LegMoney) -> int:
        seen = leg.standing
        if seen is None:
            return self.paid_seconds
        own = self._own_seconds(leg)
        reached = further_share_seconds(
            leg.payer.meter, own, seen.available_micros, seen.open_reservations, self.policy
        )
        return self.paid_seconds + reached - own

    def _own_seconds(self, leg: LegMoney) -> int:
        """Paid seconds of the leg's own talk, which may have begun after the call's."""
        return max(0, self.paid_seconds - (leg.offset_ms or 0) // 1000)


def smaller_seconds(
    paying: Sequence[LegMoney], answers: Sequence[Answer], policy: SlicePolicy
) -> int:
    """Seconds that every payer's first share can reach; 0 when one can't pay a block."""
    shares = [
        first_share_seconds(
            leg.payer.meter, answer.available_micros, answer.open_reservations, policy
        )
        for leg, answer in zip(paying, answers, strict=False)
        if leg.payer.account.is_limited
    ]
    return min(shares, default=0)
