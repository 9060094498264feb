"""Whoever was replaced as the owner of an Asterisk learns it, and writes nothing any more."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from callctl import clock
from callctl.cdr import Journal, LiveCall
from callctl.db import lease as lease_module
from callctl.db.lease import Lease, Owner, holder_of, is_dead
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import DatabaseUnavailable, Superseded
from callctl.ledger import Teller, TransferKind
from callctl.ledger.requests import Urgency
from tests.db.ledger_desk import Books, opened_books, request, until_one_waits_for_a_lock
from tests.unit.cdr_samples import refused_cdr

ASTERISK = "pbx-1"
_ELSEWHERE = "elsewhere 00000000-0000-0000-0000-000000000000 4026531836 1 1"


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    """Accounts with money."""
    async with opened_books(database) as made:
        yield made


async def _taken(database: Database) -> Owner:
    return await Lease(database, ASTERISK).acquire(on_wait=lambda: None)


async def _over(database: Database) -> None:
    """Another one may take it: its owner was frozen for too long, or cut off."""
    await database.execute("UPDATE switch_leases SET holder = ''")


async def test_who_was_replaced_moves_no_money(database: Database, books: Books) -> None:
    """What he had asked before stands; whatever he asks later is refused, the account as it was."""
    stale = await _taken(database)
    teller = Teller(database, owner=stale)
    await teller.start()
    hold = request(TransferKind.RESERVE, books.payer, books.payee, hold=7, reservation=uuid.uuid4())
    await teller.submit([hold], Urgency.RESERVE)
    await _over(database)
    owner = await _taken(database)
    assert owner.epoch > stale.epoch

    settle = request(
        *(TransferKind.SETTLE, books.payer, books.payee),
        amount=7,
        reservation=hold.reservation_id,
    )
    for step in ([settle], [hold]):  # not even what was done already
        with pytest.raises(Superseded):
            await teller.submit(step, Urgency.SETTLE)
    await teller.stop()
    assert (await books.standing()).available_micros == 993

    later = Teller(database, owner=owner)
    await later.start()
    await later.submit([settle], Urgency.SETTLE)
    await later.stop()
    assert (await books.standing()).balance_micros == 993


async def test_who_was_replaced_writes_no_call(database: Database) -> None:
    """The rows of calls are the new owner's."""
    stale = await _taken(database)
    await _over(database)
    owner = await _taken(database)
    for whose, is_written in ((stale, False), (owner, True)):
        journal, call = Journal(database, owner=whose), _live_call()
        await journal.start()
        if is_written:
            await journal.keep(call)
        else:
            with pytest.raises(Superseded):
                await journal.keep(call)
        await journal.stop()
        rows = await database.fetch("SELECT asterisk FROM live_calls")
        assert [row["asterisk"] for row in rows] == [ASTERISK] * is_written


async def test_a_write_under_way_is_before_the_new_owner(database: Database) -> None:
    """Who takes over has the lease only once the earlier owner's last write is done."""
    stale = await _taken(database)
    async with database.transaction() as writing:
        await writing.execute("SELECT callctl_check_epoch_v1($1, $2)", ASTERISK, stale.epoch)
        await _over(database)
        taking = asyncio.create_task(_taken(database))
        await until_one_waits_for_a_lock(database)
        assert not taking.done()
    assert (await taking).epoch > stale.epoch


async def test_a_row_that_is_late_brings_no_call_back_to_life(database: Database) -> None:
    """PostgreSQL may do what was sent before the CDR after it: an earlier try that hung."""
    journal, cdr = Journal(database), refused_cdr()
    await journal.start()
    await journal.write(cdr)
    await journal.keep(replace(_live_call(), call_id=cdr.call_id))
    await journal.stop()
    assert await database.fetch("SELECT call_id FROM live_calls") == []


def test_dead_is_who_is_known_to_be() -> None:
    """Not this process, not one of another machine; yes another one that has its number now."""
    mine = holder_of(os.getpid())
    assert not is_dead(mine)
    assert not is_dead(_ELSEWHERE)
    before, _, _ = mine.rpartition(" ")
    assert is_dead(f"{before} 1")


async def test_who_is_replaced_learns_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next renewal says so, and takes nothing from the new owner."""
    owner, lease = await _taken(database), Lease(database, ASTERISK)
    monkeypatch.setattr(lease_module, "_RENEW_SECONDS", 0.2)
    keeping = asyncio.create_task(lease.keep(owner))
    async with asyncio.timeout(5):
        while not lease.is_answered():
            await clock.sleep(0.01)
        await _over(database)
        assert (await _taken(database)).epoch == owner.epoch + 1
        await asyncio.wait([keeping])
    assert isinstance(keeping.exception(), Superseded)


async def test_an_owner_without_database_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It renews when PostgreSQL is back; it knows that it is away, and a stop of its own is not.

    Away is what has not answered the latest question, nor any for two seconds and a half.
    """
    asked, answers = asyncio.Event(), [DatabaseUnavailable("away"), TimeoutError(), None]
    owner, lease = await _taken(database), Lease(database, ASTERISK)
    renew = queries.renew_lease

    async def renewing(*args: object, **named: object) -> object:
        if answers and (error := answers.pop(0)) is not None:
            raise error
        asked.set()
        return await renew(*args, **named)

    monkeypatch.setattr(queries, "renew_lease", renewing)
    monkeypatch.setattr(lease_module, "_RENEW_SECONDS", 0.05)
    assert not lease.is_answered()
    keeping = asyncio.create_task(lease.keep(owner))
    async with asyncio.timeout(5):
        await asked.wait()
        while not lease.is_answered():
            await clock.sleep(0.01)
        real = clock.monotonic
        monkeypatch.setattr(clock, "monotonic", lambda: real() + 2.6)
        assert lease.is_answered()
        monkeypatch.setattr(clock, "monotonic", real)
        answers += [DatabaseUnavailable("away again")] * 1000
        while len(answers) > 998:
            await clock.sleep(0.01)
    assert lease.is_answered()
    monkeypatch.setattr(clock, "monotonic", lambda: real() + 2.6)
    assert not lease.is_answered()
    keeping.cancel()


def _live_call() -> LiveCall:
    return LiveCall(
        call_id=uuid.uuid4(),
        did="4001234567",
        tenant="acme",
        account_id=1,
        caller="",
        area="",
        stage="ringing",
        setup_at=clock.now(),
        answered_at=None,
        line=None,
        a_channel_id="1.1",
        b_channel_id=None,
        revision_id=1,
        charges=[],
        counts=[],
        reservations=[],
        direction="inbound",
        group_name=None,
        begun_at=None,
        memory={},
    )
