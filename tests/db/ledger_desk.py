"""Accounts and requests for ledger tests, by short names."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from callctl import clock
from callctl.db.pool import Database
from callctl.ledger import Answer, Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency


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

    async def standing(self, account_id: int | None = None) -> Answer:
        return await self.teller.standing(account_id or self.payer)

    async def reserve(self, hold: int, *, expires: int = 0) -> uuid.UUID:
        """A new granted reservation of the payer's."""
        name = uuid.uuid4()
        one = request(
            TransferKind.RESERVE,
            self.payer,
            self.payee,
            hold=hold,
            reservation=name,
            expires=expires,
        )
        assert await self.do(one) == ["granted"]
        return name


@asynccontextmanager
async def opened_books(database: Database) -> AsyncIterator[Books]:
    """Books with 1000 micro-units on the payer's account; compared with themselves at the end."""
    teller = Teller(database)
    await teller.start()
    payer = await open_account(database, "tenant:t")
    payee = await open_account(database, "revenue:CNY", "revenue")
    source = await open_account(database, "clearing:CNY", "clearing")
    books = Books(database, teller, payer, payee, source)
    await books.do(request(TransferKind.TOPUP, source, payer, amount=1000))
    yield books
    await teller.stop()
    assert await unbalanced(database) == []


async def open_account(
    database: Database, name: str, kind: str = "prepaid", credit_limit_micros: int = 0
) -> int:
    """A new account in CNY; its id."""
    account_id: int = await database.fetchval(
        "INSERT INTO accounts (name, kind, currency, credit_limit_micros)"
        " VALUES ($1, $2, 'CNY', $3) RETURNING id",
        name,
        kind,
        credit_limit_micros,
    )
    return account_id


def request(
    kind: TransferKind,
    payer: int,
    payee: int,
    *,
    amount: int = 0,
    hold: int = 0,
    reservation: uuid.UUID | None = None,
    request_id: uuid.UUID | None = None,
    expires: int = 0,
) -> TransferRequest:
    """One request with a fresh id unless one is given."""
    return TransferRequest(
        id=request_id or uuid.uuid4(),
        kind=kind,
        from_account_id=payer,
        to_account_id=payee,
        amount_micros=amount,
        hold_micros=hold,
        reservation_id=reservation,
        leg_id=reservation,
        expires_seconds=expires,
    )


async def unbalanced(database: Database) -> list[str]:
    """Every way in which the caches differ from the append-only rows; empty when all is well."""
    rows = await database.fetch(
        """
        SELECT format('%s: balance %s, transfers say %s', a.name, a.balance_micros, e.total)
        FROM accounts AS a
        LEFT JOIN (
            SELECT account_id, sum(amount_micros) AS total FROM entries GROUP BY account_id
        ) AS e ON e.account_id = a.id
        WHERE a.balance_micros <> coalesce(e.total, 0)
        UNION ALL
        SELECT format('%s: held %s, reservations say %s', a.name, a.held_micros, r.total)
        FROM accounts AS a
        LEFT JOIN (
            SELECT account_id, sum(held_micros) AS total, count(*) AS n FROM reservations
            WHERE state = 'open' GROUP BY account_id
        ) AS r ON r.account_id = a.id
        WHERE a.held_micros <> coalesce(r.total, 0) OR a.open_reservations <> coalesce(r.n, 0)
        UNION ALL
        SELECT format('%s: held %s, transfers say %s', r.id, r.held_micros, t.total)
        FROM reservations AS r
        LEFT JOIN (
            SELECT reservation_id, sum(hold_change_micros) AS total, sum(amount_micros) AS posted
            FROM transfers
            WHERE kind IN ('reserve', 'renew', 'settle', 'expire') GROUP BY reservation_id
        ) AS t ON t.reservation_id = r.id
        WHERE (r.held_micros, r.posted_micros) IS DISTINCT FROM (t.total, t.posted)
        UNION ALL
        SELECT format('%s: open %s, transfers say %s', a.name, a.open_reservations, t.total)
        FROM accounts AS a
        LEFT JOIN (
            SELECT from_account_id, sum(open_change) AS total FROM transfers
            GROUP BY from_account_id
        ) AS t ON t.from_account_id = a.id
        WHERE a.open_reservations <> coalesce(t.total, 0)
        UNION ALL
        SELECT format('%s: transfer %s at %s after %s', t.account_id, t.id, t.created_at, t.before)
        FROM (
            SELECT x.account_id, t.id, t.created_at,
                lag(t.created_at) OVER (PARTITION BY x.account_id ORDER BY t.position) AS before
            FROM transfers AS t
            CROSS JOIN LATERAL (VALUES (t.from_account_id), (t.to_account_id)) AS x (account_id)
        ) AS t
        WHERE t.created_at < t.before
        """
    )
    return [row[0] for row in rows]


async def become_overdue(database: Database, reservation: uuid.UUID) -> None:
    """Let the reservation's time be over, if it has one."""
    await database.execute(
        "UPDATE reservations SET expires_at = clock_timestamp() - interval '1 second'"
        " WHERE id = $1 AND expires_at IS NOT NULL",
        reservation,
    )


async def until_one_waits_for_a_lock(database: Database) -> None:
    """Return once a statement of this database waits for a row that somebody else has locked."""
    until = clock.monotonic() + 5
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while not await database.fetchval(waiting):
        assert clock.monotonic() < until
        await clock.sleep(0.002)
