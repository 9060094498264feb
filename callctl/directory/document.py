"""The provisioning file as typed data: what callctl apply reads and callctl export writes.

The models are the format's only definition: the JSON Schema (callctl schema) comes from them.
Amounts and increments are text in the file and integers here. Tariffs and the types of fields are
in directory.price_entries, lines and DIDs in number_entries, what they are answered with in
answering_entries. What one entry says about another (a DID's tariff, its lines) is checked by
directory.references, and what the file says about things outside it by directory.provisioned.
"""

from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AfterValidator, Field, PrivateAttr

from callctl.directory.answering_entries import (
    ENTRIES_MAX,
    GroupEntry,
    ListEntry,
    MenuEntry,
    MessageEntry,
    ScheduleEntry,
    ScreeningEntry,
    VoicemailEntry,
)
from callctl.directory.brief_entries import BriefEntry
from callctl.directory.number_entries import DidEntry, LimitsEntry, LineEntry
from callctl.directory.price_entries import (
    CalendarEntry,
    Currency,
    Entry,
    Micros,
    Name,
    TariffEntry,
    Timezone,
)
from callctl.directory.yaml_tree import Path, Tree, dotted
from callctl.errors import Problem


def _longest_first(values: list[int]) -> list[int]:
    return sorted(set(values), reverse=True)


WarnSeconds = Annotated[int, Field(ge=1, le=3600)]


class AccountEntry(BriefEntry):
    """A prepaid account; its name in the ledger is reseller:<name> or tenant:<name>."""

    always: ClassVar[frozenset[str]] = frozenset(
        {"currency", "opening_balance_micros", "credit_limit_micros", "warn_seconds"}
    )

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


class TenantEntry(BriefEntry):
    """A company: its account, its lines, its DIDs. It becomes exactly what is written here."""

    always: ClassVar[frozenset[str]] = frozenset({"language", "timezone", "lines", "dids"})

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
    calendar: Name | None = Field(
        default=None, description="Says which days are holidays and make-up workdays"
    )
    recording_days: int = Field(
        default=30, ge=1, le=3650, description="How long recordings and voicemails are kept"
    )
    switch_pin: str | None = Field(
        default=None,
        pattern=r"^[0-9]{6,12}$",
        description="Asked for by feature codes; none: dialling from a bound line is enough",
    )
    schedules: list[ScheduleEntry] = Field(
        default=[], max_length=ENTRIES_MAX, description="Hours in which something is open"
    )
    lists: list[ListEntry] = Field(
        default=[], max_length=ENTRIES_MAX, description="Callers who are refused, allowed or VIP"
    )
    screening: ScreeningEntry = Field(
        default=ScreeningEntry(), description="Who may call, for every number of the tenant"
    )
    lines: list[LineEntry] = Field(default=[], max_length=10_000)
    groups: list[GroupEntry] = Field(
        default=[], max_length=ENTRIES_MAX, description="Lines that answer together, with a queue"
    )
    menus: list[MenuEntry] = Field(
        default=[], max_length=ENTRIES_MAX, description="The levels of a switchboard"
    )
    messages: list[MessageEntry] = Field(
        default=[], max_length=ENTRIES_MAX, description="Prompts that calls can be sent to"
    )
    voicemails: list[VoicemailEntry] = Field(
        default=[], max_length=ENTRIES_MAX, description="Boxes for messages"
    )
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
        """The trunks whose cost for a tenant's lines and callbacks is booked."""
        if holder.kind != "tenants":
            return set()
        tenant = self.tenants[holder.position]
        callbacks = [did.callback for did in tenant.dids if did.callback]
        return {line.trunk for line in tenant.lines if line.carrier_tariff} | {
            callback.trunk for callback in callbacks if callback.carrier_tariff
        }

    def problem(self, path: Path, message: str) -> Problem:
        """What is wrong at `path`, with the line of the file."""
        return Problem(self._tree.line_of(path), dotted(path), message)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the provisioning file."""
    return Document.model_json_schema(by_alias=True)
