"""The parts of a provisioning file that have prices: tariffs, their rates, calendars.

The types of single fields are here too, for directory.document: how each is read, written and
described in the JSON Schema. The rules themselves are in directory.fields and directory.bands.
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FieldSerializationInfo,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from callctl.directory import bands, fields
from callctl.directory.fields import DAY_SECONDS, Increments
from callctl.directory.yaml_tree import Unquoted
from callctl.values.tariff import Band, Rate

YAML_RATES_MAX = 20_000
STORED = "stored"  # the context in which entries are written for the database, not for people
IN_FIELDS = "in_fields"  # type of the error whose context lists `problems`: field and message
_Value = TypeVar("_Value")


def _text(value: Any) -> str:
    # Nothing but text may become an amount or a pair: a bare 1 would be one micro-unit.
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "text is needed")
    return value


def _from_text(read: Callable[[str], _Value]) -> BeforeValidator:
    return BeforeValidator(lambda value: read(_text(value)))


def _from_bare_text(read: Callable[[str], _Value]) -> BeforeValidator:
    """For dates: YAML would make something else of them, we take what is written."""
    return BeforeValidator(
        lambda value: read(value.text if isinstance(value, Unquoted) else _text(value))
    )


def _shown(show: Callable[[Any], str]) -> PlainSerializer:
    return PlainSerializer(show, return_type=str)


def shown_to_people(show: Callable[[str], str]) -> PlainSerializer:
    """For what the database has in its normal form: an adcode, a number in E.164."""

    def write(value: str, info: FieldSerializationInfo) -> str:
        return value if info.context == STORED else show(value)

    return PlainSerializer(write, return_type=str)


def _sorted_set(values: list[str]) -> list[str]:
    return sorted(set(values))


_AMOUNT_SCHEMA = {"type": "string", "pattern": r"^\d{1,10}(\.\d{1,6})?$"}
_INCREMENTS_SCHEMA = {"type": "string", "pattern": r"^[1-9]\d{0,4}/[1-9]\d{0,4}$"}
_CLOCK_SCHEMA = {"type": "string", "pattern": r"^([01]\d|2[0-4]):[0-5]\d$"}
_MOMENT_SCHEMA = {"type": "string", "format": "date-time"}
_DAY_SCHEMA = {"type": "string", "format": "date"}

Micros = Annotated[
    int,
    _from_text(fields.read_amount),
    _shown(fields.show_amount),
    WithJsonSchema(_AMOUNT_SCHEMA),
]
PositiveMicros = Annotated[
    int,
    _from_text(fields.read_positive_amount),
    _shown(fields.show_amount),
    WithJsonSchema(_AMOUNT_SCHEMA),
]
Rounding = Annotated[
    int,
    _from_text(fields.read_rounding),
    _shown(fields.show_amount),
    WithJsonSchema(_AMOUNT_SCHEMA),
]
IncrementPair = Annotated[
    Increments,
    _from_text(fields.read_increments),
    _shown(fields.show_increments),
    WithJsonSchema(_INCREMENTS_SCHEMA),
]
Begin = Annotated[
    int,
    _from_text(bands.read_begin),
    _shown(fields.show_clock),
    WithJsonSchema(_CLOCK_SCHEMA),
]
End = Annotated[
    int,
    _from_text(bands.read_end),
    _shown(fields.show_clock),
    WithJsonSchema(_CLOCK_SCHEMA),
]
Moment = Annotated[
    datetime,
    _from_bare_text(fields.read_moment),
    _shown(fields.show_moment),
    WithJsonSchema(_MOMENT_SCHEMA),
]
CalendarDate = Annotated[
    date,
    _from_bare_text(fields.read_day),
    _shown(str),
    WithJsonSchema(_DAY_SCHEMA),
]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Prefix = Annotated[str, AfterValidator(fields.read_prefix), Field(max_length=40)]
Number = Annotated[
    str,
    Field(min_length=3, max_length=40),
    AfterValidator(fields.read_number),
    shown_to_people(fields.show_number),
]
AreaCode = Annotated[
    str,
    Field(min_length=1, max_length=40),
    AfterValidator(fields.read_area),
    shown_to_people(fields.show_area),
]
Areas = Annotated[list[AreaCode], AfterValidator(_sorted_set)]
Numbers = Annotated[list[Number], AfterValidator(_sorted_set)]
Timezone = Annotated[str, AfterValidator(fields.read_timezone)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "workday", "restday", "holiday"]


class Entry(BaseModel):
    """What all parts of the file share: no unknown fields, no guessing of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FirstStepEntry(Entry):
    """Another price at the beginning of a talk, whatever the hour."""

    seconds: int = Field(ge=1, le=DAY_SECONDS, description="How long, after the free seconds")
    price_per_minute_micros: Micros = Field(
        alias="price_per_minute", description="Price of 60 seconds"
    )


class BandEntry(Entry):
    """Another price at some hours of some days; of those that fit, the first is taken."""

    name: Annotated[str, AfterValidator(bands.read_band_name)] = Field(
        max_length=40, description="What explanations of a price call it"
    )
    days: Annotated[list[Day], AfterValidator(lambda days: list(bands.ordered_days(days)))] = Field(
        default=[],
        max_length=len(bands.DAYS),
        description="Weekdays, workday, restday, holiday; none: every day",
    )
    from_minute: Begin = Field(
        default=0,
        alias="from",
        description="Time of day at which it begins, in the zone of who pays",
        json_schema_extra={"default": "00:00"},
    )
    to_minute: End = Field(
        default=1440,
        alias="to",
        description="Time of day at which it ends; one that is not later is on the next day",
        json_schema_extra={"default": "24:00"},
    )
    price_per_minute_micros: Micros = Field(
        alias="price_per_minute", description="Price of 60 seconds"
    )

    def to_band(self) -> Band:
        """The band as calls are priced by it."""
        return Band(
            self.name,
            tuple(self.days),
            self.from_minute,
            self.to_minute,
            self.price_per_minute_micros,
        )


class RateEntry(Entry):
    """One price line of a tariff: of those that fit, the longest prefix, else the area."""

    prefix: Prefix = Field(
        default="", description="Digits that the number begins with; empty: any number"
    )
    area: AreaCode | None = Field(
        default=None,
        description="Province or city of the number, by name or adcode, instead of a prefix",
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
        default=0, ge=0, le=DAY_SECONDS, description="Least time charged for an answered call"
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
    free_seconds: int = Field(
        default=0, ge=0, le=DAY_SECONDS, description="Talk at its beginning that has no price"
    )
    first_step: FirstStepEntry | None = Field(
        default=None, description="Another price at the beginning of the charged time"
    )
    maximum_cost_micros: Micros | None = Field(
        default=None, alias="maximum_cost", description="What a call costs at most"
    )
    valid_from: Moment | None = Field(
        default=None, description="For calls that begin at this moment or later"
    )
    valid_until: Moment | None = Field(
        default=None, description="For calls that begin before this moment"
    )
    bands: list[BandEntry] = Field(
        default=[], max_length=bands.BANDS_MAX, description="Other prices by hour and day"
    )

    def to_rate(self) -> Rate:
        """The rate as calls are priced by it."""
        return Rate(
            prefix=self.prefix,
            area=self.area or "",
            connect_fee_micros=self.connect_fee_micros,
            price_per_minute_micros=self.price_per_minute_micros,
            minimum_seconds=self.minimum_seconds,
            first_increment_seconds=self.increments.first_seconds,
            next_increment_seconds=self.increments.next_seconds,
            round_to_micros=self.round_to_micros,
            free_seconds=self.free_seconds,
            first_step_seconds=self.first_step.seconds if self.first_step else 0,
            first_step_price_micros=(
                self.first_step.price_per_minute_micros if self.first_step else 0
            ),
            maximum_cost_micros=self.maximum_cost_micros,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            bands=tuple(band.to_band() for band in self.bands),
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = list(bands.rate_problems(self.to_rate()))
        if problems:
            raise PydanticCustomError(IN_FIELDS, "fields contradict", {"problems": problems})
        return self


class TariffEntry(Entry):
    """A named table of prices; a change makes a new version, for new calls."""

    name: Name = Field(description="What DIDs and lines call it")
    currency: Currency = Field(default="CNY", description="Its accounts must have the same")
    calendar: Name | None = Field(
        default=None, description="Says which days are holidays and make-up workdays"
    )
    rates: list[RateEntry] = Field(min_length=1, max_length=YAML_RATES_MAX)


class CalendarDayEntry(Entry):
    """A date that is not what the week says."""

    date: CalendarDate = Field(description="Of the place where the tariff's payer is")
    kind: Literal["holiday", "workday"] = Field(
        description="holiday, or workday: a Saturday or Sunday on which people work"
    )
    name: str = Field(default="", max_length=100, description="For people")


class CalendarEntry(Entry):
    """Holidays and make-up workdays; a change makes new versions of the tariffs that use it."""

    name: Name = Field(description="What tariffs call it")
    days: list[CalendarDayEntry] = Field(min_length=1, max_length=10_000)
