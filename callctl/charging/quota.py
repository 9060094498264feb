"""How much talk time to reserve next, and when to ask again. Pure; used by charging.charge.

While money is plentiful a leg holds up to one slice and renews at half of it. Near exhaustion a
slice shrinks to the leg's fair share of what is available, in whole increments, and is renewed
as late as is safe: so the leg whose paid time ends first is always the one that asks, and N legs
on one account run dry together.
"""

from dataclasses import dataclass

from callctl import rating
from callctl.values.tariff import Rate


@dataclass(frozen=True, slots=True)
class SlicePolicy:
    """Talk time reserved at a time, and the latest moment of a renewal before its end."""

    slice_seconds: int = 120
    lead_seconds: float = 2.0


def first_share_seconds(
    rate: Rate, available_micros: int, open_reservations: int, policy: SlicePolicy
) -> int:
    """Talk time to ask for first when a whole slice was denied; 0 when no block is affordable.

    Half of what would be this leg's equal share, so that calls soon to come find something.
    """
    share = available_micros // (open_reservations + 2)
    return rating.quota_seconds(rate, share, policy.slice_seconds) or _one_block(
        rate, available_micros
    )


def further_share_seconds(
    rate: Rate,
    paid_seconds: int,
    available_micros: int,
    open_reservations: int,
    policy: SlicePolicy,
) -> int:
    """Total paid seconds that the leg's fair share can reach; `paid_seconds` if not one step.

    At least one increment while anything at all can pay it.
    """
    paid = rating.cost_micros(rate, paid_seconds * 1000)
    bound = paid_seconds + policy.slice_seconds
    share = available_micros // max(open_reservations, 1)
    total = rating.quota_seconds(rate, paid + share, bound)
    if total <= paid_seconds:
        total = min(
            rating.quota_seconds(rate, paid + available_micros, bound),
            paid_seconds + rate.next_increment_seconds,
        )
    return max(total, paid_seconds)


def is_scarce(
    rate: Rate, available_micros: int, open_reservations: int, policy: SlicePolicy
) -> bool:
    """Whether the account could not give each of its legs one more whole slice."""
    slice_micros = rating.cost_micros(rate, policy.slice_seconds * 1000)
    return available_micros < slice_micros * max(open_reservations, 1)


def _one_block(rate: Rate, available_micros: int) -> int:
    first = rating.billed_seconds(rate, 1)
    return first if rating.price_micros(rate, first) <= available_micros else 0
