"""What a line is shown of the caller; made by the exchange, presented by calls.call."""

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"\+?[0-9]{0,20}")
_NAME_LENGTH_MAX = 60
_DELIMITERS = '<>"\\'  # quoted they are a name's, and yet many a telephone takes them for SIP's


@dataclass(frozen=True, slots=True)
class CallerIdPresented:
    """A caller id that may be shown to a line."""

    number: str
    name: str

    @classmethod
    def instead_of(cls, number: str | None, name: str | None) -> "CallerIdPresented | None":
        """What to show instead of what the caller sent; None when that is harmless (R17, R18).

        Only digits with an optional plus are a number. A name loses everything unprintable,
        line ends above all: they would become headers of the INVITE to the line; and what ends it
        for telephones that read carelessly. No number is not harmless: one that is no UTF-8 is
        told as "", and would go out as it came.
        """
        number, name = number or "", name or ""
        shown = cls(
            number if _NUMBER.fullmatch(number) else "",
            "".join(char for char in name if _is_shown(char))[:_NAME_LENGTH_MAX],
        )
        is_harmless = bool(number) and (shown.number, shown.name) == (number, name)
        return None if is_harmless else shown


def _is_shown(char: str) -> bool:
    return char.isprintable() and char not in _DELIMITERS
