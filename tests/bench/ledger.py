"""`make bench-ledger`: durable ledger operations a second, beside one commit for each debit.

A leg is reserve, renew (post and extend), settle (post and void): three operations. Legs are kept
in flight through callctl's own teller on the embedded PostgreSQL with fsync on, all on one account
(hot) or over 10,000 (spread). Exits 1 when the books do not agree afterwards.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from callctl import log
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.migrate import migrate
from callctl.db.pool import Database, connect
from callctl.errors import CallctlError
from callctl.ledger import Teller
from tests.bench import report
from tests.bench.ledger_load import (
    NAIVE_CONNECTIONS_MAX,
    Figures,
    Leg,
    measure,
    open_accounts,
    through_naive_loop,
    through_teller,
)
from tests.bench.meter import CpuMeter
from tests.db.ledger_desk import unbalanced
from tests.plugins.database import free_port

_ROOT = Path(__file__).resolve().parents[2]
FIGURES = _ROOT / ".bench" / "ledger.json"
_FOLDER = _ROOT / "var" / "bench-ledger"

_ACCOUNTS = 10_000
_LEGS = (1, 16, 256)
_TELLER, _NAIVE = "teller", "naive"
_PLACES = ("hot", "spread")
_WAL_FILES = 40
_CHECK_SECONDS_MAX = 300  # millions of transfers
_QUIET_SHARE_MAX = 0.10

Found = dict[tuple[str, str, int], list[Figures]]


def main() -> int:
    """Run it; 0 when the books agree with themselves, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each load in each round")
    arguments = parser.parse_args()
    log.configure("warning")
    console = Console(highlight=False)
    work = _run(console, arguments.rounds, arguments.seconds)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)  # as the switch runs
    except CallctlError as error:
        console.print(f"[red]{error}")
        return 1


async def _run(console: Console, rounds: int, seconds: float) -> int:
    server = EmbeddedPostgres(_FOLDER, free_port())
    await server.start(fresh=True)
    try:
        await migrate(server.dsn)
        database = await connect(server.dsn, size=6, timeout_seconds=5)
        naive = await connect(server.dsn, size=NAIVE_CONNECTIONS_MAX, timeout_seconds=30)
        meter = CpuMeter({"postgresql": server.process_id, "python": os.getpid()})
        machine = report.machine({"postgresql": await database.fetchval("SHOW server_version")})
        found: Found = {}
        async for key, figures in _measured(database, naive, meter, rounds, seconds):
            found.setdefault(key, []).append(figures)
            _show_one(console, key, figures)
        await database.close()
        database = await connect(server.dsn, size=1, timeout_seconds=_CHECK_SECONDS_MAX)
        faults = await unbalanced(database)
        await naive.close()
        await database.close()
    finally:
        await server.stop()
    content = _as_json(found, machine, seconds)
    report.write(FIGURES, content)
    _show(console, content)
    for fault in faults:
        console.print(f"[red]wrong: {fault}", soft_wrap=True)
    console.print(f"all figures: {FIGURES}", soft_wrap=True)
    return 1 if faults else 0


async def _measured(
    database: Database, naive: Database, meter: CpuMeter, rounds: int, seconds: float
) -> AsyncIterator[tuple[tuple[str, str, int], Figures]]:
    """Each load in turn, round after round: a bad minute of the machine falls on all of them."""
    accounts = await open_accounts(database, _ACCOUNTS)
    await database.execute("ANALYZE")
    await _age_wal(database)
    teller = Teller(database, may_linger=False)
    await teller.start()
    sides: dict[str, Leg] = {
        _TELLER: through_teller(teller, accounts.payee),
        _NAIVE: through_naive_loop(naive),
    }
    for _ in range(rounds):
        for place in _PLACES:
            payers = accounts.payers[:1] if place == "hot" else accounts.payers
            for legs in _LEGS:
                for side, leg in sides.items():
                    yield (side, place, legs), await measure(leg, payers, legs, seconds, meter)
    await teller.stop()


async def _age_wal(database: Database) -> None:
    """Have PostgreSQL own WAL files that it can use again, as after its first hours of work."""
    for _ in range(_WAL_FILES):
        await database.execute("SELECT pg_logical_emit_message(false, 'bench', 'x')")
        await database.execute("SELECT pg_switch_wal()")
    await database.execute("CHECKPOINT")


def _best(figures: Iterable[Figures]) -> Figures:
    return max(figures, key=lambda one: one.operations_per_second)


def _as_json(found: Found, machine: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The content of .bench/ledger.json: the best round of each load, and all of them."""

    def table(side: str) -> dict[str, Any]:
        return {
            place: {str(legs): _plain(_best(found[side, place, legs])) for legs in _LEGS}
            for place in _PLACES
        }

    teller, naive = table(_TELLER), table(_NAIVE)
    return {
        **teller,
        "naive": naive,
        "ratios": {
            place: {
                legs: {
                    name: round(teller[place][legs][name] / naive[place][legs][name], 2)
                    for name in ("operations_per_second", "p50_ms", "p99_ms")
                }
                for legs in teller[place]
            }
            for place in _PLACES
        },
        "rounds": {
            f"{side} {place} {legs}": [_plain(one) for one in figures]
            for (side, place, legs), figures in found.items()
        },
        "seconds": seconds,
        "machine": machine,
    }


def _plain(figures: Figures) -> dict[str, Any]:
    return {
        "operations_per_second": round(figures.operations_per_second),
        "p50_ms": round(figures.p50_ms, 3),
        "p99_ms": round(figures.p99_ms, 3),
        "others_share": round(figures.others_share, 3),
        "was_quiet": figures.others_share <= _QUIET_SHARE_MAX,
    }


def _show_one(console: Console, key: tuple[str, str, int], figures: Figures) -> None:
    side, place, legs = key
    console.print(
        f"{side:6} {place:6} {legs:4} legs {figures.operations_per_second:8,.0f}/s"
        f"  p50 {figures.p50_ms:7.2f} ms  p99 {figures.p99_ms:7.2f} ms"
        f"  others {figures.others_share:4.0%}",
        style="dim",
        soft_wrap=True,
    )


def _show(console: Console, content: dict[str, Any]) -> None:
    """The table for people."""
    table = Table(title="durable ledger operations, best round", title_justify="left")
    for heading in ("", "legs"):
        table.add_column(heading)
    for heading in ("teller/s", "p50 ms", "p99 ms", "naive/s", "p50 ms", "p99 ms", "ratio"):
        table.add_column(heading, justify="right")
    for place in _PLACES:
        for legs, ours in content[place].items():
            theirs = content["naive"][place][legs]
            ratio = content["ratios"][place][legs]["operations_per_second"]
            cells = [
                cell
                for one in (ours, theirs)
                for cell in (
                    f"{one['operations_per_second']:,}",
                    f"{one['p50_ms']:.2f}",
                    f"{one['p99_ms']:.2f}",
                )
            ]
            table.add_row(place, legs, *cells, f"{ratio:.1f}")
        table.add_section()
    console.print(table)
    if not all(one["was_quiet"] for place in _PLACES for one in content[place].values()):
        console.print("[yellow]other programs took much of the processors: run it again")


if __name__ == "__main__":
    sys.exit(main())
