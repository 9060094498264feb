"""`make bench-routing`: what a decision takes for a number with 1,000 routes and 20 lines.

A decision is screening and the journey's first step. Exits 1 when one takes longer than it may.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from time import perf_counter

from rich.console import Console
from rich.table import Table

from callctl.directory.answering import (
    CallerList,
    Group,
    Line,
    ListMode,
    Member,
    Queue,
    Route,
    Strategy,
    Target,
    TargetKind,
)
from callctl.directory.areas import shipped_table
from callctl.directory.models import Answering, Did, Tenant
from callctl.routing import Facts, Journey, LineState, screen
from callctl.values.phone_number import PhoneNumber
from callctl.values.schedule import Hours, Schedule
from callctl.values.tariff import Tariff

ROUTES, LINES, LISTED = 1_000, 20, 100_000
DECISION_MICROSECONDS_MAX = 100
_CALLERS = 200
_TRIES = 50  # the quickest of them counts: others may want the processor
_AT = datetime(2026, 10, 14, 4, 0, tzinfo=UTC)
_GROUP = Target(TargetKind.GROUP, "support")


@dataclass(frozen=True)
class Row:
    """Whose decisions, and how long one of them takes."""

    what: str
    microseconds: float


def main() -> int:
    """Measure and show; 0 when decisions are quick enough."""
    console = Console(highlight=False)
    rows = list(_decisions())
    table = Table("decision of", box=None, pad_edge=False)
    table.add_column("µs each", justify="right")
    table.add_column("a second", justify="right")
    for row in rows:
        table.add_row(row.what, f"{row.microseconds:.1f}", f"{1e6 / row.microseconds:,.0f}")
    console.print(table)
    slow = [row for row in rows if row.microseconds > DECISION_MICROSECONDS_MAX]
    for row in slow:
        console.print(f"[red]{row.what} takes more than {DECISION_MICROSECONDS_MAX} µs")
    return 1 if slow else 0


def _decisions() -> Iterator[Row]:
    for strategy in (Strategy.SEQUENTIAL, Strategy.WEIGHTED):
        random = Random(1)
        did = make_did(random, strategy)
        callers = [_caller(random) for _ in range(_CALLERS)]
        anyone = [_facts(did, caller) for caller in callers]
        yield Row(f"{_CALLERS} callers, one after the other, {strategy}", _measure(anyone))
        unknown = _facts(did, PhoneNumber.unknown())
        yield Row(f"a caller for whom no route is, {strategy}", _measure([unknown] * _CALLERS))


def make_did(random: Random, strategy: Strategy) -> Did:
    """A number with routes by area, prefix, hours, list and share, and two long lists."""
    office = Schedule("office", "Asia/Shanghai", (Hours(("workday",), 540, 1080),))
    night = Schedule("night", "Asia/Shanghai", (Hours((), 1320, 360),))
    friends = _list(random, "friends", ListMode.VIP)
    conditions: list[Callable[[int], Route]] = [
        lambda n: Route(f"area {n}", _GROUP, areas=(random.choice(_cities()),), while_open=night),
        lambda n: Route(f"prefix {n}", _GROUP, prefixes=(f"+8613{random.randrange(10**5):05}",)),
        lambda n: Route(f"hours {n}", _GROUP, while_open=night, prefixes=()),
        lambda n: Route(f"list {n}", _GROUP, caller_list=friends, percentage=1),
        lambda n: Route(f"area share {n}", _GROUP, areas=(random.choice(_cities()),), percentage=5),
    ]
    routes = tuple(random.choice(conditions)(n) for n in range(ROUTES))
    lines = tuple(_line(random, n, office) for n in range(LINES))
    members = tuple(Member(line, priority=1 + n % 2, weight=n) for n, line in enumerate(lines))
    queue = Queue(20, 300, "callctl/music", 30)
    return Did(
        "4001234567",
        Tenant("acme", "zh", "Asia/Shanghai", 1, "tenant:acme", 2, "CNY", ()),
        Tariff("inbound", 1, "CNY", ()),
        Answering(groups={"support": Group("support", strategy, members, queue=queue)}),
        default=_GROUP,
        routes=routes,
        lists=(_list(random, "pests", ListMode.BLOCK), friends),
        schedule=office,
    )


def _list(random: Random, name: str, mode: ListMode) -> CallerList:
    numbers = frozenset(f"+8613{random.randrange(10**9):09}" for _ in range(LISTED))
    firsts = [13_000_000_000 + random.randrange(10**9) for _ in range(1_000)]
    return CallerList(
        name,
        mode,
        numbers=numbers,
        prefixes=tuple(f"+8614{random.randrange(10**5):05}" for _ in range(1_000)),
        ranges=tuple((f"+86{first}", f"+86{first + 99}") for first in firsts),
        areas=("540000",) if mode is ListMode.BLOCK else (),
    )


def _line(random: Random, number: int, office: Schedule) -> Line:
    areas = tuple(random.sample(_cities(), 3)) if number % 2 else ()
    return Line(
        f"line-{number}",
        PhoneNumber.parse(f"0106200{number:04}"),
        "carrier",
        None,
        ring_seconds=15,
        areas=areas,
        schedule=office,
    )


def _caller(random: Random) -> PhoneNumber:
    return PhoneNumber.parse(f"13{random.randrange(10**9):09}")


def _cities() -> list[str]:
    return sorted(shipped_table().divisions)


def _facts(did: Did, caller: PhoneNumber) -> Facts:
    busy = LineState(live_calls=1, call_count=3, last_call_at=_AT - timedelta(minutes=3))
    states = {f"line-{number}": busy for number in range(0, LINES, 3)}
    return Facts(did, caller, shipped_table().area_of(caller), _AT, seed=1 << 100, lines=states)


def _measure(facts: list[Facts]) -> float:
    """Microseconds for each of the decisions, in the quickest of some tries."""
    return min(_seconds(facts) for _ in range(_TRIES)) / len(facts) * 1e6


def _seconds(facts: list[Facts]) -> float:
    started = perf_counter()
    for one in facts:
        verdict = screen(one)
        if verdict.is_allowed:
            Journey(is_vip=verdict.is_vip).begin(one)
    return perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
