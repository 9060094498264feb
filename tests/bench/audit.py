"""`make bench-audit`: how long `callctl audit` takes over ten million transfers, proof by proof.

Fills a database of its own below var/bench-audit with consistent books (tests/bench/audit_fill.sql)
and deletes it at the end. Exit code 1 when a proof fails: then the figures mean nothing.
"""

import argparse
import asyncio
import hashlib
import resource
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callctl import clock
from callctl.cli.auditing import Wanted, run_audit
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.migrate import migrate
from callctl.db.pool import session
from callctl.stack.run import PROJECT_DIR
from callctl.values.ids import derived_id

_FOLDER = PROJECT_DIR / "var" / "bench-audit"
_FILL = Path(__file__).with_name("audit_fill.sql")
_PORT = 25432
_ACCOUNTS = 1000
_TRANSFERS_A_CALL = 3
_REFUNDED = 100  # one call of so many
_FILL_SECONDS_MAX = 3600.0
_REFUND_ROWS = "CREATE UNLOGGED TABLE refunds (n integer PRIMARY KEY, id uuid NOT NULL)"
_SIZES = """
    SELECT
        (SELECT count(*) FROM transfers) AS transfers,
        (SELECT count(*) FROM reservations) AS reservations,
        (SELECT count(*) FROM cdr_legs) AS legs,
        pg_size_pretty(pg_database_size(current_database())) AS size
"""


def main() -> None:
    """Run it as the command line says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transfers", type=int, default=10_000_000)
    chosen = options.parse_args()
    shutil.rmtree(_FOLDER, ignore_errors=True)
    try:
        sys.exit(asyncio.run(_measure(chosen.transfers // _TRANSFERS_A_CALL)))
    finally:
        shutil.rmtree(_FOLDER, ignore_errors=True)


async def _measure(calls: int) -> int:
    _FOLDER.mkdir(parents=True)
    async with EmbeddedPostgres(_FOLDER, _PORT, durable=False) as server:
        await migrate(server.dsn)
        await _fill(server.dsn, calls)
        return 1 if await _time(server.dsn) else 0


async def _time(dsn: str) -> int:
    """Audit once and print the seconds; returns how many rows break a proof."""
    print(f"\n{'proof':16} seconds", flush=True)
    begun = clock.monotonic()
    _, found = await run_audit(dsn, Wanted(), lambda *_: None)
    for timed in found:
        note = f"   broken by {timed.proof.count}" if timed.proof.count else ""
        print(f"{timed.proof.name:16} {timed.seconds:7.1f}{note}")
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{'all':16} {clock.monotonic() - begun:7.1f}   callctl itself: {memory_mb} MB", flush=True
    )
    return sum(timed.proof.count for timed in found)


async def _fill(dsn: str, calls: int) -> None:
    begun = clock.monotonic()
    async with session(dsn, timeout_seconds=_FILL_SECONDS_MAX) as connection:
        await connection.execute("SET work_mem = '1GB'")
        await connection.execute("SET maintenance_work_mem = '1GB'")
        await connection.execute(_REFUND_ROWS)
        await connection.copy_records_to_table("refunds", records=_refunds(calls))
        for name, text in _sections():
            numbered = text.replace(":calls", str(calls)).replace(":accounts", str(_ACCOUNTS))
            await connection.execute(numbered)
            print(f"{name} written after {clock.monotonic() - begun:.0f} s", flush=True)
        sizes = await connection.fetchrow(_SIZES)
        print("; ".join(f"{name} {value}" for name, value in dict(sizes).items()), flush=True)


def _sections() -> Iterator[tuple[str, str]]:
    for part in _FILL.read_text().split("-- name: ")[1:]:
        name, _, text = part.partition("\n")
        yield name, text


def _refunds(calls: int) -> Iterator[tuple[int, Any]]:
    """The refunds' ids, as charging makes them from the reservations'."""
    for n in range(_REFUNDED, calls + 1, _REFUNDED):
        yield n, derived_id(_md5_id(f"reservation{n}"), "refund")


def _md5_id(text: str) -> uuid.UUID:
    """What PostgreSQL's md5(text)::uuid is."""
    return uuid.UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())


if __name__ == "__main__":
    main()
