"""The views' queries as typed answers; one object for API, console and CLI."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.errors import AccountUnknown, InvalidInput
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Rate
from callctl.views.models import Account, Cdr, CdrFilter, CdrLeg, Entry, LiveCall, LiveCharge

ROWS_MAX = 1000
_LIVE_CALLS_MAX = 10_000


class Views:
    """Reads through `connection`, a Database or a transaction; writes nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def live_calls(self) -> list[LiveCall]:
        """Every call of this moment, the longest first."""
        rows = await queries.read_live_calls(self._connection, limit=_LIVE_CALLS_MAX)
        return [_live_call(dict(row)) for row in rows]

    async def cdrs(self, wanted: CdrFilter) -> list[Cdr]:
        """The latest calls that match, newest first, with their legs."""
        rows = await queries.read_cdrs(
            self._connection,
            dids=_spellings(wanted.did),
            callers=_spellings(wanted.caller),
            tenant=wanted.tenant,
            since=wanted.since,
            limit=_limit(wanted.limit),
        )
        legs = await self._legs([row["call_id"] for row in rows])
        return [Cdr(**row, legs=tuple(legs[row["call_id"]])) for row in rows]

    async def accounts(self) -> list[Account]:
        """Every account, by kind and name."""
        rows = await queries.read_accounts(self._connection, name=None)
        return [Account(**row) for row in rows]

    async def account(self, name: str) -> Account:
        """The account of that name, or of the tenant of that name; raises AccountUnknown."""
        rows = await queries.read_accounts(self._connection, name=name)
        if not rows:
            raise AccountUnknown(f"there is no account {name!r}; callctl account list shows all")
        return Account(**rows[0])

    async def statement(self, name: str, limit: int) -> list[Entry]:
        """The latest entries of the account, the oldest of them first; raises AccountUnknown."""
        account = await self.account(name)
        rows = await queries.read_statement(
            self._connection, name=account.name, limit=_limit(limit)
        )
        return [Entry(**row) for row in reversed(rows)]

    async def schema_version(self) -> int:
        """The number of the last migration; 0 for a database that was never migrated."""
        if not await queries.has_schema(self._connection):
            return 0
        return int(await queries.read_schema_version(self._connection) or 0)

    async def server_version(self) -> int:
        """PostgreSQL's version as a number: 150018 is 15.18."""
        return int(await queries.read_server_version(self._connection))

    async def trunks(self) -> list[str]:
        """The trunks that the lines name."""
        return [row["trunk"] for row in await queries.read_trunks(self._connection)]

    async def _legs(self, call_ids: list[UUID]) -> dict[UUID, list[CdrLeg]]:
        legs: dict[UUID, list[CdrLeg]] = defaultdict(list)
        for row in await queries.read_cdr_legs(self._connection, call_ids=call_ids):
            fields = dict(row)
            legs[fields.pop("call_id")].append(CdrLeg(**fields))
        return legs


def _limit(limit: int) -> int:
    if not 1 <= limit <= ROWS_MAX:
        raise InvalidInput(f"limit is {limit}: ask for 1 to {ROWS_MAX} rows")
    return limit


def _spellings(text: str | None) -> list[str] | None:
    """Every way in which a row may hold the number that people wrote as `text`."""
    if text is None:
        return None
    number = PhoneNumber.parse(text)
    return sorted({text, number.text, number.national, number.dial_digits} - {""})


def _live_call(fields: dict[str, Any]) -> LiveCall:
    charges = fields.pop("charges")
    return LiveCall(**fields, charges=tuple(_live_charge(charge) for charge in charges))


def _live_charge(charge: dict[str, Any]) -> LiveCharge:
    return LiveCharge(
        leg_id=charge["leg_id"],
        account=charge["account"],
        tariff=charge["tariff"],
        tariff_version=charge["tariff_version"],
        rate=Rate(**charge["rate"]),
        paid_seconds=charge["paid_seconds"],
        posted_micros=charge["posted_micros"],
    )
