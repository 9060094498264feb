"""Books in which everything that an audit proves is there once: the seed of the views, and more."""

import uuid
from pathlib import Path
from typing import Any

from callctl.db.pool import Database
from callctl.ledger import Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from callctl.values.ids import derived_id
from tests.db.ledger_desk import open_account, request

SEED = Path(__file__).with_name("views_seed.sql")
CALL = uuid.UUID("00000000-0000-0000-0000-0000000000c1")  # the seed's ended call
TENANT_LEG = uuid.UUID("00000000-0000-0000-0000-0000000000b1")  # ... and its charged leg
BANDED_LEG = uuid.UUID("00000000-0000-0000-0000-0000000000b9")  # ... its line's leg, charged here
_EVENING = {
    "name": "evening",
    "days": [],
    "from_minute": 20 * 60,
    "to_minute": 24 * 60,
    "price_per_minute_micros": 60_000,
}


async def write_books(database: Database) -> None:
    """The seed; a reseller's charge; a line's leg with bands and a refund; a limit; a fee."""
    await database.execute(SEED.read_text())
    teller = Teller(database)
    await teller.start()
    try:
        await _charge_reseller(database, teller)
        await _charge_line(database, teller)
        await _use_limit(database, teller)
        poor = await open_account(database, "tenant:poor", credit_limit_micros=1_000_000)
        fee = request(TransferKind.FEE, poor, await account_id(database, "revenue:CNY"), amount=500)
        await teller.submit([fee], Urgency.RESERVE)
    finally:
        await teller.stop()


async def account_id(database: Database, name: str) -> int:
    found: int = await database.fetchval("SELECT id FROM accounts WHERE name = $1", name)
    return found


async def _charge_reseller(database: Database, teller: Teller) -> None:
    """The seed's leg costs a reseller, who may go into debt, half of what it costs the tenant."""
    reseller = await open_account(database, "reseller:east", "reseller", 1_000_000)
    revenue = await account_id(database, "revenue:CNY")
    reservation = derived_id(TENANT_LEG, "reservation reseller:east")
    await _post(teller, reseller, revenue, reservation, TENANT_LEG, [50_000])
    rate_id = await _add_rate(database, "wholesale", 50_000, [])
    await database.execute(
        "INSERT INTO cdr_charges SELECT leg_id, 'reseller:east', 'wholesale', 1, $1, timezone,"
        " charged_from, charged_ms, 60, 50000, $2 FROM cdr_legs WHERE leg_id = $3",
        rate_id,
        reservation,
        TENANT_LEG,
    )


async def _charge_line(database: Database, teller: Teller) -> None:
    """The line's leg talks half a minute before eight and a minute after; 0.05 was refunded."""
    tenant, revenue = [await account_id(database, n) for n in ("tenant:acme", "revenue:CNY")]
    reservation = derived_id(BANDED_LEG, "reservation tenant:acme")
    await _post(teller, tenant, revenue, reservation, BANDED_LEG, [100_000, 60_000], refund=50_000)
    await database.execute(
        "UPDATE cdr_legs SET account = 'tenant:acme', tariff = 'lines', tariff_version = 1,"
        " rate_id = $1, timezone = 'Asia/Shanghai', charged_from = '2026-10-01 11:59:30+00',"
        " charged_ms = 89500, billed_seconds = 90, cost_micros = 110000, reservation_id = $2"
        " WHERE leg_id = $3",
        await _add_rate(database, "lines", 100_000, [_EVENING], increment=6),
        reservation,
        BANDED_LEG,
    )
    await database.execute("UPDATE cdrs SET cost_micros = 210000 WHERE call_id = $1", CALL)


async def _use_limit(database: Database, teller: Teller) -> None:
    """The leg counts against a limit of a day, which no charge of a CDR names."""
    limit = await open_account(
        database, "limit:tenant:acme:cost_per_day:2026-10-01", "limit", 10**9
    )
    usage = await open_account(database, "usage:CNY", "usage")
    reservation = derived_id(TENANT_LEG, "reservation limit")
    await _post(teller, limit, usage, reservation, TENANT_LEG, [100_000])


async def _post(
    teller: Teller,
    payer: int,
    payee: int,
    reservation: uuid.UUID,
    leg: uuid.UUID,
    amounts: list[int],
    *,
    refund: int = 0,
) -> None:
    """Reserve, renew and settle as charging does."""

    def step(name: str, kind: TransferKind, amount: int = 0, hold: int = 0) -> TransferRequest:
        return TransferRequest(
            id=derived_id(reservation, name),
            kind=kind,
            from_account_id=payer,
            to_account_id=payee,
            amount_micros=amount,
            hold_micros=hold,
            reservation_id=reservation,
            leg_id=leg,
        )

    hold = sum(amounts)
    await teller.submit([step("reserve", TransferKind.RESERVE, 0, hold)], Urgency.RESERVE)
    for number, amount in enumerate(amounts[:-1]):
        hold -= amount
        renewal = step(f"renew {number}", TransferKind.RENEW, amount, hold)
        await teller.submit([renewal], Urgency.RENEW)
    last = [step("settle", TransferKind.SETTLE, amounts[-1])]
    if refund:
        refund_id = derived_id(reservation, "refund")
        last.append(request(TransferKind.REFUND, payee, payer, amount=refund, request_id=refund_id))
    await teller.submit(last, Urgency.SETTLE)


async def _add_rate(
    database: Database, tariff: str, price_micros: int, bands: list[Any], *, increment: int = 60
) -> int:
    rate_id: int = await database.fetchval(
        "WITH t AS (INSERT INTO tariffs (name, currency) VALUES ($1, 'CNY') RETURNING id),"
        " v AS (INSERT INTO tariff_versions (tariff_id, version, rate_count)"
        " SELECT id, 1, 1 FROM t RETURNING id)"
        " INSERT INTO rates (tariff_version_id, prefix, area, connect_fee_micros,"
        " price_per_minute_micros, minimum_seconds, first_increment_seconds,"
        " next_increment_seconds, round_to_micros, free_seconds, first_step_seconds,"
        " first_step_price_micros, bands)"
        " SELECT id, '', '', 0, $2::bigint, 0, $3::integer, $3::integer, 100, 0, 0, 0, $4::jsonb"
        " FROM v RETURNING id",
        tariff,
        price_micros,
        increment,
        bands,
    )
    return rate_id
