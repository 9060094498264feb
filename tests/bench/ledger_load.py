"""Legs that reserve, renew and settle as fast as they are answered; used by tests.bench.ledger.

Two sides: callctl's teller, and the loop that a first version would have, one statement and one
commit for each debit.
"""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import ceil

from callctl import clock
from callctl.db.pool import Database
from callctl.ledger import Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from tests.bench.meter import CpuMeter

NAIVE_CONNECTIONS_MAX = 16
_HOLD, _USED = 300_000, 100_000
_WARM_UP_SECONDS = 0.5

# A conditional debit and its row, in one statement: never overdrawn, and idempotent.
_NAIVE = """
    WITH debited AS (
        UPDATE naive_accounts SET balance = balance - $3
        WHERE id = $2 AND balance >= $3
        RETURNING id, balance
    )
    INSERT INTO naive_transfers (id, account_id, amount, balance)
    SELECT $1, id, $3, balance FROM debited
"""

Leg = Callable[[int, list[float]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one load gave; `others_share` is what other programs took of all processors."""

    operations_per_second: float
    p50_ms: float
    p99_ms: float
    others_share: float


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who pays: one account, or many; each with more money than any run takes."""

    payers: Sequence[int]
    payee: int


async def open_accounts(database: Database, count: int) -> Accounts:
    """`count` paying accounts for both sides, and the one that is paid."""
    rows = await database.fetch(
        "INSERT INTO accounts (name, kind, currency, credit_limit_micros)"
        " SELECT 'tenant:' || n, 'prepaid', 'CNY', 10 ^ 15 FROM generate_series(1, $1) AS n"
        " RETURNING id",
        count,
    )
    payee = await database.fetchval(
        "INSERT INTO accounts (name, kind, currency) VALUES ('revenue:CNY', 'revenue', 'CNY')"
        " RETURNING id"
    )
    await database.execute(
        "CREATE TABLE naive_accounts (id bigint PRIMARY KEY, balance bigint NOT NULL)"
        " WITH (fillfactor = 50)"
    )
    await database.execute("INSERT INTO naive_accounts SELECT id, 10 ^ 15 FROM accounts")
    await database.execute(
        "CREATE TABLE naive_transfers (id uuid PRIMARY KEY, account_id bigint NOT NULL,"
        " amount bigint NOT NULL, balance bigint NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT now())"
    )
    return Accounts([row[0] for row in rows], payee)


def through_teller(teller: Teller, payee: int) -> Leg:
    """Legs that send each request to the teller: reserve; post and extend; post and void."""

    async def ask(one: TransferRequest, urgency: Urgency, seen: list[float]) -> None:
        began = clock.monotonic()
        [answer] = await teller.submit((one,), urgency)
        seen.append(clock.monotonic() - began)
        assert answer.outcome == "granted"

    async def leg(payer: int, seen: list[float]) -> None:
        name = uuid.uuid4()

        def request(kind: TransferKind, amount: int, hold: int, expires: int) -> TransferRequest:
            return TransferRequest(
                *(uuid.uuid4(), kind, payer, payee, amount, hold, name, name, "", expires)
            )

        await ask(request(TransferKind.RESERVE, 0, _HOLD, 300), Urgency.RESERVE, seen)
        await ask(request(TransferKind.RENEW, _USED, _HOLD, 300), Urgency.RENEW, seen)
        await ask(request(TransferKind.SETTLE, _USED, 0, 0), Urgency.SETTLE, seen)

    return leg


def through_naive_loop(database: Database) -> Leg:
    """Legs that debit three times, each by a statement and a commit of its own."""

    async def leg(payer: int, seen: list[float]) -> None:
        for _ in range(3):
            began = clock.monotonic()
            tag = await database.execute(_NAIVE, uuid.uuid4(), payer, _USED)
            seen.append(clock.monotonic() - began)
            assert tag == "INSERT 0 1"

    return leg


async def measure(
    leg: Leg, payers: Sequence[int], legs: int, seconds: float, meter: CpuMeter
) -> Figures:
    """Keep `legs` in flight for `seconds`, after a warm-up that does not count."""
    chance = random.Random(legs)
    await _load(leg, payers, legs, _WARM_UP_SECONDS, chance)
    before, began = meter.read(), clock.monotonic()
    seen = sorted(await _load(leg, payers, legs, seconds, chance))
    elapsed, used = clock.monotonic() - began, meter.read().since(before)
    others = max(0.0, used.machine - sum(used.parts.values())) / elapsed / meter.processors
    return Figures(
        operations_per_second=len(seen) / elapsed,
        p50_ms=_percentile(seen, 0.50) * 1000,
        p99_ms=_percentile(seen, 0.99) * 1000,
        others_share=others,
    )


async def _load(
    leg: Leg, payers: Sequence[int], legs: int, seconds: float, chance: random.Random
) -> list[float]:
    seen: list[float] = []
    shares = [chance.sample(payers, min(len(payers), 500)) for _ in range(legs)]
    until = clock.monotonic() + seconds

    async def caller(mine: Sequence[int]) -> None:
        for payer in cycle(mine):
            if clock.monotonic() >= until:
                return
            await leg(payer, seen)

    await asyncio.gather(*(caller(share) for share in shares))
    return seen


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered), ceil(len(ordered) * share)) - 1]
