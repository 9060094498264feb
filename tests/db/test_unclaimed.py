"""Two Asterisks on one database: what a crash left held is given back by its own switch alone."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from callctl.cdr import Journal, LiveCall
from callctl.charging.abandoned import release_unclaimed
from callctl.db.lease import Lease, Owner
from callctl.db.pool import Database
from callctl.exchange import read_abandoned
from callctl.ledger import Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from tests.db.ledger_desk import Books, opened_books, request

ONE, OTHER = "pbx-1", "pbx-2"


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    """Books with 1000 micro-units on the payer's account."""
    async with opened_books(database) as opened:
        yield opened


async def _owner(database: Database, asterisk: str) -> Owner:
    return await Lease(database, asterisk).acquire(on_wait=lambda: None)


@asynccontextmanager
async def _teller(database: Database, owner: Owner) -> AsyncIterator[Teller]:
    teller = Teller(database, owner=owner)
    await teller.start()
    yield teller
    await teller.stop()


def _reserve(books: Books) -> TransferRequest:
    return request(
        TransferKind.RESERVE, books.payer, books.payee, hold=100, reservation=uuid.uuid4()
    )


async def _reserved(books: Books, asterisk: str) -> uuid.UUID:
    """Money that a switch of this Asterisk holds, and then it is killed."""
    owner = await _owner(books.database, asterisk)
    one = _reserve(books)
    async with _teller(books.database, owner) as teller:
        await teller.submit([one], Urgency.RESERVE)
    await Lease(books.database, asterisk).release(owner)
    assert one.reservation_id is not None
    return one.reservation_id


async def _open(database: Database) -> set[uuid.UUID]:
    return {
        row["id"]
        for row in await database.fetch("SELECT id FROM reservations WHERE state = 'open'")
    }


async def _restart(database: Database, asterisk: str) -> None:
    owner = await _owner(database, asterisk)
    async with _teller(database, owner) as teller:
        rows = (await read_abandoned(database, asterisk)).reservations
        await release_unclaimed(teller, rows)


async def test_a_restart_gives_back_its_own_at_once(books: Books) -> None:
    """However young it is; the other's stays, however old it is, for the other's restart."""
    database = books.database
    own, other = await _reserved(books, ONE), await _reserved(books, OTHER)
    await database.execute(
        "UPDATE reservations SET opened_at = opened_at - interval '1 hour' WHERE id = $1", other
    )
    await _restart(database, ONE)
    assert await _open(database) == {other}
    await _restart(database, OTHER)
    assert await _open(database) == set()
    assert (await books.standing()).available_micros == 1000
    assert own != other


async def test_one_that_tells_no_asterisk_is_anybodys_after_a_while(books: Books) -> None:
    """An earlier callctl made it: a call of the other's may be on its way to its row."""
    old = await books.reserve(100)
    young = await books.reserve(100)
    await books.database.execute(
        "UPDATE reservations SET opened_at = opened_at - interval '31 s' WHERE id = $1", old
    )
    await _restart(books.database, ONE)
    assert await _open(books.database) == {young}


async def test_one_with_a_row_is_its_calls(books: Books) -> None:
    """It goes with the call, adopted or ended, not by itself."""
    kept = await _reserved(books, ONE)
    journal = Journal(books.database, owner=await _owner(books.database, ONE))
    await journal.start()
    await journal.keep(_live(books, kept))
    await journal.stop()
    assert (await read_abandoned(books.database, ONE)).reservations == []


def _live(books: Books, reservation: uuid.UUID) -> LiveCall:
    return LiveCall(
        call_id=uuid.uuid4(),
        did="4005550001",
        tenant="t",
        account_id=books.payer,
        caller="+861062001234",
        area="",
        stage="ringing",
        setup_at=datetime(2026, 11, 25, tzinfo=UTC),
        answered_at=None,
        line=None,
        a_channel_id="1795613991.0",
        b_channel_id=None,
        revision_id=1,
        charges=[],
        counts=[],
        reservations=[reservation],
        direction="inbound",
        group_name=None,
        begun_at=None,
        memory={},
    )
