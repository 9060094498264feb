"""The provisioning file as typed data: what callctl apply reads and callctl export writes.

The models are the format's only definition: the JSON Schema (callctl schema) comes from them.
Amounts and increments are text in the file and integers here. What one entry says about another
(a DID's tariff, its lines) is checked by directory.references. docs/provisioning.md explains it.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, NamedTuple, Self, TypeVar
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from callctl.directory.areas import resolve_area, shipped_table
from callctl.directory.yaml_tree import Path, Tree, dotted
from callctl.errors import InvalidInput, Problem
from callctl.values.money import format_micros, parse_micros
from callctl.values.phone_number import PhoneNumber

LINES_MAX = 20  # A3, Amb 1
BLACKLIST_MAX = 10_000
_AMOUNT_MICROS_MAX = 10**15  # a billion of the currency: sums stay far inside a bigint
_DAY_SECONDS = 86_400
_Value = TypeVar("_Value")
_INCREMENTS = re.compile(r"([1-9]\d{0,4})/([1-9]\d{0,4})")


class Increments(NamedTuple):
    """Seconds charged at a time: the first block, then each further one."""

    first_seconds: int
    next_seconds: int


def show_increments(increments: Increments) -> str:
    """Return "60/60"."""
    return f"{increments.first_seconds}/{increments.next_seconds}"


def show_amount(micros: int) -> str:
    """Return the amount as the file has it: "0.30", "600.00"."""
    return format_micros(micros)


def show_number(text: str) -> str:
    """Return a stored number as people dial it ("01062000001"), if that means the same number."""
    digits = PhoneNumber.parse(text).dial_digits
    return digits if PhoneNumber.parse(digits).text == text else text


def show_area(adcode: str) -> str:
    """Return an area's name ("北京"), if that means the same place; else the adcode itself."""
    area = shipped_table().area(adcode)
    name = area.city or area.province or adcode
    try:
        return name if resolve_area(name) == adcode else adcode
    except InvalidInput:
        return adcode


def _text(value: Any) -> str:
    # Nothing but text may become an amount or a pair: a bare 1 would be one micro-unit.
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "text is needed")
    return value


def _read_micros(value: Any) -> int:
    micros = _refusing(parse_micros, _text(value))
    if not 0 <= micros <= _AMOUNT_MICROS_MAX:
        raise ValueError(f"{value!r} is out of range: write 0 to 1000000000")
    return micros


def _read_rounding(value: Any) -> int:
    micros = _read_micros(value)
    if micros == 0:
        raise ValueError('a cost cannot be rounded to 0: write a unit such as "0.0001"')
    return micros


def _read_increments(value: Any) -> Increments:
    match = _INCREMENTS.fullmatch(_text(value))
    pair = Increments(int(match[1]), int(match[2])) if match else Increments(0, 0)
    if not 1 <= pair.first_seconds <= _DAY_SECONDS or pair.next_seconds > _DAY_SECONDS:
        raise ValueError(f"{value!r} is not first/next: write seconds such as 60/60 or 1/1")
    return pair


def _read_number(value: str) -> str:
    return _refusing(PhoneNumber.require, value).text


def _read_area(value: str) -> str:
    return _refusing(resolve_area, value)


def _refusing(read: Callable[[str], _Value], text: str) -> _Value:
    """Turn our InvalidInput into the ValueError that pydantic collects."""
    try:
        return read(text)
    except InvalidInput as error:
        raise ValueError(str(error)) from error


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def _check_timezone(value: str) -> str:
    if value not in _timezones():
        raise ValueError(f"{value!r} is not a time zone: write a name such as Asia/Shanghai")
    return value


def _sorted_set(values: list[str]) -> list[str]:
    return sorted(set(values))


def _longest_first(values: list[int]) -> list[int]:
    return sorted(set(values), reverse=True)


_AMOUNT_SCHEMA = {"type": "string", "pattern": r"^\d{1,10}(\.\d{1,6})?$"}
_INCREMENTS_SCHEMA = {"type": "string", "pattern": r"^[1-9]\d{0,4}/[1-9]\d{0,4}$"}

Micros = Annotated[
    int,
    BeforeValidator(_read_micros),
    PlainSerializer(show_amount, return_type=str),
    WithJsonSchema(_AMOUNT_SCHEMA),
]
Rounding = Annotated[
    int,
    BeforeValidator(_read_rounding),
    PlainSerializer(show_amount, return_type=str),
    WithJsonSchema(_AMOUNT_SCHEMA),
]
IncrementPair = Annotated[
    Increments,
    BeforeValidator(_read_increments),
    PlainSerializer(show_increments, return_type=str),
    WithJsonSchema(_INCREMENTS_SCHEMA),
]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Number = Annotated[
    str,
    Field(min_length=3, max_length=40),
    AfterValidator(_read_number),
    PlainSerializer(show_number, return_type=str),
]
AreaCode = Annotated[
    str,
    Field(min_length=1, max_length=40),
    AfterValidator(_read_area),
    PlainSerializer(show_area, return_type=str),
]
WarnSeconds = Annotated[int, Field(ge=1, le=3600)]


class _Entry(BaseModel):
    """What all parts of the file share: no unknown fields, no guessing of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RateEntry(_Entry):
    """One price line of a tariff; of those that fit, the longest prefix is taken."""

    prefix: str = Field(
        default="",
        pattern=r"^[0-9]{0,15}$",
        description="Digits that the number begins with; empty: any number",
    )
    price_per_minute_micros: Micros = Field(
        alias="price_per_minute", description="Price of 60 seconds"
    )
    connect_fee_micros: Micros = Field(
        default=0,
        alias="connect_fee",
        description="Charged once when the call is answered",
        json_schema_extra={"default": "0"},
    )
    minimum_seconds: int = Field(
        default=0, ge=0, le=_DAY_SECONDS, description="Least time charged for an answered call"
    )
    increments: IncrementPair = Field(
        default=Increments(60, 60),
        description="Seconds charged at a time, first/next; 60/60: each started minute",
        json_schema_extra={"default": "60/60"},
    )
    round_to_micros: Rounding = Field(
        default=100,
        alias="round_to",
        description="What a call's cost is rounded to, once, half-up",
        json_schema_extra={"default": "0.0001"},
    )


class TariffEntry(_Entry):
    """A named table of prices; a change makes a new version, for new calls."""

    name: Name = Field(description="What DIDs and lines call it")
    currency: Currency = Field(default="CNY", description="Its accounts must have the same")
    rates: list[RateEntry] = Field(min_length=1, max_length=20_000)


class AccountEntry(_Entry):
    """The tenant's prepaid account; its name in the ledger is tenant:<name of the tenant>."""

    currency: Currency = Field(default="CNY", description="Fixed once the account is opened")
    opening_balance_micros: Micros = Field(
        default=0,
        alias="opening_balance",
        description="Credited once, when the account is opened; later money is a top-up",
        json_schema_extra={"default": "0"},
    )
    credit_limit_micros: Micros = Field(
        default=0,
        alias="credit_limit",
        description="How far below zero the balance may go",
        json_schema_extra={"default": "0"},
    )
    warn_seconds: Annotated[list[WarnSeconds], AfterValidator(_longest_first)] = Field(
        default=[60, 15],
        max_length=5,
        description="How long before the money ends the tenant's side is warned",
    )


class LineEntry(_Entry):
    """A bound answering number."""

    name: Name
    number: Number = Field(description="In full, with its area code; the trunk is sent it")
    trunk: str = Field(
        default="carrier",
        pattern=r"^[a-z0-9_-]{1,40}$",
        description="PJSIP endpoint that reaches it",
    )
    areas: Annotated[list[AreaCode], AfterValidator(_sorted_set)] = Field(
        default=[],
        max_length=500,
        description="Provinces or cities whose callers it serves, by name or adcode; "
        "none: a default line, for everybody else",
    )
    ring_seconds: int = Field(
        default=15, ge=1, le=300, description="How long it rings before the next line is tried"
    )
    tariff: Name | None = Field(
        default=None, description="Prices the forwarding leg; none: it is free"
    )


class DidEntry(_Entry):
    """A 400 number (or any number of 3 to 15 digits that the carrier sends us)."""

    number: str = Field(pattern=r"^[0-9]{3,15}$", description="The digits as callers dial them")
    tariff: Name = Field(description="Prices the service leg, which the tenant pays")
    ringback: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$",
        max_length=100,
        description="Prompt played before the answer, not charged; none: ordinary ringing",
    )
    lines: list[Name] = Field(
        min_length=1,
        max_length=LINES_MAX,
        description="The tenant's lines in answering order; at least one without areas",
    )
    blacklist: Annotated[list[Number], AfterValidator(_sorted_set)] = Field(
        default=[], max_length=BLACKLIST_MAX, description="Callers who are refused"
    )


class TenantEntry(_Entry):
    """A company: its account, its lines, its DIDs. It becomes exactly what is written here."""

    name: Name
    language: str = Field(
        default="zh", pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,8})?$", description="Of its prompts"
    )
    timezone: Annotated[str, AfterValidator(_check_timezone)] = Field(
        default="Asia/Shanghai", description="Name in the IANA time zone database"
    )
    account: AccountEntry
    lines: list[LineEntry] = Field(default=[], max_length=10_000)
    dids: list[DidEntry] = Field(default=[], max_length=10_000)


class Document(_Entry):
    """A provisioning file of callctl. Tenants and tariffs that are not in it stay as they are."""

    tariffs: list[TariffEntry] = Field(default=[], max_length=1000)
    tenants: list[TenantEntry] = Field(default=[], max_length=10_000)

    _tree: Tree = PrivateAttr(default_factory=Tree)

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Validate a file's values; raises pydantic's ValidationError. Lines stay known."""
        document = cls.model_validate(tree.value)
        document._tree = tree  # noqa: SLF001 - its own class
        return document

    def problem(self, path: Path, message: str) -> Problem:
        """What is wrong at `path`, with the line of the file."""
        return Problem(self._tree.line_of(path), dotted(path), message)

    def to_plain(self) -> dict[str, Any]:
        """The file's own form again, complete and in one order: what plans compare."""
        return self.model_dump(by_alias=True)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the provisioning file."""
    return Document.model_json_schema(by_alias=True)
