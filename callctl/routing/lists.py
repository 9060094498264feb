"""Who is on a list of callers, and by which of its entries; used by screening and routes.

A list may have very many entries: each look-up takes a few steps for each kind of entry.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from callctl.directory.answering import CallerList
from callctl.routing.compiled import Compiled
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Prefixes by their lengths."""

    known: frozenset[str]
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, prefixes: Iterable[str]) -> "Prefixes":
        """The prefixes, ready to be asked."""
        known = frozenset(prefixes)
        return cls(known, tuple(sorted({len(prefix) for prefix in known}, reverse=True)))

    def find(self, text: str) -> str | None:
        """The longest of them that `text` begins with; None: it begins with none."""
        for length in self.lengths:
            if text[:length] in self.known and text:
                return text[:length]
        return None


@dataclass(frozen=True, slots=True)
class _Index:
    """`ranges` by their numbers' length: firsts in order, and the last of each; none overlap."""

    prefixes: Prefixes
    ranges: dict[int, tuple[list[str], list[str]]]


def found_number(entries: CallerList, caller: PhoneNumber) -> str | None:
    """Why the caller is on the list by his number, in words; None: he is not."""
    if not caller:
        return "caller is unknown" if entries.is_for_unknown else None
    text = caller.text
    if text in entries.numbers:
        return f"{text} is listed"
    if not entries.prefixes and not entries.ranges:
        return None
    index = _indexes(entries)
    prefix = index.prefixes.find(text)
    if prefix is not None:
        return f"{text} begins with {prefix}"
    firsts, lasts = index.ranges.get(len(text), ([], []))
    position = bisect_right(firsts, text) - 1
    if position >= 0 and text <= lasts[position]:
        return f"{text} is in {firsts[position]}-{lasts[position]}"
    return None


def sure_area(entries: CallerList, area: Area) -> str | None:
    """Why the caller is surely on the list by his area, in words; None: he need not be."""
    for code in entries.areas:
        if area.is_within(code):
            return f"caller's area {area} is in {code}"
    return None


@lru_cache(maxsize=4096)
def covering(area: Area) -> frozenset[str]:
    """Every adcode that Area.matches of this area: its places, their cities and provinces."""
    places = area.zone or ((area.adcode,) if area.adcode else ())
    return frozenset(
        code for place in places for code in (place, place[:4] + "00", place[:2] + "0000")
    )


def found(entries: CallerList, caller: PhoneNumber, area: Area) -> str | None:
    """Why the caller is on the list, by number or by area; None: he is not."""
    why = found_number(entries, caller)
    if why is None and entries.areas:
        codes = covering(area)
        code = next((one for one in entries.areas if one in codes), None)
        why = code and f"caller's area {area} is in {code}"
    return why


def _index(entries: CallerList) -> _Index:
    merged: dict[int, tuple[list[str], list[str]]] = {}
    for first, last in sorted(entries.ranges):
        firsts, lasts = merged.setdefault(len(first), ([], []))
        if lasts and first <= lasts[-1]:
            lasts[-1] = max(lasts[-1], last)
        else:
            firsts.append(first)
            lasts.append(last)
    return _Index(Prefixes.of(entries.prefixes), merged)


_indexes = Compiled(_index)
