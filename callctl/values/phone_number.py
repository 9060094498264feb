"""Telephone numbers as values; every number that enters callctl goes through here once.

Called by the exchange (callers and dialled numbers), by the directory (DIDs, lines, blacklists)
and by whoever writes a number down. A caller id is hostile text: what is not a number becomes
`PhoneNumber.unknown()`, never an exception. Numbers are normalised, not validated: which
segments and area codes exist is the business of callctl.directory.areas.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from callctl.errors import InvalidInput

_CHINA = "86"
_TEXT_LENGTH_MAX = 40
_DIGITS_MIN, _DIGITS_MAX = 3, 15
# Separators people write (RFC 3966's visual separators and the space); "(0)" is a trunk zero
# that is not dialled after a country code.
_SEPARATORS = str.maketrans("", "", " -.()")
# Codes once dialled before a mobile's or a long-distance call; some exchanges leave them in
# the caller's number.
_IP_DIAL = ("17951", "17911", "12593", "17901", "17909", "10193")
_FOREIGN = re.compile(r"[1-9]\d{6,14}")


class NumberKind(StrEnum):
    """What sort of number it is, as far as its form tells."""

    MOBILE = "mobile"
    FIXED = "fixed"
    SERVICE = "service"  # 400 and 800
    FOREIGN = "foreign"
    UNPLACED = "unplaced"  # digits without country or area: 10086, 95588, a local 62000001
    UNKNOWN = "unknown"


# The Chinese numbering plan, without the trunk zero.
_FORMS = (
    (re.compile(r"1[3-9]\d{9}"), NumberKind.MOBILE),
    (re.compile(r"[48]00\d{7}"), NumberKind.SERVICE),
    (re.compile(r"(?:10|[2-9]\d)\d{8,9}"), NumberKind.FIXED),
)


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number in its one normal form; falsy when unknown.

    text      what to store, compare and show: e164, else the bare digits, else ""; parsing it
              gives the same number again
    national  Chinese numbers: without country code and trunk zero ("1062000001",
              "13901710001"); foreign ones: with their country code; unplaced: as they came
    """

    text: str
    national: str
    kind: NumberKind

    @classmethod
    def parse(cls, text: str | None, country: str = "CN") -> Self:
        """Return the number in `text`, or the unknown number; never raises.

        `country` (two letters) is where a number without a country code is from.
        """
        if not text or len(text) > _TEXT_LENGTH_MAX:
            return cls.unknown()
        if not (text.isascii() and text.isdigit()):
            text = text.replace("(0)", "").translate(_SEPARATORS)
        is_international = text.startswith("+")
        digits = text[1:] if is_international else text
        if not (digits.isascii() and digits.isdigit()):
            return cls.unknown()
        if country != "CN" and not is_international and not digits.startswith("00"):
            return cls._parse_elsewhere(digits, country)
        return cls._parse_digits(digits, is_international)

    @classmethod
    def require(cls, text: str, country: str = "CN") -> Self:
        """Return the number in `text` of a configuration (a DID, a line, a list's entry).

        Raises InvalidInput, saying what to write, when it is no number or lacks its area code.
        """
        number = cls.parse(text, country)
        if not number:
            raise InvalidInput(
                f"{text!r} is not a telephone number: write digits, such as 01062000001, "
                "13901710001, 4006001234 or +442071234567"
            )
        if number.kind is NumberKind.UNPLACED and _lacks_area(number.national):
            raise InvalidInput(
                f"{text!r} has no area code: write it in full, such as 01062000001 or +861062000001"
            )
        return number

    @classmethod
    def unknown(cls) -> Self:
        """Return the number of a caller who shows none."""
        return cls("", "", NumberKind.UNKNOWN)

    @property
    def is_known(self) -> bool:
        """Whether there are digits at all."""
        return self.kind is not NumberKind.UNKNOWN

    @property
    def e164(self) -> str:
        """The number as "+861062000001"; "" when unknown or unplaced."""
        return self.text if self.text[:1] == "+" else ""

    @property
    def dial_digits(self) -> str:
        """The digits that a Chinese trunk is sent: 01062000001, 13901710001, 0044...; or ""."""
        if self.kind is NumberKind.FIXED:
            return "0" + self.national
        if self.kind is NumberKind.FOREIGN:
            return "00" + self.national
        return self.national

    def __bool__(self) -> bool:
        return self.kind is not NumberKind.UNKNOWN

    def __str__(self) -> str:
        return self.text

    @classmethod
    def _parse_digits(cls, digits: str, is_international: bool) -> Self:
        digits, is_foreign = _strip_prefixes(digits, is_international)
        if is_foreign:
            if _FOREIGN.fullmatch(digits) is None:
                return cls.unknown()
            return cls("+" + digits, digits, NumberKind.FOREIGN)
        national = digits[1:] if digits[:1] == "0" else digits
        for form, kind in _FORMS:
            if form.fullmatch(national):
                return cls("+86" + national, national, kind)
        return cls._unplaced(digits)

    @classmethod
    def _unplaced(cls, digits: str) -> Self:
        if _DIGITS_MIN <= len(digits) <= _DIGITS_MAX:
            return cls(digits, digits, NumberKind.UNPLACED)
        return cls.unknown()

    @classmethod
    def _parse_elsewhere(cls, digits: str, country: str) -> Self:
        # Imported here: only tenants outside China need it, and loading it takes long.
        import phonenumbers  # noqa: PLC0415

        try:
            found = phonenumbers.parse(digits, country)
        except phonenumbers.NumberParseException:
            return cls._unplaced(digits)
        zeros = "0" * (found.number_of_leading_zeros or 1) if found.italian_leading_zero else ""
        whole = f"{found.country_code}{zeros}{found.national_number}"
        return cls._parse_digits(whole, True) or cls._unplaced(digits)


def _strip_prefixes(digits: str, is_international: bool) -> tuple[str, bool]:
    """Return the digits behind 86, 0086 and IP-dial codes, and whether they are foreign.

    What is left is never stripped again, so a normal form is its own normal form.
    """
    while True:
        if is_international:
            if not digits.startswith(_CHINA):
                return digits, True
            digits, is_international = digits[2:], False
        elif digits.startswith("00"):
            digits, is_international = digits[2:], True
        elif len(digits) > 11 and digits.startswith(_IP_DIAL):
            digits = digits[5:]
        elif len(digits) > 12 and digits[:1] == "0" and digits.startswith(_IP_DIAL, 1):
            digits = digits[6:]
        elif 12 <= len(digits) <= 14 and digits.startswith(_CHINA):
            digits = digits[2:]
        else:
            return digits, False


def _lacks_area(digits: str) -> bool:
    """Whether an unplaced number is a subscriber's and not a short or 95/96 service number."""
    return len(digits) >= 7 and not digits.startswith(("95", "96", "1"))
