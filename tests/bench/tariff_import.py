"""`python -m tests.bench.tariff_import`: seconds to import and to load a tariff of 100,000 rates.

Into a PostgreSQL that writes to disk, by the command that people type, its start included. Exits 1
when an import takes longer than it may.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from callctl import clock, log
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.migrate import migrate
from callctl.db.pool import Database, connect
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from callctl.directory.store import DirectoryWatch
from tests.plugins.database import free_port

SECONDS_MAX = 5.0
_NAME = "wholesale"
_BANDS = "night=all 21:00-07:00 0.15; feast=sat-sun,holiday 00:00-24:00 0.10"
_EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "example-tenant.yaml"
_DID = """\
  - name: wholesaler
    account: {}
    lines: [{name: desk, number: "01062000099"}]
    dids: [{number: "4001110000", tariff: wholesale, lines: [desk]}]
"""


def main() -> int:
    """Run it; 0 when the import was quick enough."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tariff_import")
    parser.add_argument("--rates", type=int, default=100_000)
    rates = parser.parse_args().rates
    log.configure("warning")
    with tempfile.TemporaryDirectory(prefix="callctl-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the server's user must reach its own folder below
        first = asyncio.run(_run(Console(highlight=False), folder, rates))
    return 0 if first <= SECONDS_MAX else 1


async def _run(console: Console, folder: Path, rates: int) -> float:
    """Seconds of the first import, with a server of its own."""
    async with EmbeddedPostgres(folder / "pg", free_port()) as server:
        await migrate(server.dsn)
        database = await connect(server.dsn, size=2, timeout_seconds=5)
        try:
            return await _measure(console, database, server.dsn, folder, rates)
        finally:
            await database.close()


async def _measure(
    console: Console, database: Database, dsn: str, folder: Path, rates: int
) -> float:
    """Print each step's seconds; return those of the first import."""
    await apply(database, read_document(_EXAMPLE.read_bytes() + b"\n" + _CALENDAR))
    file, changed = folder / "rates.csv", folder / "changed.csv"
    file.write_text(csv_text(rates), encoding="utf-8")
    changed.write_text(csv_text(rates).replace("0.2000", "0.2001", 1), encoding="utf-8")

    def show(what: str, seconds: float) -> None:
        console.print(f"{what:<34}{seconds:6.2f} s")

    first = await _import(dsn, file)
    show(f"import of {rates} rates", first)
    show("the same again, nothing to change", await _import(dsn, file))
    show("one rate changed, a new version", await _import(dsn, changed))
    _, example = _EXAMPLE.read_bytes().split(b"tenants:\n")
    await apply(database, read_document(b"tenants:\n" + example + b"\n" + _DID.encode()))
    watch = DirectoryWatch(database, dsn)
    show("loaded by a switch", await _reload(watch))
    quiet = example.replace(b"ring_seconds: 4", b"ring_seconds: 5")
    await apply(database, read_document(b"tenants:\n" + quiet))
    show("loaded again after another change", await _reload(watch))
    return first


async def _import(dsn: str, file: Path) -> float:
    """Seconds of the command."""
    command = (sys.executable, "-m", "callctl", "tariff", "import", _NAME, str(file))
    started = clock.monotonic()
    process = await asyncio.create_subprocess_exec(
        *command, "--calendar", "cn", env=os.environ | {"CALLCTL_DATABASE_URL": dsn}
    )
    code = await process.wait()
    seconds = clock.monotonic() - started
    if code:
        raise SystemExit(code)
    return seconds


async def _reload(watch: DirectoryWatch) -> float:
    started = clock.monotonic()
    await watch.reload()
    return clock.monotonic() - started


_CALENDAR = b"""\
calendars:
  - name: cn
    days:
      - {date: 2026-10-01, kind: holiday}
"""


def csv_text(rates: int) -> str:
    """A wholesale tariff: a price for any number, then `rates` - 1 prefixes, a third with bands."""
    lines = ["prefix,price_per_minute,connect_fee,increments,free_seconds,maximum_cost,bands"]
    lines.append(",0.5,0,60/60,,,")
    for index in range(rates - 1):
        bands = _BANDS if index % 3 == 0 else ""
        price = f"0.{2000 + index % 5000}"
        lines.append(f'{100_000_000 + index * 7},{price},0.01,6/6,5,10,"{bands}"')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
