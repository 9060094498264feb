"""The ledger's teller on real PostgreSQL: every outcome, idempotency, races, damage."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import asyncpg
import pytest

from callctl.db.pool import Database
from callctl.errors import AccountUnknown, LedgerError, ReservationUnknown, TransferMismatch
from callctl.ledger import Answer, Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from tests.db.ledger_desk import open_account, request, unbalanced

RESERVE, RENEW, SETTLE = TransferKind.RESERVE, TransferKind.RENEW, TransferKind.SETTLE


@dataclass
class Books:
    """A teller with a payer (balance 1000), a payee and a source of money."""

    database: Database
    teller: Teller
    payer: int
    payee: int
    source: int

    async def do(self, *step: TransferRequest) -> list[str]:
        answers = await self.teller.submit(step, Urgency.RESERVE)
        return [str(answer.outcome) for answer in answers]

    async def standing(self) -> Answer:
        return await self.teller.standing(self.payer)


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    """Books with 1000 micro-units on the payer's account."""
    teller = Teller(database)
    await teller.start()
    payer = await open_account(database, "tenant:t")
    payee = await open_account(database, "revenue:CNY", "revenue")
    source = await open_account(database, "clearing:CNY", "clearing")
    it = Books(database, teller, payer, payee, source)
    await it.do(request(TransferKind.TOPUP, source, payer, amount=1000))
    yield it
    await teller.stop()
    assert await unbalanced(database) == []


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


async def test_concurrent_reservations_grant_exactly_what_the_money_allows(books: Books) -> None:
    """1000 legs at once on money for 10: 10 granted, never below the limit (R23)."""
    results = await asyncio.gather(
        *(
            books.do(request(RESERVE, books.payer, books.payee, hold=100, reservation=uuid.uuid4()))
            for _ in range(1000)
        )
    )

    assert sum(result == ["granted"] for result in results) == 10
    assert (await books.standing()).available_micros == 0


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
