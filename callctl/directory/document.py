"""The provisioning file as typed data: what callctl apply reads and callctl export writes.

The models are the format's only definition: the JSON Schema (callctl schema) comes from them.
Amounts and increments are text in the file and integers here. Tariffs and the types of fields are
in directory.price_entries; what one entry says about another (a DID's tariff, its lines) is checked
by directory.references, and what the file says about things outside it by directory.provisioned.
"""

from typing import Annotated, Any, NamedTuple, Self

from pydantic import AfterValidator, Field, PrivateAttr

from callctl.directory.models import Limits
from callctl.directory.price_entries import (
    Areas,
    CalendarEntry,
    Currency,
    Entry,
    Micros,
    Name,
    Number,
    Numbers,
    PositiveMicros,
    TariffEntry,
    Timezone,
)
from callctl.directory.yaml_tree import Path, Tree, dotted
from callctl.errors import Problem

LINES_MAX = 20  # A3, Amb 1
BLACKLIST_MAX = 10_000
_CALL_SECONDS_MAX = 14_400  # Asterisk's timers hold no more


def _longest_first(values: list[int]) -> list[int]:
    return sorted(set(values), reverse=True)


WarnSeconds = Annotated[int, Field(ge=1, le=3600)]
_Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class LimitsEntry(Entry):
    """What stops fraud and bounds cost; a limit that is not there does not limit."""

    concurrent_calls: _Count | None = Field(default=None, description="Calls at one moment")
    calls_per_day: _Count | None = Field(default=None, description="Answered calls of a local day")
    calls_per_month: _Count | None = Field(
        default=None, description="Answered calls of a local month"
    )
    cost_per_day_micros: PositiveMicros | None = Field(
        default=None, alias="cost_per_day", description="Cost of a local day, live calls included"
    )
    cost_per_month_micros: PositiveMicros | None = Field(
        default=None,
        alias="cost_per_month",
        description="Cost of a local month, live calls included",
    )
    longest_call_seconds: Annotated[int, Field(ge=1, le=_CALL_SECONDS_MAX)] | None = Field(
        default=None, description="A call is ended after this talk time"
    )

    def to_limits(self) -> Limits:
        """The limits as calls are held to them."""
        return Limits(**dict(self))


class AccountEntry(Entry):
    """A prepaid account; its name in the ledger is reseller:<name> or tenant:<name>."""

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
    limits: LimitsEntry = LimitsEntry()


class TenantAccountEntry(AccountEntry):
    """The tenant's prepaid account; its name in the ledger is tenant:<name of the tenant>."""

    warn_seconds: Annotated[list[WarnSeconds], AfterValidator(_longest_first)] = Field(
        default=[60, 15],
        max_length=5,
        description="How long before the money ends the tenant's side is warned; []: never",
    )


class ResellerEntry(Entry):
    """Who sells to tenants and pays wholesale for their calls."""

    name: Name
    timezone: Timezone = Field(
        default="Asia/Shanghai", description="Name in the IANA time zone database"
    )
    tariff: Name = Field(description="Prices the tenants' service legs, which it pays")
    line_tariff: Name | None = Field(
        default=None, description="Prices the tenants' forwarding legs; none: they are free"
    )
    reseller: Name | None = Field(default=None, description="Who sells to it; none: we do")
    account: AccountEntry


class LineEntry(Entry):
    """A bound answering number."""

    name: Name
    number: Number = Field(description="In full, with its area code; the trunk is sent it")
    trunk: str = Field(
        default="carrier",
        pattern=r"^[a-z0-9_-]{1,40}$",
        description="PJSIP endpoint that reaches it",
    )
    areas: Areas = Field(
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
    carrier_tariff: Name | None = Field(
        default=None, description="What its carrier charges us for the leg, for our own books"
    )


class DidEntry(Entry):
    """A 400 number (or any number of 3 to 15 digits that the carrier sends us)."""

    number: str = Field(pattern=r"^[0-9]{3,15}$", description="The digits as callers dial them")
    tariff: Name = Field(description="Prices the service leg, which the tenant pays")
    ringback: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$",
        max_length=100,
        description="Prompt played before the answer, not charged; none: ordinary ringing",
    )
    greeting: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$",
        max_length=100,
        description="Prompt that answers the call and is charged; none: the line answers",
    )
    lines: list[Name] = Field(
        min_length=1,
        max_length=LINES_MAX,
        description="The tenant's lines in answering order; at least one without areas",
    )
    blacklist: Numbers = Field(
        default=[], max_length=BLACKLIST_MAX, description="Callers who are refused"
    )
    limits: LimitsEntry = LimitsEntry()


class TenantEntry(Entry):
    """A company: its account, its lines, its DIDs. It becomes exactly what is written here."""

    name: Name
    language: str = Field(
        default="zh", pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,8})?$", description="Of its prompts"
    )
    timezone: Timezone = Field(
        default="Asia/Shanghai", description="Name in the IANA time zone database"
    )
    reseller: Name | None = Field(
        default=None, description="Who sells to it and pays wholesale for its calls; none: we do"
    )
    account: TenantAccountEntry
    lines: list[LineEntry] = Field(default=[], max_length=10_000)
    dids: list[DidEntry] = Field(default=[], max_length=10_000)


class Holder(NamedTuple):
    """A tenant or reseller as the holder of an account: where it is and what it is called."""

    kind: str  # "tenants" or "resellers"
    position: int
    name: str
    account: AccountEntry

    @property
    def path(self) -> Path:
        """Where in the file."""
        return (self.kind, self.position)

    @property
    def account_name(self) -> str:
        """Of its account in the ledger."""
        return f"{self.kind.removesuffix('s')}:{self.name}"

    @property
    def shown_name(self) -> str:
        """What callctl account takes, as short as it goes."""
        return self.name if self.kind == "tenants" else self.account_name


class Document(Entry):
    """A provisioning file of callctl. What it does not name stays as it is."""

    calendars: list[CalendarEntry] = Field(default=[], max_length=1000)
    tariffs: list[TariffEntry] = Field(default=[], max_length=1000)
    resellers: list[ResellerEntry] = Field(default=[], max_length=10_000)
    tenants: list[TenantEntry] = Field(default=[], max_length=10_000)

    _tree: Tree = PrivateAttr(default_factory=Tree)

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Validate a file's values; raises pydantic's ValidationError. Lines stay known."""
        document = cls.model_validate(tree.value)
        document._tree = tree  # noqa: SLF001 - its own class
        return document

    def holders(self) -> list[Holder]:
        """All who have accounts."""
        return [
            *(
                Holder("resellers", n, one.name, one.account)
                for n, one in enumerate(self.resellers)
            ),
            *(Holder("tenants", n, one.name, one.account) for n, one in enumerate(self.tenants)),
        ]

    def carriers_of(self, holder: Holder) -> set[str]:
        """The trunks whose cost for a tenant's lines is booked."""
        lines = self.tenants[holder.position].lines if holder.kind == "tenants" else []
        return {line.trunk for line in lines if line.carrier_tariff}

    def problem(self, path: Path, message: str) -> Problem:
        """What is wrong at `path`, with the line of the file."""
        return Problem(self._tree.line_of(path), dotted(path), message)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the provisioning file."""
    return Document.model_json_schema(by_alias=True)
