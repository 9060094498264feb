"""The read models over real rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callctl.api.answers import LiveCallAnswer
from callctl.db.pool import Database
from callctl.errors import AccountUnknown, InvalidInput
from callctl.views import CdrFilter, Views

_SEED = Path(__file__).with_name("views_seed.sql")


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
