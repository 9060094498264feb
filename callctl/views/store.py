"""The views' queries as typed answers; one object for API, console and CLI."""

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from callctl.db.pool import Connection
from callctl.db.queries import queries
from callctl.errors import AccountUnknown, InvalidInput
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Rate
from callctl.views.models import Account, Cdr, CdrFilter, CdrLeg, Entry, LiveCall, LiveCharge
from callctl.views.unanswered import FileAccess, MissedCall, MissedReason, Recording, Voicemail

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
        rows = await queries.read_cdrs(self._connection, **_conditions(wanted))
        legs = await self._legs([row["call_id"] for row in rows])
        return [Cdr(**row, legs=tuple(legs[row["call_id"]])) for row in rows]

    async def cdr(self, call_id: UUID) -> Cdr | None:
        """The call of that id, with its legs; None when there is none, or it has not ended."""
        legs = await self._legs([call_id])
        rows = await queries.read_cdr(self._connection, call_id=call_id)
        return next((Cdr(**row, legs=tuple(legs[call_id])) for row in rows), None)

    async def missed(
        self, wanted: CdrFilter, reason: MissedReason | None = None
    ) -> list[MissedCall]:
        """The latest calls that no line talked with, newest first."""
        rows = await queries.read_missed_calls(
            self._connection, reason=reason, **_conditions(wanted)
        )
        return [
            MissedCall(**row | {"reason": MissedReason(row["reason"])}) for row in map(dict, rows)
        ]

    async def voicemails(self, wanted: CdrFilter) -> list[Voicemail]:
        """The latest voicemails that match, newest first; those whose file was deleted too."""
        rows = await queries.read_voicemails(self._connection, **_conditions(wanted))
        return [Voicemail(**row) for row in rows]

    async def recordings(self, wanted: CdrFilter) -> list[Recording]:
        """The latest recorded talks that match, newest first; those deleted since too."""
        rows = await queries.read_recordings(self._connection, **_conditions(wanted))
        return [Recording(**row) for row in rows]

    async def file_accesses(self, call_id: UUID) -> list[FileAccess]:
        """Who took out or deleted what was recorded of a call, its voicemail too."""
        names = [f"{call_id}.wav", f"{call_id}-voicemail.wav"]
        rows = await queries.read_file_accesses(self._connection, file_names=names)
        return [FileAccess(**row) for row in rows]

    async def accounts(self, *, with_limits: bool = True) -> list[Account]:
        """Every account, by kind and name; those of limits and their counterparts if wanted."""
        rows = await queries.read_accounts(self._connection, name=None, with_limits=with_limits)
        return [Account(**row) for row in rows]

    async def account(self, name: str, at: datetime | None = None) -> Account:
        """The account of that name, or of the tenant of that name; raises AccountUnknown.

        With `at` as it was then, after its last transfer up to that moment.
        """
        rows = await queries.read_accounts(self._connection, name=name, with_limits=True)
        if not rows:
            raise AccountUnknown(f"there is no account {name!r}; callctl account list shows all")
        now = Account(**rows[0])
        if at is None:
            return now
        position = await self._position(now.name, at)
        row = await queries.read_account_at(self._connection, name=now.name, position=position)
        return Account(**row, at=at)

    async def statement(self, name: str, limit: int, at: datetime | None = None) -> list[Entry]:
        """The latest entries of the account, the oldest of them first; raises AccountUnknown.

        With `at` the latest up to that moment.
        """
        account = await self.account(name)
        rows = await queries.read_statement(
            self._connection,
            name=account.name,
            position=None if at is None else await self._position(account.name, at),
            limit=_limit(limit),
        )
        return [Entry(**row) for row in reversed(rows)]

    async def _position(self, name: str, at: datetime) -> int:
        return int(await queries.find_position(self._connection, name=name, at=at))

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


def _conditions(wanted: CdrFilter) -> dict[str, Any]:
    """What a query that narrows calls is asked with."""
    return {
        "dids": _spellings(wanted.did),
        "callers": _spellings(wanted.caller),
        "tenant": wanted.tenant,
        "since": wanted.since,
        "limit": _limit(wanted.limit),
    }


def _spellings(text: str | None) -> list[str] | None:
    """Every way in which a row may hold the number that people wrote as `text`."""
    if text is None:
        return None
    number = PhoneNumber.parse(text)
    return sorted({text, number.text, number.national, number.dial_digits} - {""})


def _live_call(fields: dict[str, Any]) -> LiveCall:
    charges, available = fields.pop("charges"), fields.pop("available") or {}
    real = [charge for charge in charges if charge["role"] != "limit"]
    return LiveCall(**fields, charges=tuple(_live_charge(one, available) for one in real))


def _live_charge(charge: dict[str, Any], available: dict[str, int]) -> LiveCharge:
    charged_from = charge["charged_from"]
    return LiveCharge(
        leg_id=charge["leg_id"],
        role=charge["role"],
        account=charge["account"],
        available_micros=available.get(charge["account"], 0),
        tariff=charge["tariff"],
        tariff_version=charge["tariff_version"],
        rate=Rate.from_json(charge["rate"]),
        calendar=charge["calendar"],
        timezone=charge["timezone"],
        charged_from=datetime.fromisoformat(charged_from) if charged_from else None,
        paid_seconds=charge["paid_seconds"],
        posted_micros=charge["posted_micros"],
    )
