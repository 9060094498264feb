"""How much talk time to reserve next, and when to ask again. Pure; used by charging.charge.

While money is plentiful a leg holds up to one slice and renews at half of it. Near exhaustion a
slice shrinks to the leg's fair share of what is available, in whole increments, and is renewed
as late as is safe: so the leg whose paid time ends first is always the one that asks, and N legs
on one account run dry together.
"""

from dataclasses import dataclass

from callctl.rating import Meter


@dataclass(frozen=True, slots=True)
class SlicePolicy:
    """Talk time reserved at a time, and the latest moment of a renewal before its end.

    Half a slice is left when it is renewed: it has to outlast a minute without PostgreSQL.
    """

    slice_seconds: int = 150
    lead_seconds: float = 2.0


def first_share_seconds(
    meter: Meter, available_micros: int, open_reservations: int, policy: SlicePolicy
) -> int:
    """Talk time to ask for first when a whole slice was denied; 0 when no block is affordable.

    Half of what would be this leg's equal share, so that calls soon to come find something.
    """
    share = available_micros // (open_reservations + 2)
    return meter.quota_seconds(share, policy.slice_seconds) or _one_block(meter, available_micros)


def further_share_seconds(
    meter: Meter,
    paid_seconds: int,
    available_micros: int,
    open_reservations: int,
    policy: SlicePolicy,
) -> int:
    """Total paid seconds that the leg's fair share can reach; `paid_seconds` if not one step.

    At least one increment while anything at all can pay it.
    """
    paid = meter.cost_micros(paid_seconds * 1000)
    bound = paid_seconds + policy.slice_seconds
    share = available_micros // max(open_reservations, 1)
    total = meter.quota_seconds(paid + share, bound)
    if total <= paid_seconds:
        total = min(
            meter.quota_seconds(paid + available_micros, bound),
            paid_seconds + meter.rate.next_increment_seconds,
        )
    return max(total, paid_seconds)


def is_scarce(
    meter: Meter,
    paid_seconds: int,
    available_micros: int,
    open_reservations: int,
    policy: SlicePolicy,
) -> bool:
    """Whether the account could not give each of its legs one more whole slice."""
    if meter.is_free:
        return False
    first = meter.cost_micros(policy.slice_seconds * 1000)
    paid = meter.cost_micros(paid_seconds * 1000)
    following = meter.cost_micros((paid_seconds + policy.slice_seconds) * 1000) - paid
    return available_micros < max(first, following) * max(open_reservations, 1)


def _one_block(meter: Meter, available_micros: int) -> int:
    first = meter.billed_seconds(1)
    return first if meter.cost_micros(1) <= available_micros else 0
