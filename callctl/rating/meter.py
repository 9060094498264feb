"""The meter: what a talk at one rate costs, and how long a sum lasts.

Billed seconds lie on a grid: 0; each whole second of the free ones; from their end on the first
block (the first increment, stretched along the grid to the minimum) and steps of the next
increment. Prices are summed over the billed time as whole numbers and rounded once.
"""

from dataclasses import dataclass, field
from datetime import datetime

from callctl.rating.bands import MS_PER_MINUTE, Prices
from callctl.rating.explain import Explanation, make_steps
from callctl.values.tariff import Calendar, Rate

SECONDS_MAX = 14_400  # the longest talk time that is ever granted at once (TIMEOUT's bound)


@dataclass(frozen=True, slots=True)
class Meter:
    """A rate for a talk that begins at `started_at`, with the hours of `timezone`.

    `started_at` is aware, to the millisecond; `timezone` a name such as Asia/Shanghai, read only
    when the rate has bands; `calendar` the tariff's. Same input, same answer, for ever.
    """

    rate: Rate
    started_at: datetime
    timezone: str
    calendar: Calendar | None = None
    _prices: Prices = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make ready to work out prices; nothing is worked out yet."""
        prices = Prices(self.rate, self.started_at, self.timezone, self.calendar)
        object.__setattr__(self, "_prices", prices)

    @property
    def is_free(self) -> bool:
        """Whether no talk, however long, costs anything."""
        rate = self.rate
        if rate.maximum_cost_micros == 0:
            return True
        prices = (rate.price_per_minute_micros, *(b.price_per_minute_micros for b in rate.bands))
        if any(prices):
            return False
        step = rate.first_step_seconds * 1000 * rate.first_step_price_micros
        return self._half_up(rate.connect_fee_micros * MS_PER_MINUTE + step) == 0

    def billed_seconds(self, talk_ms: int) -> int:
        """Seconds of the grid that a talk of `talk_ms` milliseconds is billed for; 0 for none."""
        if talk_ms <= 0:
            return 0
        seconds, free = -(-talk_ms // 1000), self.rate.free_seconds
        return seconds if seconds <= free else free + self._on_grid(seconds - free)

    def cost_micros(self, talk_ms: int) -> int:
        """What a talk of `talk_ms` costs in micro-units, connect fee included; 0 for none."""
        return self._price_micros(self.billed_seconds(talk_ms))

    def quota_seconds(self, money_micros: int, seconds_max: int = SECONDS_MAX) -> int:
        """The most seconds of the grid, at most `seconds_max`, that `money_micros` can pay.

        0 when the money, or `seconds_max`, does not reach the first block and nothing is free.
        """
        free, first = self.rate.free_seconds, self._on_grid(1)
        if free + first > seconds_max or self._price_micros(free + first) > money_micros:
            seconds = max(min(free, seconds_max), 0)
            return seconds if self._price_micros(seconds) <= money_micros else 0
        step = self.rate.next_increment_seconds
        low, high = 0, (seconds_max - free - first) // step  # steps after the first block
        if self._price_micros(free + first + high * step) <= money_micros:
            return free + first + high * step
        while high - low > 1:  # low is affordable, high is not
            middle = (low + high) // 2
            if self._price_micros(free + first + middle * step) <= money_micros:
                low = middle
            else:
                high = middle
        return free + first + low * step

    def starting_at(self, moment: datetime) -> "Meter":
        """The meter of the same rate for a talk that begins at another moment."""
        return Meter(self.rate, moment, self.timezone, self.calendar)

    def explain(self, talk_ms: int) -> Explanation:
        """How `cost_micros(talk_ms)` comes about, step by step."""
        billed = self.billed_seconds(talk_ms)
        pieces = self._prices.pieces_to((billed - self.rate.free_seconds) * 1000)
        steps = tuple(make_steps(self.rate, self.started_at, billed, pieces))
        rounded, cost = self._rounded_micros(billed), self._price_micros(billed)
        return Explanation(
            rate=self.rate,
            started_at=self.started_at,
            talk_ms=max(talk_ms, 0),
            billed_seconds=billed,
            steps=steps,
            rounding_micros=rounded - sum(step.money_micros for step in steps),
            spared_micros=rounded - cost,
            cost_micros=cost,
        )

    def _price_micros(self, billed_seconds: int) -> int:
        """The price of so many seconds of the grid; the maximum is a price and is not rounded."""
        cost, maximum = self._rounded_micros(billed_seconds), self.rate.maximum_cost_micros
        return cost if maximum is None else min(cost, maximum)

    def _rounded_micros(self, billed_seconds: int) -> int:
        """Likewise, as if there were no maximum."""
        if billed_seconds <= 0:
            return 0
        charged_ms = (billed_seconds - self.rate.free_seconds) * 1000
        fee = self.rate.connect_fee_micros * MS_PER_MINUTE
        return self._half_up(fee + self._prices.sum_to(charged_ms))

    def _half_up(self, total: int) -> int:
        """Micro-units of a sum of price x milliseconds, rounded as the rate says (Amb 20)."""
        unit = MS_PER_MINUTE * self.rate.round_to_micros
        return (2 * total + unit) // (2 * unit) * self.rate.round_to_micros

    def _on_grid(self, seconds: int) -> int:
        """The value of the grid for so many seconds after the free ones; `seconds` > 0."""
        beyond = max(seconds, self.rate.minimum_seconds) - self.rate.first_increment_seconds
        if beyond <= 0:
            return self.rate.first_increment_seconds
        step = self.rate.next_increment_seconds
        return self.rate.first_increment_seconds + -(-beyond // step) * step
