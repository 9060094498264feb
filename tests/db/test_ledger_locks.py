"""Rows that somebody else keeps locked, and any mix of writers: bounded, and nobody deadlocks."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from callctl import clock
from callctl.db.pool import Database
from callctl.errors import DatabaseBusy, DatabaseUnavailable
from callctl.ledger import Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from tests.db.ledger_desk import (
    Books,
    open_account,
    opened_books,
    request,
    until_one_waits_for_a_lock,
)

RESERVE = TransferKind.RESERVE
_PASS_SECONDS_MAX = 2


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    """Books with 1000 micro-units on the payer's account."""
    async with opened_books(database) as opened:
        yield opened


@asynccontextmanager
async def locked(database: Database, account: int) -> AsyncIterator[None]:
    """The account's row, in another transaction's hands for the length of the block."""
    async with database.transaction() as holder:
        await holder.execute("SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE", account)
        yield


def _reserve(books: Books, payer: int) -> TransferRequest:
    return request(RESERVE, payer, books.payee, hold=1, reservation=uuid.uuid4())


async def _others(books: Books, count: int) -> list[int]:
    return [
        await open_account(books.database, f"tenant:{n}", credit_limit_micros=10**6)
        for n in range(count)
    ]


async def test_a_locked_account_delays_the_others_little(books: Books) -> None:
    """Neighbours in its batch pass in under 2 s; it is done itself when the lock is released."""
    others = await _others(books, 200)
    async with locked(books.database, books.payer):
        began = clock.monotonic()
        blocked = [asyncio.create_task(books.do(_reserve(books, books.payer))) for _ in range(20)]
        passed = await asyncio.gather(*(books.do(_reserve(books, other)) for other in others))
        assert clock.monotonic() - began < _PASS_SECONDS_MAX
        assert passed == [["granted"]] * 200
        assert not any(task.done() for task in blocked)

        began = clock.monotonic()  # by now it is known which one to leave aside
        again = [_reserve(books, payer) for payer in (*others, books.payer)]
        blocked.append(asyncio.create_task(books.do(again.pop())))
        assert await asyncio.gather(*(books.do(one) for one in again)) == [["granted"]] * 200
        assert clock.monotonic() - began < 1
        assert not any(task.done() for task in blocked)
    assert await asyncio.gather(*blocked) == [["granted"]] * 21


async def test_locked_to_the_deadline_is_unavailable_and_can_be_sent_again(books: Books) -> None:
    """The blocked request ends at its deadline, undone; the same id goes through later."""
    [other] = await _others(books, 1)
    books.teller._batcher._deadline_seconds = 1.0
    one, late = _reserve(books, books.payer), _reserve(books, books.payer)
    async with locked(books.database, books.payer):
        began = clock.monotonic()
        results = await asyncio.gather(
            *(books.do(request) for request in (one, late, _reserve(books, other))),
            return_exceptions=True,
        )
        assert clock.monotonic() - began < _PASS_SECONDS_MAX
        assert [type(result) for result in results[:2]] == [DatabaseUnavailable] * 2
        assert results[2] == ["granted"]
    books.teller._batcher._deadline_seconds = 10.0
    assert (await books.standing()).available_micros == 1000
    assert [await books.do(one), await books.do(late)] == [["granted"], ["granted"]]


async def test_several_locked_accounts_do_not_add_up(books: Books) -> None:
    """With many accounts locked at once the others still pass, and all is done in the end."""
    others = await _others(books, 100)
    async with books.database.transaction() as holder:
        await holder.execute("SELECT 1 FROM accounts WHERE id = ANY($1) FOR UPDATE", others[:5])
        began = clock.monotonic()
        tasks = [asyncio.create_task(books.do(_reserve(books, other))) for other in others]
        assert await asyncio.gather(*tasks[5:]) == [["granted"]] * 95
        assert clock.monotonic() - began < 2 * _PASS_SECONDS_MAX
    assert await asyncio.gather(*tasks) == [["granted"]] * 100


async def test_a_lost_connection_is_resolved_by_the_same_id(books: Books) -> None:
    """A flush whose backend is killed while it waits is sent again, and done once."""
    one = _reserve(books, books.payer)
    async with locked(books.database, books.payer):
        waiting = asyncio.create_task(books.do(one))
        await until_one_waits_for_a_lock(books.database)
        await books.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
    assert await waiting == ["granted"]
    assert (await books.standing()).available_micros == 999


async def test_the_ledger_statement_gives_up_a_lock_soon(books: Books) -> None:
    """Its lock_timeout is far below the statement's deadline, and says that nothing was done."""
    async with locked(books.database, books.payer):
        began = clock.monotonic()
        with pytest.raises(DatabaseBusy):
            await books.teller._apply([(_reserve(books, books.payer),)])
        assert clock.monotonic() - began < 0.5


async def test_no_mix_of_writers_deadlocks(books: Books) -> None:
    """Tellers, transfers both ways and credit limits set meanwhile: all is done, none in a knot."""
    accounts = await _others(books, 8)
    tellers = [Teller(books.database) for _ in range(3)]
    for teller in tellers:
        await teller.start()
    chance = random.Random(7)
    steps = [
        [
            request(TransferKind.FEE, *chance.sample(accounts, 2), amount=chance.randrange(9))
            for _ in range(chance.randrange(1, 4))
        ]
        for _ in range(600)
    ]

    await asyncio.gather(
        *(tellers[n % 3].submit(step, Urgency.RESERVE) for n, step in enumerate(steps)),
        *(_set_limits(books.database, chance.sample(accounts, 5)) for _ in range(30)),
    )

    for teller in tellers:
        await teller.stop()
    done = "SELECT count(*) FROM transfers WHERE kind = 'fee'"
    assert await books.database.fetchval(done) == sum(len(step) for step in steps)
    knots = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await books.database.fetchval(knots) == 0


async def _set_limits(database: Database, accounts: Sequence[int]) -> None:
    """As callctl apply does: lock them in the order of their ids, then write."""
    async with database.transaction() as connection:
        await connection.execute(
            "SELECT 1 FROM accounts WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", accounts
        )
        for account in accounts:
            await connection.execute(
                "UPDATE accounts SET credit_limit_micros = credit_limit_micros + 1 WHERE id = $1",
                account,
            )
