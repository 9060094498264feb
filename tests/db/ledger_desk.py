"""Accounts and requests for ledger tests, by short names."""

import uuid

from callctl.db.pool import Database
from callctl.ledger import TransferKind, TransferRequest


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
    )


async def unbalanced(database: Database) -> list[str]:
    """Every way in which the caches differ from the append-only rows; empty when all is well."""
    rows = await database.fetch(
        """
        SELECT format('%s: balance %s, transfers say %s', a.name, a.balance_micros, e.total)
        FROM accounts AS a
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount_micros), 0) AS total FROM entries WHERE account_id = a.id
        ) AS e
        WHERE a.balance_micros <> e.total
        UNION ALL
        SELECT format('%s: held %s, reservations say %s', a.name, a.held_micros, r.total)
        FROM accounts AS a
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(held_micros), 0) AS total, count(*) AS n FROM reservations
            WHERE account_id = a.id AND closed_at IS NULL
        ) AS r
        WHERE a.held_micros <> r.total OR a.open_reservations <> r.n
        UNION ALL
        SELECT format('%s: held %s, transfers say %s', r.id, r.held_micros, t.total)
        FROM reservations AS r
        CROSS JOIN LATERAL (
            SELECT sum(hold_change_micros) AS total, sum(amount_micros) AS posted
            FROM transfers WHERE reservation_id = r.id
        ) AS t
        WHERE r.held_micros <> t.total OR r.posted_micros <> t.posted
        """
    )
    return [row[0] for row in rows]
