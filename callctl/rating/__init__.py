"""Rating: what a talk costs and how long a sum lasts. Pure integers; called by charging and views.

Billed seconds lie on a grid: 0, then the first block (the first increment, stretched to the
minimum), then steps of the next increment. The cost is rounded once per leg, half-up, never per
increment (ambiguity 20). `cost_micros` and `quota_seconds` are inverse to each other.
"""

from callctl.values.tariff import Rate, Tariff

SECONDS_MAX = 14_400  # the longest talk time that is ever granted at once (TIMEOUT's bound)


def rate_for(tariff: Tariff, digits: str) -> Rate | None:
    """The rate whose prefix is the longest match of `digits`; None when the tariff has none."""
    matching = [rate for rate in tariff.rates if digits.startswith(rate.prefix)]
    return max(matching, key=lambda rate: len(rate.prefix), default=None)


def is_free(rate: Rate) -> bool:
    """True when no talk at this rate costs anything."""
    return rate.price_per_minute_micros == 0 and rate.connect_fee_micros == 0


def billed_seconds(rate: Rate, talk_ms: int) -> int:
    """Seconds on the grid that a talk of `talk_ms` milliseconds is billed for; 0 for no talk."""
    if talk_ms <= 0:
        return 0
    return _on_grid(rate, -(-talk_ms // 1000))


def cost_micros(rate: Rate, talk_ms: int) -> int:
    """What a talk of `talk_ms` costs in micro-units, connect fee included; 0 for no talk."""
    return price_micros(rate, billed_seconds(rate, talk_ms))


def price_micros(rate: Rate, seconds: int) -> int:
    """Price of `seconds` billed seconds (a value of the grid); 0 for 0."""
    if seconds <= 0:
        return 0
    sixtieths = rate.connect_fee_micros * 60 + rate.price_per_minute_micros * seconds
    unit = 60 * rate.round_to_micros
    return (2 * sixtieths + unit) // (2 * unit) * rate.round_to_micros


def quota_seconds(rate: Rate, money_micros: int, seconds_max: int = SECONDS_MAX) -> int:
    """The most seconds on the grid, at most `seconds_max`, that `money_micros` can pay.

    0 when the money does not reach the first block, or the first block exceeds `seconds_max`.
    """
    first = _on_grid(rate, 1)
    if first > seconds_max or price_micros(rate, first) > money_micros:
        return 0
    step = rate.next_increment_seconds
    low, high = 0, (seconds_max - first) // step  # steps after the first block
    while low < high:
        middle = (low + high + 1) // 2
        if price_micros(rate, first + middle * step) <= money_micros:
            low = middle
        else:
            high = middle - 1
    return first + low * step


def _on_grid(rate: Rate, seconds: int) -> int:
    wanted = max(seconds, rate.minimum_seconds)
    beyond = wanted - rate.first_increment_seconds
    if beyond <= 0:
        return rate.first_increment_seconds
    step = rate.next_increment_seconds
    return rate.first_increment_seconds + -(-beyond // step) * step
