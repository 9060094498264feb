"""Which rate of a tariff prices a call; asked once, when the call begins."""

from dataclasses import dataclass
from datetime import UTC, datetime

from callctl.values.area import Area
from callctl.values.tariff import Rate, Tariff

_ALWAYS = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RateChoice:
    """The rate found, and why it and no other, in a few words: "longest prefix 8613"."""

    rate: Rate
    why: str


def find_rate(tariff: Tariff, digits: str, area: Area, at: datetime) -> RateChoice | None:
    """The rate of a call that begins at `at`; None when the tariff has none.

    `digits` are a number's with the country code and no plus: "8613800138000". Of the rates valid
    then: the longest prefix; else the caller's city, then its province; else the one for any
    number. Of several alike that are valid, the one that became so last.
    """
    by_prefix = tariff.by_prefix
    for length in tariff.prefix_lengths:
        prefix = digits[:length]
        if prefix and prefix in by_prefix and (rate := _valid(by_prefix[prefix], at)):
            return RateChoice(rate, f"longest prefix {prefix}")
    if area.adcode and tariff.by_area:
        for adcode, name in _places(area.adcode, area):
            if area.is_within(adcode) and (rate := _valid(tariff.by_area.get(adcode, ()), at)):
                return RateChoice(rate, f"area {name}")
    rate = _valid(by_prefix.get("", ()), at)
    return RateChoice(rate, "any number") if rate else None


def _places(adcode: str, area: Area) -> tuple[tuple[str, str], ...]:
    """The places that may have a rate for the area, with their names: the city, the province."""
    return (adcode, str(area)), (adcode[:2] + "0000", area.province or "")


def _valid(rates: tuple[Rate, ...], at: datetime) -> Rate | None:
    """The rate for that moment among those of one prefix or area."""
    if len(rates) == 1:
        return rates[0] if _is_valid(rates[0], at) else None
    return max((rate for rate in rates if _is_valid(rate, at)), key=_newest, default=None)


def _is_valid(rate: Rate, at: datetime) -> bool:
    if rate.valid_from is not None and at < rate.valid_from:
        return False
    return rate.valid_until is None or at < rate.valid_until


def _newest(rate: Rate) -> datetime:
    return rate.valid_from or _ALWAYS
