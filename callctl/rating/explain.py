"""How a cost comes about, as steps that add up to it; made by the meter, shown to people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from callctl.rating.bands import MS_PER_MINUTE, Piece
from callctl.values.tariff import Rate

CONNECT_FEE = "connect fee"
FREE = "free seconds"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an explanation.

    what          "connect fee", "free seconds", "first step", "band night", "price per minute"
    starts_at     moment at which it begins, in the zone of the talk's start
    length_ms     milliseconds of billed time; 0 for the connect fee
    increments    how many increments begin in it
    money_micros  its price, in whole micro-units: what is less goes to the step after it
    """

    what: str
    starts_at: datetime
    length_ms: int
    increments: int
    price_per_minute_micros: int
    money_micros: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """A talk's cost: the money of the steps, plus the rounding, less what the maximum spares."""

    rate: Rate
    started_at: datetime
    talk_ms: int
    billed_seconds: int
    steps: tuple[Step, ...]
    rounding_micros: int  # half a unit at most, negative when rounded down
    spared_micros: int  # above the maximum cost
    cost_micros: int


def make_steps(
    rate: Rate, started_at: datetime, billed_seconds: int, pieces: Sequence[Piece]
) -> Iterator[Step]:
    """Tell the price of `billed_seconds`, of which the charged ones are `pieces`."""
    if billed_seconds <= 0:
        return
    if rate.connect_fee_micros:
        yield Step(CONNECT_FEE, started_at, 0, 0, 0, rate.connect_fee_micros)
    free_ms = min(rate.free_seconds, billed_seconds) * 1000
    if free_ms:
        yield Step(FREE, started_at, free_ms, 0, 0, 0)
    at_ms, total = 0, 0
    for piece in pieces:
        end_ms = at_ms + (piece.length_ms or 0)
        more = (end_ms - at_ms) * piece.price_per_minute_micros
        yield Step(
            what=piece.what,
            starts_at=_later(started_at, free_ms + at_ms),
            length_ms=end_ms - at_ms,
            increments=_begun(rate, end_ms) - _begun(rate, at_ms),
            price_per_minute_micros=piece.price_per_minute_micros,
            money_micros=(total + more) // MS_PER_MINUTE - total // MS_PER_MINUTE,
        )
        at_ms, total = end_ms, total + more


def _begun(rate: Rate, charged_ms: int) -> int:
    """How many increments have begun before `charged_ms` of charged time."""
    if charged_ms <= 0:
        return 0
    beyond_ms = max(charged_ms - rate.first_increment_seconds * 1000, 0)
    return 1 + -(-beyond_ms // (rate.next_increment_seconds * 1000))


def _later(moment: datetime, milliseconds: int) -> datetime:
    """That much real time later, whatever the clock on the wall does meanwhile."""
    zone = moment.tzinfo
    later = moment.astimezone(UTC) + timedelta(milliseconds=milliseconds)
    return later.astimezone(zone)
