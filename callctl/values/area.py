"""Where a caller is from, as far as the number tells; used by routing, the directory and CDRs.

Areas are named by their adcode (GB/T 2260): two digits each for the province, the city and the
county, with "00" for "all of it": 440000 is 广东, 440300 is 深圳.
"""

from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class Area:
    """A province, a city, or the cities that share an area code; falsy when unknown.

    province          "广东"; None when the area is unknown
    city              "深圳"; the province's name again for the four municipalities; None when
                      several cities are possible
    adcode            of the city, else of the province; None when unknown
    zone              adcodes of the possible cities, the one with most numbers first; empty
                      unless an area code shared by them is all that is known (0731: 长沙, 株洲, 湘潭)
    province_english  "Guangdong"
    """

    province: str | None = None
    city: str | None = None
    adcode: str | None = None
    zone: tuple[str, ...] = ()
    province_english: str | None = None

    UNKNOWN: ClassVar[Self]

    @property
    def is_known(self) -> bool:
        """Whether at least the province is known."""
        return self.adcode is not None

    def matches(self, adcode: str) -> bool:
        """Whether the caller may be in `adcode`: for choosing a line (A7).

        A province covers its cities. A zone matches each of its cities: a caller from 0731 is
        for the line of 长沙 rather than for the default line. An unknown area matches nothing.
        """
        prefix = _covered_prefix(adcode)
        return any(place.startswith(prefix) for place in self._places())

    def is_within(self, adcode: str) -> bool:
        """Whether the caller is surely in `adcode`: for refusing an area (A8)."""
        prefix = _covered_prefix(adcode)
        places = self._places()
        return bool(places) and all(place.startswith(prefix) for place in places)

    def _places(self) -> tuple[str, ...]:
        if self.zone:
            return self.zone
        return (self.adcode,) if self.adcode else ()

    def __bool__(self) -> bool:
        return self.adcode is not None

    def __str__(self) -> str:
        if self.province is None:
            return "unknown"
        if self.city is None or self.city == self.province:
            return self.province
        return f"{self.province} {self.city}"


def _covered_prefix(adcode: str) -> str:
    """Return the digits that all adcodes under `adcode` begin with: "44" for 440000."""
    if adcode.endswith("0000"):
        return adcode[:2]
    return adcode[:4] if adcode.endswith("00") else adcode


Area.UNKNOWN = Area()
