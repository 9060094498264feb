"""The truth after a step: what callctl wrote must be what SIPp saw; used by tests.bench."""

from collections.abc import Collection
from pathlib import Path

from callctl.ari.client import AriClient
from callctl.db.pool import Database
from callctl.values.money import parse_micros
from tests.bench.trace import Step
from tests.demo.world import eventually

ACCOUNT = "tenant:bench"
PRICE_MICROS = parse_micros("0.30")  # one started minute, tests/bench/tenant.yaml
OPENING_MICROS = parse_micros("1000000.00")
_BOOKS = (Path(__file__).parent / "books.sql").read_text()
_SETTLE_SECONDS = 60.0


async def wait_until_idle(ari: AriClient, database: Database) -> list[str]:
    """Wait until no channel, bridge or live call is left; returns what stayed all the same."""

    async def look() -> bool | None:
        left = await ari.channels.list() or await ari.bridges.list()
        row = await database.fetchrow(_BOOKS, [], ACCOUNT)
        return None if left or row["live_calls"] or row["open_reservations"] else True

    try:
        await eventually(look, "everything to end", _SETTLE_SECONDS)
    except AssertionError:
        channels, bridges = await ari.channels.list(), await ari.bridges.list()
        return [f"{len(channels)} channels and {len(bridges)} bridges are left after the calls"]
    return []


async def faults_of(database: Database, step: Step) -> list[str]:
    """What in the CDRs and the ledger contradicts SIPp; empty when all agrees.

    Of a step without a failed call every call has one answered CDR with two legs and one debit of
    the price. Of any step nothing stays held, and the account has paid what the CDRs say.
    """
    row = await database.fetchrow(_BOOKS, list(step.calls), ACCOUNT)
    found = _differences(
        {
            "held_micros": 0,
            "open_reservations": 0,
            "live_calls": 0,
            "all_debited_micros": row["all_cost_micros"],
            "balance_micros": OPENING_MICROS - row["all_cost_micros"],
            "debited_micros": row["cost_micros"],
            "cost_micros": row["answered"] * PRICE_MICROS,
        },
        row,
    )
    if step.failed == 0:
        calls = step.wanted
        whole = {"cdrs": calls, "answered": calls, "legs": 2 * calls, "debits": calls}
        found += _differences(whole, row)
    return found


async def whole_run_faults(database: Database, call_ids: Collection[str]) -> list[str]:
    """Every call of the run, and no other, has its CDR."""
    row = await database.fetchrow(_BOOKS, list(call_ids), ACCOUNT)
    return _differences({"all_cdrs": row["cdrs"]}, row)


def _differences(expected: dict[str, int], row: object) -> list[str]:
    found = {name: row[name] for name in expected}  # type: ignore[index]
    return [
        f"{name} is {found[name]}, must be {wanted}"
        for name, wanted in expected.items()
        if found[name] != wanted
    ]
