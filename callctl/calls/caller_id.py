"""What a line is shown of the caller; made by the exchange, presented by calls.call."""

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"\+?[0-9]{0,20}")
_NAME_LENGTH_MAX = 60


@dataclass(frozen=True, slots=True)
class CallerIdPresented:
    """A caller id that may be shown to a line."""

    number: str
    name: str

    @classmethod
    def instead_of(cls, number: str | None, name: str | None) -> "CallerIdPresented | None":
        """What to show instead of what the caller sent; None when that is harmless (R17, R18).

        Only digits with an optional plus are a number. A name loses everything unprintable,
        line ends above all: they would become headers of the INVITE to the line.
        """
        number, name = number or "", name or ""
        shown = cls(
            number if _NUMBER.fullmatch(number) else "",
            "".join(char for char in name if char.isprintable())[:_NAME_LENGTH_MAX],
        )
        return None if (shown.number, shown.name) == (number, name) else shown
