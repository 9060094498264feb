"""Money in integer micro-units (10^-6 of the currency); used wherever an amount is read or shown.

The rule (no float touches money) is docs/decisions/integer-money.md.
"""

import re

from callctl.errors import InvalidInput

MICROS_PER_UNIT = 1_000_000
_AMOUNT = re.compile(r"^(?P<sign>-?)(?P<units>\d{1,12})(?:\.(?P<fraction>\d{1,6}))?$")


def parse_micros(text: str) -> int:
    """Micro-units of a plain decimal such as "0.30" (at most six decimals).

    Raises InvalidInput for anything else: exponents, separators, more decimals than money has.
    """
    match = _AMOUNT.match(text.strip())
    if match is None:
        raise InvalidInput(f"{text!r} is not an amount: write a plain decimal such as 0.30")
    fraction = (match["fraction"] or "").ljust(6, "0")
    micros = int(match["units"]) * MICROS_PER_UNIT + int(fraction)
    return -micros if match["sign"] else micros


def format_micros(micros: int, *, decimals_min: int = 2) -> str:
    """Return "12.3456" for 12_345_600: exact, never rounded, at least `decimals_min` decimals."""
    sign = "-" if micros < 0 else ""
    units, fraction = divmod(abs(micros), MICROS_PER_UNIT)
    digits = f"{fraction:06d}".rstrip("0").ljust(decimals_min, "0")
    return f"{sign}{units}.{digits}" if digits else f"{sign}{units}"
