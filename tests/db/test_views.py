"""The read models over real rows."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callctl.api.answers import LiveCallAnswer
from callctl.db.pool import Database
from callctl.errors import AccountUnknown, InvalidInput
from callctl.ledger import Teller, TransferKind
from callctl.ledger.requests import Urgency
from callctl.views import CdrFilter, Views
from tests.db.ledger_desk import open_account, request

_SEED = Path(__file__).with_name("views_seed.sql")
_SUMS_SQL = """
    SELECT
        coalesce(
            sum(CASE WHEN t.to_account_id = a.id THEN t.amount_micros ELSE -t.amount_micros END), 0
        )::bigint,
        coalesce(sum(t.hold_change_micros) FILTER (WHERE t.from_account_id = a.id), 0)::bigint,
        coalesce(sum(t.open_change) FILTER (WHERE t.from_account_id = a.id), 0)::integer
    FROM accounts AS a
    LEFT JOIN transfers AS t
        ON a.id IN (t.from_account_id, t.to_account_id) AND t.created_at <= $2
    WHERE a.name = $1
    GROUP BY a.id
"""


@pytest.fixture
async def views(database: Database) -> Views:
    """Views over the seed's rows."""
    await database.execute(_SEED.read_text())
    return Views(database)


async def test_account_shows_what_can_be_spent(views: Views) -> None:
    """Available is balance + credit limit - held, and the tenant's name finds its account."""
    account = await views.account("acme")

    assert account == await views.account("tenant:acme")
    assert (account.balance_micros, account.held_micros) == (99_900_000, 200_000)
    assert account.available_micros == 99_900_000 + 5_000_000 - 200_000
    assert (account.tenant, account.open_reservations) == ("acme", 1)


async def test_account_unknown_is_an_error(views: Views) -> None:
    """Asking for an account that does not exist names it, here and for its statement."""
    with pytest.raises(AccountUnknown, match="nobody"):
        await views.account("nobody")
    with pytest.raises(AccountUnknown, match="nobody"):
        await views.statement("nobody", 10)


async def test_statement_runs_from_the_oldest_to_the_balance(views: Views) -> None:
    """The running balance ends at the account's; reservations without money are no entries."""
    entries = await views.statement("acme", 10)

    assert [(entry.kind, entry.amount_micros) for entry in entries] == [
        ("opening", 100_000_000),
        ("settle", -100_000),
    ]
    assert entries[-1].balance_micros == (await views.account("acme")).balance_micros
    assert (entries[1].caller, entries[1].did) == ("+8613901710001", "4006001234")


async def test_statement_limit_keeps_the_latest(views: Views) -> None:
    """With a limit of one the newest entry is left."""
    assert [entry.kind for entry in await views.statement("acme", 1)] == ["settle"]
    with pytest.raises(InvalidInput, match="limit is 0"):
        await views.statement("acme", 0)


async def test_account_as_of_any_moment_is_the_sum_up_to_then(
    database: Database, views: Views
) -> None:
    """At and just before each transfer, balance, held and open are what had happened by then."""
    await _busy_day(database)
    moments = [
        at
        for row in await database.fetch("SELECT DISTINCT created_at AS at FROM transfers")
        for at in (row["at"], row["at"] - timedelta(microseconds=1))
    ]
    assert len(moments) > 20

    for at in moments:
        for name in ("tenant:acme", "revenue:CNY"):
            account = await views.account(name, at)
            sums = await database.fetchrow(_SUMS_SQL, name, at)
            assert account.at == at
            assert (
                account.balance_micros,
                account.held_micros,
                account.open_reservations,
            ) == tuple(sums), (name, at)


async def test_account_as_of_now_and_of_before_its_first_transfer(views: Views) -> None:
    """A moment to come shows what is; one before the first transfer shows nothing."""
    now = await views.account("acme")
    future, past = datetime(2999, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)

    assert await views.account("acme", future) == replace(now, at=future)
    assert await views.account("acme", past) == replace(
        now, at=past, balance_micros=0, held_micros=0, open_reservations=0
    )
    assert await views.statement("acme", 10, past) == []


async def test_statement_as_of_a_moment_ends_there(database: Database, views: Views) -> None:
    """The entries up to a moment end at the balance of that moment, whatever came later."""
    await _busy_day(database)
    whole = await views.statement("acme", 1000)
    at = whole[len(whole) // 2].created_at

    entries = await views.statement("acme", 1000, at)

    assert entries == [entry for entry in whole if entry.created_at <= at]
    assert entries[-1].balance_micros == (await views.account("acme", at)).balance_micros
    assert await views.statement("acme", 3, at) == entries[-3:]


async def test_accounts_of_limits_can_be_left_out(database: Database, views: Views) -> None:
    """Control accounts and what they count against are shown only when they are wanted."""
    await open_account(database, "limit:tenant:acme:calls_per_day:2026-10-01", "limit")
    await open_account(database, "usage:XCL", "usage")

    assert len(await views.accounts()) == len(await views.accounts(with_limits=False)) + 2


async def _busy_day(database: Database) -> None:
    """A dozen calls that renew and end, one after the other, each step in its own commit."""
    ids = [
        await database.fetchval("SELECT id FROM accounts WHERE name = $1", name)
        for name in ("tenant:acme", "revenue:CNY")
    ]
    teller = Teller(database)
    await teller.start()
    for _ in range(12):
        reservation = uuid.uuid4()
        for kind, amount, hold in (
            (TransferKind.RESERVE, 0, 300),
            (TransferKind.RENEW, 100, 250),
            (TransferKind.SETTLE, 70, 0),
        ):
            step = request(kind, *ids, amount=amount, hold=hold, reservation=reservation)
            await teller.submit([step], Urgency.RESERVE)
    await teller.stop()


async def test_cdrs_come_newest_first_with_their_legs(views: Views) -> None:
    """Each CDR carries its own legs, the caller's first, and the trace as it was written."""
    rejected, answered = await views.cdrs(CdrFilter())

    assert (rejected.disposition, rejected.legs) == ("rejected", ())
    assert [leg.side for leg in answered.legs] == ["a", "b"]
    assert answered.legs[0].cost_micros == answered.cost_micros
    assert answered.trace == [{"rule": "line beijing", "matched": True, "why": "default line"}]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (CdrFilter(caller="13901710001"), 1),
        (CdrFilter(caller="+86 139 0171 0001"), 1),
        (CdrFilter(caller="13901710002"), 0),
        (CdrFilter(did="4006001234"), 2),
        (CdrFilter(did="4006001235"), 0),
        (CdrFilter(tenant="acme"), 2),
        (CdrFilter(tenant="other"), 0),
        (CdrFilter(since=datetime(2026, 10, 1, 12, 30, tzinfo=UTC)), 1),
        (CdrFilter(limit=1), 1),
    ],
)
async def test_cdrs_filter(views: Views, wanted: CdrFilter, count: int) -> None:
    """Every condition narrows, and numbers match in any spelling."""
    assert len(await views.cdrs(wanted)) == count


async def test_live_call_costs_what_its_rate_says_so_far(views: Views) -> None:
    """After 61 s of talk at 0.10 a started minute, two minutes are due."""
    (call,) = await views.live_calls()
    assert call.answered_at is not None

    answer = LiveCallAnswer.of(call, call.answered_at + timedelta(seconds=61))

    assert (answer.seconds, answer.cost_micros, answer.cost) == (61, 200_000, "0.20")
    assert answer.charges[0].paid_seconds == 120


async def test_versions_and_trunks(views: Views) -> None:
    """What doctor asks: the server, the schema, and the trunks that lines use."""
    assert await views.server_version() >= 150_000
    assert await views.schema_version() >= 4
    assert await views.trunks() == ["carrier"]
