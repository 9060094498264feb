"""Where a number is from: mobiles by their seven-digit segment, fixed lines by their area code.

Called by the exchange for each caller and by provisioning, which turns the names people write
into adcodes. The data is areas.xz, made by deploy/areas/build_areas.py; a number kept by
its owner in another network or carried elsewhere keeps the area of its segment (归属地).
"""

import difflib
import json
import lzma
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self, TypedDict

from callctl.errors import ConfigurationRefused, InvalidInput
from callctl.values.area import Area
from callctl.values.phone_number import NumberKind, PhoneNumber

_SHIPPED = Path(__file__).with_name("areas.xz")
_FORMAT = 1
# An enum's member read from a local name is twice as fast, and each call comes through here.
_MOBILE, _FIXED, _FOREIGN = NumberKind.MOBILE, NumberKind.FIXED, NumberKind.FOREIGN
# The four municipalities are province and city in one; 110100 is the same place as 110000.
_MUNICIPALITIES = ("11", "12", "31", "50")


class _Header(TypedDict):
    """The first line of areas.xz; deploy/areas/build_areas.py writes it."""

    format: int
    made_from: list[str]
    divisions: list[tuple[str, str, str, str]]  # adcode, short and official name, province
    area_codes: dict[str, list[str]]
    country_codes: dict[str, str]
    first_segment: int
    places: list[str | None]


@dataclass(frozen=True, slots=True)
class AreaTable:
    """Areas by segment, by area code and by name; load it once for each process.

    segments    one 16-bit index into `places` for each segment from first_segment on
    area_codes  by the area code without its zero; country_codes by 852, 853 and 886
    names       adcodes by lower-case name: short, official, and the provinces' in English
    """

    made_from: tuple[str, ...]
    first_segment: int
    segments: Sequence[int]
    places: tuple[Area, ...]
    area_codes: Mapping[str, Area]
    country_codes: Mapping[str, Area]
    divisions: Mapping[str, Area]
    names: Mapping[str, tuple[str, ...]]

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the file at `path`, or the shipped one; raises ConfigurationRefused when damaged."""
        path = path or _SHIPPED
        try:
            line, _, body = lzma.decompress(path.read_bytes()).partition(b"\n")
            header: _Header = json.loads(line)
            if header["format"] != _FORMAT:
                raise ConfigurationRefused(f"{path} has format {header['format']}, not {_FORMAT}")
            segments = array("H")
            segments.frombytes(body)
            if sys.byteorder == "big":
                segments.byteswap()
            return cls._build(header, segments)
        except (OSError, lzma.LZMAError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationRefused(
                f"{path} is not a table of areas ({error}): make it with "
                "deploy/areas/build_areas.py or install callctl again"
            ) from error

    @classmethod
    def _build(cls, header: _Header, segments: Sequence[int]) -> Self:
        divisions = _divisions(header)
        return cls(
            made_from=tuple(header["made_from"]),
            first_segment=header["first_segment"],
            segments=segments,
            places=tuple(divisions[code] if code else Area.UNKNOWN for code in header["places"]),
            area_codes={
                code: _zone(adcodes, divisions) for code, adcodes in header["area_codes"].items()
            },
            country_codes={
                code: divisions[adcode] for code, adcode in header["country_codes"].items()
            },
            divisions=divisions,
            names=_names(header),
        )

    def area_of(self, number: PhoneNumber) -> Area:
        """Return the number's area; Area.UNKNOWN when its segment or code is not in the table."""
        kind, digits = number.kind, number.national
        if kind is _MOBILE:
            index = int(digits[:7]) - self.first_segment
            if 0 <= index < len(self.segments):
                return self.places[self.segments[index]]
        elif kind is _FIXED:
            codes = self.area_codes
            return codes.get(digits[:3]) or codes.get(digits[:2]) or Area.UNKNOWN
        elif kind is _FOREIGN:
            return self.country_codes.get(digits[:3], Area.UNKNOWN)
        return Area.UNKNOWN

    def area(self, adcode: str) -> Area:
        """Return the province or city of that adcode; Area.UNKNOWN when there is none."""
        return self.divisions.get(adcode, Area.UNKNOWN)

    def resolve(self, text: str) -> str:
        """Return the adcode of a place as people write it: 北京市, Beijing, 广东, 广东深圳, 440300.

        A name that a province shares with a city (吉林, 海南) is the province's. Raises
        InvalidInput, with names near to it, when there is no such province or city.
        """
        name = "".join(text.split()).lower()
        if name.isascii() and name.isdigit():
            return self._resolve_adcode(text, name)
        found = self.names.get(name, ())
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidInput(
                f"{text!r} can be several places: write one of {self._listed(found)}"
            )
        near = difflib.get_close_matches(name, self.names, n=3, cutoff=0.5)
        meant = tuple(dict.fromkeys(adcode for close in near for adcode in self.names[close]))
        hint = f"did you mean {self._listed(meant)}?" if meant else "there is none like it."
        raise InvalidInput(
            f"{text!r} is not a known area: {hint} Write a province or city in Chinese, "
            "a province in English, or an adcode such as 440300"
        )

    def _listed(self, adcodes: tuple[str, ...]) -> str:
        areas = ((adcode, self.divisions[adcode]) for adcode in adcodes)
        return ", ".join(f"{adcode} ({area}, {area.province_english})" for adcode, area in areas)

    def _resolve_adcode(self, text: str, adcode: str) -> str:
        if adcode[:2] in _MUNICIPALITIES and adcode[2:] in ("0100", "0200"):
            return adcode[:2] + "0000"
        if adcode in self.divisions:
            return adcode
        parents = (adcode[:4] + "00", adcode[:2] + "0000")
        parent = next((code for code in parents if code in self.divisions), None)
        if len(adcode) == 6 and parent:
            raise InvalidInput(
                f"{text!r} is no city that numbers tell apart: "
                f"write {parent} ({self.divisions[parent]})"
            )
        raise InvalidInput(f"{text!r} is not an adcode: write six digits, such as 440300 (深圳)")


@cache
def shipped_table() -> AreaTable:
    """Return the table that comes with callctl, read once."""
    return AreaTable.load()


def resolve_area(text: str) -> str:
    """Return the adcode of a place in a configuration, as `AreaTable.resolve` does."""
    return shipped_table().resolve(text)


def _divisions(header: _Header) -> dict[str, Area]:
    """Return every province and city by its adcode."""
    provinces = {row[0][:2]: row[1] for row in header["divisions"] if row[0].endswith("0000")}
    areas = {}
    for adcode, short, _official, english in header["divisions"]:
        is_province = adcode.endswith("0000")
        city = None if is_province and adcode[:2] not in _MUNICIPALITIES else short
        areas[adcode] = Area(provinces[adcode[:2]], city, adcode, (), english)
    return areas


def _zone(adcodes: list[str], divisions: Mapping[str, Area]) -> Area:
    """Return the city that an area code serves, or the province with the cities that share it."""
    first = divisions[adcodes[0]]
    if len(adcodes) == 1:
        return first
    province = adcodes[0][:2] + "0000"
    return Area(first.province, None, province, tuple(adcodes), first.province_english)


def _names(header: _Header) -> dict[str, tuple[str, ...]]:
    """Return adcodes by name; a province's name hides a city's, cities of one name stay apart."""
    provinces: dict[str, tuple[str, ...]] = {}
    cities: dict[str, tuple[str, ...]] = {}
    prefixes: dict[str, tuple[str, ...]] = {}
    for adcode, short, official, english in header["divisions"]:
        if adcode.endswith("0000"):
            prefixes[adcode[:2]] = ("", short, official)
            for name in (short, official, english):
                provinces[name.lower().replace(" ", "")] = (adcode,)
            continue
        for name in {
            prefix + city for prefix in prefixes[adcode[:2]] for city in (short, official)
        }:
            cities[name] = (*cities.get(name, ()), adcode)
    return cities | provinces
