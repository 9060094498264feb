"""The ledger's teller on real PostgreSQL: every outcome, idempotency, races, damage."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from callctl.db.pool import Database
from callctl.errors import AccountUnknown, LedgerError, ReservationUnknown, TransferMismatch
from callctl.ledger import Teller, TransferKind
from callctl.ledger.requests import Urgency
from tests.db.ledger_desk import (
    Books,
    open_account,
    opened_books,
    request,
    until_one_waits_for_a_lock,
)

RESERVE, RENEW, SETTLE = TransferKind.RESERVE, TransferKind.RENEW, TransferKind.SETTLE


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    """Books with 1000 micro-units on the payer's account."""
    async with opened_books(database) as opened:
        yield opened


async def test_reserve_renew_settle_moves_what_was_used(books: Books) -> None:
    """A leg's money is held, posted in parts and the rest is given back."""
    r = uuid.uuid4()

    assert await books.do(request(RESERVE, books.payer, books.payee, hold=300, reservation=r)) == [
        "granted"
    ]
    assert (await books.standing()).available_micros == 700
    renew = request(RENEW, books.payer, books.payee, amount=100, hold=400, reservation=r)
    assert await books.do(renew) == ["granted"]
    assert (await books.standing()).available_micros == 500
    settle = request(SETTLE, books.payer, books.payee, amount=50, reservation=r)
    assert await books.do(settle) == ["granted"]

    standing = await books.standing()
    assert (standing.balance_micros, standing.available_micros) == (850, 850)
    assert standing.open_reservations == 0


async def test_reserve_more_than_available_is_denied(books: Books) -> None:
    """A denied reservation changes nothing and tells what is available."""
    answers = await books.teller.submit(
        [request(RESERVE, books.payer, books.payee, hold=1001, reservation=uuid.uuid4())],
        Urgency.RESERVE,
    )

    assert answers[0].outcome == "denied"
    assert answers[0].available_micros == 1000


async def test_renew_beyond_available_posts_and_keeps_the_rest(books: Books) -> None:
    """A renewal that can't hold more still posts what was used; what is held stays held."""
    r = uuid.uuid4()
    await books.do(request(RESERVE, books.payer, books.payee, hold=900, reservation=r))

    renew = request(RENEW, books.payer, books.payee, amount=500, hold=501, reservation=r)
    assert await books.do(renew) == ["short"]

    standing = await books.standing()
    assert (standing.balance_micros, standing.available_micros) == (500, 100)


async def test_post_beyond_the_reservation_is_refused(books: Books) -> None:
    """No post can take more than is held."""
    r = uuid.uuid4()
    await books.do(request(RESERVE, books.payer, books.payee, hold=10, reservation=r))

    with pytest.raises(LedgerError, match="exceeds_reservation"):
        await books.do(request(SETTLE, books.payer, books.payee, amount=11, reservation=r))


async def test_a_step_stands_or_falls_together(books: Books) -> None:
    """When one request of a step is denied the others have not happened."""
    rich = await open_account(books.database, "tenant:rich", credit_limit_micros=10_000)

    outcomes = await books.do(
        request(RESERVE, rich, books.payee, hold=5_000, reservation=uuid.uuid4()),
        request(RESERVE, books.payer, books.payee, hold=5_000, reservation=uuid.uuid4()),
    )

    assert outcomes == ["step_refused", "denied"]
    assert (await books.teller.standing(rich)).available_micros == 10_000


async def test_same_id_and_content_gets_the_first_answer(books: Books) -> None:
    """A request sent again moves no money again."""
    top_up = request(TransferKind.TOPUP, books.source, books.payer, amount=7)
    r = uuid.uuid4()
    reserve = request(RESERVE, books.payer, books.payee, hold=900, reservation=r)
    short = request(RENEW, books.payer, books.payee, amount=1, hold=5_000, reservation=r)

    for one, outcome in ((top_up, "granted"), (reserve, "granted"), (short, "short")):
        assert [await books.do(one), await books.do(one)] == [[outcome], [outcome]]
    assert (await books.standing()).balance_micros == 1006


async def test_same_id_with_other_content_is_an_error(books: Books) -> None:
    """An altered request under an old id is refused, also within one batch."""
    top_up = request(TransferKind.TOPUP, books.source, books.payer, amount=7)
    await books.do(top_up)
    with pytest.raises(TransferMismatch):
        await books.do(replace(top_up, amount_micros=8))

    new = request(TransferKind.TOPUP, books.source, books.payer, amount=1)
    results = await asyncio.gather(
        books.do(new), books.do(replace(new, amount_micros=2)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["TransferMismatch", "list"]


async def test_unknown_account_and_reservation_are_errors(books: Books) -> None:
    """What does not exist is named as such."""
    with pytest.raises(AccountUnknown):
        await books.do(request(TransferKind.TOPUP, 999_999, books.payer, amount=1))
    with pytest.raises(ReservationUnknown):
        await books.do(request(SETTLE, books.payer, books.payee, reservation=uuid.uuid4()))


async def test_a_closed_reservation_takes_no_more(books: Books) -> None:
    """After the settlement nothing can be posted on the reservation."""
    r = uuid.uuid4()
    await books.do(request(RESERVE, books.payer, books.payee, hold=10, reservation=r))
    await books.do(request(SETTLE, books.payer, books.payee, amount=10, reservation=r))

    with pytest.raises(ReservationUnknown):
        await books.do(request(RENEW, books.payer, books.payee, hold=10, reservation=r))


async def test_a_poisoned_step_does_not_hurt_its_neighbours(books: Books) -> None:
    """A request that PostgreSQL itself refuses fails alone."""
    good = [request(TransferKind.TOPUP, books.source, books.payer, amount=1) for _ in range(5)]
    bad = request(TransferKind.TOPUP, books.source, books.payer, amount=-1)

    results = await asyncio.gather(*(books.do(one) for one in [*good, bad]), return_exceptions=True)

    assert results[:5] == [["granted"]] * 5
    assert isinstance(results[5], LedgerError)
    assert (await books.standing()).balance_micros == 1005


async def test_two_tellers_share_an_account_without_overdrawing(books: Books) -> None:
    """Two processes' tellers on the same accounts neither deadlock nor grant twice."""
    other = Teller(books.database)
    await other.start()
    try:
        steps = [
            [request(RESERVE, books.payer, books.payee, hold=10, reservation=uuid.uuid4())]
            for _ in range(300)
        ]
        answers = await asyncio.gather(
            *(
                (books.teller, other)[n % 2].submit(step, Urgency.RESERVE)
                for n, step in enumerate(steps)
            )
        )
    finally:
        await other.stop()

    assert sum(answer[0].outcome == "granted" for answer in answers) == 100


async def test_the_limit_holds_against_a_hand_in_the_table(books: Books) -> None:
    """Even SQL by hand can't push an account below its limit, nor change a transfer."""
    with pytest.raises(asyncpg.CheckViolationError):
        await books.database.execute(
            "UPDATE accounts SET balance_micros = -1 WHERE id = $1", books.payer
        )
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await books.database.execute("DELETE FROM transfers")


async def test_a_cancelled_caller_does_not_undo_its_request(books: Books) -> None:
    """A task cancelled in submit leaves the request to be done, once (R22)."""
    reservation = uuid.uuid4()
    one = request(RESERVE, books.payer, books.payee, hold=40, reservation=reservation)
    task = asyncio.create_task(books.do(one))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await books.do(one) == ["granted"]
    assert (await books.standing()).available_micros == 960


async def test_one_id_twice_in_one_batch_is_done_once(books: Books) -> None:
    """A caller who lost its answer may send again while the first still waits for its batch."""
    top_up = request(TransferKind.TOPUP, books.source, books.payer, amount=7)
    others = [request(TransferKind.TOPUP, books.source, books.payer, amount=1) for _ in range(5)]

    outcomes = await asyncio.gather(*(books.do(one) for one in (top_up, *others, top_up)))

    assert outcomes == [["granted"]] * 7
    assert (await books.standing()).balance_micros == 1012


async def test_one_id_twice_in_one_step_is_a_mismatch(books: Books) -> None:
    """A step that names one id for two of its requests can never be done."""
    top_up = request(TransferKind.TOPUP, books.source, books.payer, amount=7)
    with pytest.raises(TransferMismatch):
        await books.do(top_up, replace(top_up, amount_micros=8))
    assert (await books.standing()).balance_micros == 1000


async def test_one_id_at_two_tellers_at_once_is_done_once(books: Books) -> None:
    """Two processes that send the same id at the same moment, also for other accounts."""
    elsewhere = await open_account(books.database, "tenant:elsewhere")
    other = Teller(books.database)
    await other.start()
    for _ in range(20):
        one = request(TransferKind.TOPUP, books.source, books.payer, amount=1)
        source = await open_account(books.database, f"clearing:{one.id}", "clearing")
        altered = replace(one, from_account_id=source, to_account_id=elsewhere)
        results = await asyncio.gather(
            books.do(one), other.submit([altered], Urgency.RESERVE), return_exceptions=True
        )
        assert sum(isinstance(result, TransferMismatch) for result in results) == 1
    await other.stop()

    moved = (await books.standing()).balance_micros - 1000
    assert moved + (await books.standing(elsewhere)).balance_micros == 20


@pytest.mark.parametrize(
    "what",
    [
        {"amount_micros": -1},
        {"amount_micros": 2**63},
        {"amount_micros": 2**63 - 1},  # more than the balance can take
        {"hold_micros": 5},
        {"memo": "nul \0 byte"},
        {"memo": None},
        {"id": None},
        {"id": "no id"},
        {"kind": "steal"},
        {"from_account_id": None},
        {"expires_seconds": -1},
        {"kind": RESERVE},
        {"kind": SETTLE},
    ],
)
async def test_a_malformed_request_fails_alone(books: Books, what: dict[str, object]) -> None:
    """What the ledger or PostgreSQL itself refuses is a LedgerError; its neighbours are granted."""
    good = [request(TransferKind.TOPUP, books.source, books.payer, amount=1) for _ in range(6)]
    bad = replace(good.pop(), **what)  # type: ignore[arg-type]

    results = await asyncio.gather(*(books.do(one) for one in (*good, bad)), return_exceptions=True)

    assert results[:5] == [["granted"]] * 5
    assert isinstance(results[5], LedgerError)
    assert (await books.standing()).balance_micros == 1005


async def test_ends_go_before_renewals_before_new_calls(books: Books) -> None:
    """With more waiting than one batch takes, money that frees money is moved first."""
    legs = [await books.reserve(2) for _ in range(20)]
    later = Teller(books.database)
    new = [
        request(RESERVE, books.payer, books.payee, hold=1, reservation=uuid.uuid4())
        for _ in range(400)
    ]
    renewals = [request(RENEW, books.payer, books.payee, hold=2, reservation=n) for n in legs[:10]]
    ends = [request(SETTLE, books.payer, books.payee, amount=1, reservation=n) for n in legs[10:]]
    tasks = [
        asyncio.create_task(later.submit([one], urgency))
        for urgency, asked in (
            (Urgency.RESERVE, new),
            (Urgency.RENEW, renewals),
            (Urgency.SETTLE, ends),
        )
        for one in asked
    ]
    await asyncio.sleep(0)  # all of them wait now
    await later.start()
    await asyncio.gather(*tasks)
    await later.stop()

    rows = await books.database.fetch(
        "SELECT kind FROM transfers WHERE id = ANY($1) ORDER BY position",
        [one.id for one in (*new, *renewals, *ends)],
    )
    assert [row[0] for row in rows] == ["settle"] * 10 + ["renew"] * 10 + ["reserve"] * 400


async def test_moments_rise_with_positions(books: Books) -> None:
    """A transfer is never dated before the account's one before it, even by a clock put back."""
    ahead = await books.database.fetchval(
        "UPDATE accounts SET moved_at = clock_timestamp() + interval '1 hour' WHERE id = $1"
        " RETURNING moved_at",
        books.payer,
    )
    one = request(TransferKind.TOPUP, books.source, books.payer, amount=1)
    await books.do(one)
    dated = await books.database.fetchval("SELECT created_at FROM transfers WHERE id = $1", one.id)
    assert dated == ahead


async def test_a_moment_is_taken_with_the_lock_in_hand(books: Books) -> None:
    """Who waited for the account is dated after the one it waited for."""
    one = request(TransferKind.TOPUP, books.source, books.payer, amount=1)
    async with books.database.transaction() as holder:
        await holder.execute("SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE", books.payer)
        waiting = asyncio.create_task(books.do(one))
        await until_one_waits_for_a_lock(books.database)
        released = await holder.fetchval("SELECT clock_timestamp()")
    assert await waiting == ["granted"]
    dated = await books.database.fetchval("SELECT created_at FROM transfers WHERE id = $1", one.id)
    assert dated > released


async def test_a_refused_request_touches_no_foreign_reservation(books: Books) -> None:
    """One that names another account's reservation changes nothing of it, nor its neighbours."""
    name = await books.reserve(100)
    thief = await open_account(books.database, "tenant:thief", credit_limit_micros=1000)
    theft = request(SETTLE, thief, books.payee, amount=50, reservation=name)
    top_up = request(TransferKind.TOPUP, books.source, thief, amount=1)
    results = await asyncio.gather(books.do(theft), books.do(top_up), return_exceptions=True)
    assert isinstance(results[0], ReservationUnknown)
    assert results[1] == ["granted"]
    assert (await books.standing()).available_micros == 900


async def test_an_account_is_never_deleted(books: Books) -> None:
    """No hand can delete an account from below its transfers."""
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await books.database.execute("DELETE FROM accounts WHERE id = $1", books.payer)


@pytest.mark.parametrize("kind", ["prepaid", "reseller", "limit"])
async def test_limited_kinds_end_at_their_limit(books: Books, kind: str) -> None:
    """Reservation, fee and refund alike take what is available, and not one unit more."""
    payer = await open_account(books.database, f"x:{kind}", kind, credit_limit_micros=100)
    for what in (TransferKind.FEE, TransferKind.REFUND, TransferKind.TOPUP):
        assert await books.do(request(what, payer, books.payee, amount=101)) == ["denied"]
    one = request(RESERVE, payer, books.payee, hold=101, reservation=uuid.uuid4())
    assert await books.do(one) == ["denied"]
    assert await books.do(replace(one, id=uuid.uuid4(), hold_micros=100)) == ["granted"]


@pytest.mark.parametrize("kind", ["prepaid", "reseller"])
async def test_no_hand_takes_away_credit_that_is_in_use(books: Books, kind: str) -> None:
    """A credit limit can't be set below what is used of it; the table itself refuses."""
    payer = await open_account(books.database, f"x:{kind}", kind, credit_limit_micros=100)
    await books.do(request(RESERVE, payer, books.payee, hold=100, reservation=uuid.uuid4()))
    with pytest.raises(asyncpg.CheckViolationError):
        await books.database.execute(
            "UPDATE accounts SET credit_limit_micros = 99 WHERE id = $1", payer
        )


async def test_a_limit_set_below_its_use_gives_nothing_but_takes_ends(books: Books) -> None:
    """What counts against a lowered limit may still end; nothing new is granted on it."""
    limit = await open_account(books.database, "limit:x", "limit", credit_limit_micros=100)
    name = uuid.uuid4()
    await books.do(request(RESERVE, limit, books.payee, hold=80, reservation=name))
    await books.database.execute(
        "UPDATE accounts SET credit_limit_micros = 50 WHERE id = $1", limit
    )

    new = request(RESERVE, limit, books.payee, hold=1, reservation=uuid.uuid4())
    assert await books.do(new) == ["denied"]
    renew = request(RENEW, limit, books.payee, amount=40, hold=80, reservation=name)
    assert await books.do(renew) == ["short"]
    settle = request(SETTLE, limit, books.payee, amount=40, reservation=name)
    assert await books.do(settle) == ["granted"]
    assert (await books.standing(limit)).available_micros == -30


@pytest.mark.parametrize("kind", ["revenue", "carrier", "clearing", "usage"])
async def test_counterparties_have_no_limit(books: Books, kind: str) -> None:
    """The other ends of transfers may go below zero."""
    payer = await open_account(books.database, f"x:{kind}", kind)
    one = request(TransferKind.REFUND, payer, books.payer, amount=5000)
    assert await books.do(one) == ["granted"]
