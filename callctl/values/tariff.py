"""Tariffs and rates as data: loaded by directory, priced by rating, kept by each call's CDR."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """One price line of a tariff; applies to numbers that begin with `prefix` (digits, or "").

    Money is in micro-units; `round_to_micros` is what the cost of a leg is rounded to, once,
    half-up (100 = four decimals of the currency).
    """

    prefix: str
    connect_fee_micros: int
    price_per_minute_micros: int
    minimum_seconds: int
    first_increment_seconds: int
    next_increment_seconds: int
    round_to_micros: int = 100


@dataclass(frozen=True, slots=True)
class Tariff:
    """A version of a named table of rates; a call keeps the version that it started with."""

    name: str
    version: int
    currency: str
    rates: tuple[Rate, ...]
