"""Reservations that expire: what they hold comes back, and what was talked is still paid."""

import uuid
from collections.abc import AsyncIterator

import pytest

from callctl.db.pool import Database
from callctl.errors import ReservationExpired, ReservationUnknown, TransferMismatch
from callctl.ledger import TransferKind, TransferRequest
from tests.db.ledger_desk import Books, become_overdue, opened_books, request

RENEW, SETTLE, EXPIRE = TransferKind.RENEW, TransferKind.SETTLE, TransferKind.EXPIRE


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    """Books with 1000 micro-units on the payer's account."""
    async with opened_books(database) as opened:
        yield opened


def _on(
    books: Books,
    kind: TransferKind,
    name: uuid.UUID,
    *,
    amount: int = 0,
    hold: int = 0,
    expires: int = 0,
) -> TransferRequest:
    return request(
        kind,
        books.payer,
        books.payee,
        reservation=name,
        amount=amount,
        hold=hold,
        expires=expires,
    )


async def _overdue(books: Books, hold: int) -> uuid.UUID:
    name = await books.reserve(hold, expires=60)
    await become_overdue(books.database, name)
    return name


async def _seconds_left(books: Books, name: uuid.UUID) -> int | None:
    seconds: int | None = await books.database.fetchval(
        "SELECT round(extract(epoch FROM expires_at - opened_at)) FROM reservations WHERE id = $1",
        name,
    )
    return seconds


async def test_expire_gives_back_what_an_overdue_reservation_holds(books: Books) -> None:
    """The held money is available again, and the reservation counts no more."""
    name = await _overdue(books, 300)

    assert await books.do(_on(books, EXPIRE, name)) == ["granted"]

    standing = await books.standing()
    assert (standing.balance_micros, standing.available_micros) == (1000, 1000)
    assert standing.open_reservations == 0


async def test_expire_that_is_not_due_changes_nothing(books: Books) -> None:
    """A reservation whose time is not over, or that has no end, can't be expired."""
    for expires in (60, 0):
        name = await books.reserve(300, expires=expires)
        assert await books.do(_on(books, EXPIRE, name)) == ["not_due"]
        assert await books.do(_on(books, SETTLE, name)) == ["granted"]


async def test_expire_due_takes_the_overdue_alone_and_each_once(books: Books) -> None:
    """The sweep returns how many it expired, at most the limit, and finds nothing twice."""
    for _ in range(3):
        await _overdue(books, 100)
    running, endless = await books.reserve(100, expires=60), await books.reserve(100)

    assert [await books.teller.expire_due(2) for _ in range(3)] == [2, 1, 0]

    assert (await books.standing()).available_micros == 800
    for name in (running, endless):
        assert await books.do(_on(books, SETTLE, name, amount=100)) == ["granted"]


async def test_two_sweeps_at_once_expire_once(books: Books) -> None:
    """The expiry's id is the reservation's: whoever comes second changes nothing."""
    name = await _overdue(books, 100)
    await books.teller.expire_due(10)
    await books.database.execute("UPDATE reservations SET state = 'open', closed_at = NULL")
    assert await books.teller.expire_due(10) == 1  # the first answer again
    count = "SELECT count(*) FROM transfers WHERE kind = 'expire' AND reservation_id = $1"
    assert await books.database.fetchval(count, name) == 1
    await books.database.execute("UPDATE reservations SET state = 'expired', closed_at = now()")


async def test_a_renewal_moves_the_expiry(books: Books) -> None:
    """An extended reservation does not expire at its old time, nor one made endless at any."""
    name = await _overdue(books, 300)
    assert await books.do(_on(books, RENEW, name, amount=100, hold=300, expires=600)) == ["granted"]
    assert await _seconds_left(books, name) == 600
    assert await books.do(_on(books, EXPIRE, name)) == ["not_due"]

    assert await books.do(_on(books, RENEW, name, hold=300)) == ["granted"]
    assert await _seconds_left(books, name) is None


async def test_a_short_renewal_leaves_the_expiry(books: Books) -> None:
    """Who could not hold more has not got more time either."""
    name = await books.reserve(900, expires=60)
    renew = _on(books, RENEW, name, amount=500, hold=501, expires=600)
    assert await books.do(renew) == ["short"]
    assert await _seconds_left(books, name) == 60


async def test_settle_after_expiry_takes_what_is_available(books: Books) -> None:
    """A talk's end that comes late is posted from the account's available money, once."""
    name = await _overdue(books, 300)
    await books.teller.expire_due(10)
    settle = _on(books, SETTLE, name, amount=200)

    assert [await books.do(settle), await books.do(settle)] == [["granted"], ["granted"]]
    assert (await books.standing()).balance_micros == 800
    assert (await books.standing()).open_reservations == 0
    with pytest.raises(ReservationUnknown):
        await books.do(_on(books, SETTLE, name, amount=1))


async def test_settle_after_expiry_beyond_the_limit_is_denied(books: Books) -> None:
    """What others have taken meanwhile is gone: denied, until there is money again."""
    name = await _overdue(books, 300)
    await books.teller.expire_due(10)
    await books.reserve(900)

    late = _on(books, SETTLE, name, amount=101)
    assert await books.do(late) == ["denied"]
    top_up = request(TransferKind.TOPUP, books.source, books.payer, amount=1)
    assert await books.do(top_up) == ["granted"]
    assert await books.do(late) == ["granted"]
    assert (await books.standing()).available_micros == 0


async def test_renew_after_expiry_says_so(books: Books) -> None:
    """An expired reservation can't be renewed or expired again; the error tells it from none."""
    name = await _overdue(books, 300)
    await books.teller.expire_due(10)
    for kind in (RENEW, EXPIRE):
        with pytest.raises(ReservationExpired):
            await books.do(_on(books, kind, name))


async def test_an_overdue_reservation_holds_until_it_is_expired(books: Books) -> None:
    """Being overdue alone takes no money from a leg that still talks."""
    name = await _overdue(books, 1000)
    new = request(TransferKind.FEE, books.payer, books.payee, amount=1)
    assert await books.do(new) == ["denied"]
    assert await books.do(_on(books, SETTLE, name, amount=1000)) == ["granted"]


async def test_another_expiry_is_another_content(books: Books) -> None:
    """The same id with another number of seconds is refused."""
    name, one = uuid.uuid4(), uuid.uuid4()
    for expires in (60, 60):
        made = _on(books, TransferKind.RESERVE, name, hold=1, expires=expires)
        assert await books.do(_with_id(made, one)) == ["granted"]
    with pytest.raises(TransferMismatch):
        await books.do(_with_id(_on(books, TransferKind.RESERVE, name, hold=1, expires=61), one))


def _with_id(made: TransferRequest, request_id: uuid.UUID) -> TransferRequest:
    return TransferRequest(
        request_id,
        *(made.kind, made.from_account_id, made.to_account_id, 0, made.hold_micros),
        reservation_id=made.reservation_id,
        leg_id=made.leg_id,
        expires_seconds=made.expires_seconds,
    )
