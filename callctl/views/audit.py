"""What an audit reads: proofs that are one query each, and charges and refunds to work out again.

Used by `callctl audit`. Everything is read through one transaction of one snapshot; what may be
millions of rows comes in batches.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from callctl.db.queries import queries

SHOWN_MAX = 20
GRACE_SECONDS = 10.0
"""How long money and the rows of its call may be apart: they are written one after the other."""
_BATCH = 5000

Row = Any  # a row of asyncpg: fields by name


@dataclass(frozen=True, slots=True)
class Breach:
    """One row that breaks a proof: `what` of `subject` should be `expected` and is `found`."""

    subject: str
    what: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of one proof: how many rows break it, and the first SHOWN_MAX of them."""

    name: str
    claim: str
    count: int
    breaches: tuple[Breach, ...]


class Breaches:
    """Collects the rows that break a proof: counts all, keeps the first ones."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Breach] = []

    def add(self, subject: object, what: str, expected: object, found: object) -> None:
        """Note one."""
        self.count += 1
        if len(self.kept) < SHOWN_MAX:
            self.kept.append(Breach(str(subject), what, str(expected), str(found)))

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Note what a query found: its first rows, with the number of all in `total`."""
        fields = ("subject", "what", "expected", "found")
        kept = [Breach(*(str(row[field]) for field in fields)) for row in rows]
        self.count += int(rows[0]["total"]) if rows else 0
        self.kept = [*self.kept, *kept][:SHOWN_MAX]

    def proof(self, name: str, claim: str) -> Proof:
        """What came of it."""
        return Proof(name, claim, self.count, tuple(self.kept))


QUERY_PROOFS = (
    ("balances", "each balance is the sum of its entries", queries.prove_balances),
    (
        "entries",
        "each entry's balance is the one before plus its amount",
        queries.prove_running_balances,
    ),
    ("held", "what is held is what open reservations hold", queries.prove_held),
    ("limits", "no account of a payer is below its limit", queries.prove_limits),
    ("double entry", "all balances of a currency sum to 0", queries.prove_double_entry),
    ("reservations", "each reservation is the sum of its transfers", queries.prove_reservations),
    (
        "live legs",
        "money is held for live legs and for nothing else",
        queries.prove_live_reservations,
    ),
    ("cdr costs", "each CDR's cost is the sum of its legs' costs", queries.prove_cdr_costs),
    ("rates", "each charge's rate is of the tariff version it names", queries.prove_charge_rates),
)
"""Name, claim and query of the proofs that PostgreSQL does alone."""


class AuditReader:
    """Reads through `connection`, a transaction at REPEATABLE READ that stays open meanwhile."""

    def __init__(self, connection: Any, *, grace_seconds: float = GRACE_SECONDS) -> None:
        self.connection = connection
        self.grace_seconds = grace_seconds

    async def begin(self) -> datetime:
        """Make the transaction ready for large sums; returns the moment it sees."""
        await queries.tune_audit(self.connection)
        at: datetime = await queries.read_audit_moment(self.connection)
        return at

    async def prove(self, name: str, claim: str, query: Any) -> Proof:
        """Do one of QUERY_PROOFS."""
        breaches = Breaches()
        arguments: dict[str, Any] = {"shown": SHOWN_MAX}
        if query is queries.prove_live_reservations:
            arguments["grace_seconds"] = self.grace_seconds
        breaches.add_rows(await query(self.connection, **arguments))
        return breaches.proof(name, claim)

    async def plain_charges(self) -> AsyncIterator[list[Row]]:
        """Charges at rates without bands, alike ones as one row: see read_plain_charges."""
        async for rows in self._batches(queries.read_plain_charges.sql):
            yield rows

    async def alike_charges(self, row: Row) -> list[Row]:
        """The first legs and accounts that a row of `plain_charges` stands for."""
        found: list[Row] = await queries.find_plain_charges(
            self.connection,
            rate_id=row["rate_id"],
            seconds=row["seconds"],
            billed_seconds=row["billed_seconds"],
            cost_micros=row["cost_micros"],
            shown=SHOWN_MAX,
        )
        return found

    async def banded_charges(self) -> AsyncIterator[list[Row]]:
        """Charges at rates with bands, each with all that its cost depends on."""
        async for rows in self._batches(queries.read_banded_charges.sql):
            yield rows

    async def unlike_charges(self) -> AsyncIterator[list[Row]]:
        """Charges and reservations that do not simply agree: see read_unlike_charges."""
        async for rows in self._batches(queries.read_unlike_charges.sql, self.grace_seconds):
            yield rows

    async def double_charges(self) -> list[Row]:
        """Legs charged twice to one account."""
        found: list[Row] = await queries.read_double_charges(self.connection)
        return found

    async def refund_amounts(self, transfer_ids: Iterable[UUID]) -> dict[UUID, int]:
        """Which of these refunds there are: micro-units by id."""
        rows = await queries.read_transfer_amounts(self.connection, transfer_ids=list(transfer_ids))
        return {row["id"]: row["amount_micros"] for row in rows}

    async def leg_refunds(self) -> AsyncIterator[list[Row]]:
        """Every refund of what was posted for a leg: id, account, amount_micros."""
        async for rows in self._batches(queries.read_leg_refunds.sql, self.grace_seconds):
            yield rows

    async def live_reservations(self) -> list[UUID]:
        """The reservations of the calls that live."""
        return [row["id"] for row in await queries.read_live_reservations(self.connection)]

    async def _batches(self, sql: str, *arguments: Any) -> AsyncIterator[list[Row]]:
        cursor = await self.connection.cursor(sql, *arguments)
        while rows := await cursor.fetch(_BATCH):
            yield rows
