"""`callctl route check`: what in the routing of numbers can never match or loses calls."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from callctl import clock
from callctl.cli import show
from callctl.cli.session import load_settings, open_database
from callctl.directory.models import Did
from callctl.directory.rows import Rows, read_rows
from callctl.directory.store import load
from callctl.errors import NotFound
from callctl.routing.check import Finding, check, count, unused
from callctl.values.phone_number import PhoneNumber

_COUNT_COLUMNS = ("number", "tenant", ">lines", ">extensions", ">on level 2", ">deeper")
_COLUMNS = ("of", "where", "what", "calls are lost")


def check_routes(
    dids: Annotated[list[str] | None, typer.Argument(help="Numbers; none: all.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Find rules that never match, dead ends, circles, and what nothing leads to.

    Exit code 1 when calls are lost. Lines are counted that are reached without a menu.
    """
    chosen, found = asyncio.run(_check(dids or []))
    if as_json:
        show.print_json(_to_plain(chosen, found))
    else:
        show.print_table(_COUNT_COLUMNS, map(_counters, chosen), none="no numbers")
        print()
        rows = ((of, one.place, one.what, "yes" if one.loses_calls else "no") for of, one in found)
        show.print_table(_COLUMNS, rows, none="nothing is wrong")
    if any(one.loses_calls for _, one in found):
        raise typer.Exit(1)


async def _check(wanted: Sequence[str]) -> tuple[list[Did], list[tuple[str, Finding]]]:
    """The numbers, and what is found of each and of their tenants."""
    async with open_database(load_settings()) as database, database.transaction() as connection:
        directory = await load(connection)
        rows = await read_rows(connection)
    national = [PhoneNumber.parse(text).national for text in wanted]
    for text, number in zip(wanted, national, strict=True):
        if number not in directory.dids:
            raise NotFound(f"there is no number {text}: callctl number list shows them all")
    chosen = [did for number, did in directory.dids.items() if not wanted or number in national]
    now = clock.now()
    found = [(did.number, finding) for did in chosen for finding in check(did, now)]
    for tenant in dict.fromkeys(did.tenant.name for did in chosen):
        own = [did for did in directory.dids.values() if did.tenant.name == tenant]
        found += [(f"tenant {tenant}", finding) for finding in (*unused(own), *_rest(rows, tenant))]
    return chosen, found


def _rest(rows: Rows, tenant: str) -> Iterator[Finding]:
    """Lists and schedules of the tenant that no rule asks."""
    row = next(one for one in rows.tenants if one["name"] == tenant)
    stored, dids = row["answering"], rows.dids.get(row["id"], [])
    routes = [route for did in dids for route in did["routes"] or ()]
    keys = [key for menu in (stored.get("menus") or ()) for key in menu["keys"].values()]
    screening = stored.get("screening") or {}
    lists = {*(screening.get("lists") or ()), *(route["list"] for route in routes)}
    lists |= {name for did in dids for name in did["lists"]}
    timed = [*rows.lines.get(row["id"], []), *dids, *keys]
    schedules = {one["schedule"] for one in timed}
    schedules |= {route[name] for route in routes for name in ("while_open", "while_closed")}
    for kind, used in (("list", lists), ("schedule", schedules)):
        for one in stored.get(f"{kind}s") or ():
            if one["name"] not in used:
                yield Finding(f"{kind} {one['name']}", "no rule asks it")


def _counters(did: Did) -> tuple[show.Cell, ...]:
    counted = count(did)
    by_level = counted.extensions
    deeper = sum(number for level, number in by_level.items() if level > 2)
    return (
        *(did.number, did.tenant.name, counted.lines),
        *(by_level.get(1, 0), by_level.get(2, 0), deeper),
    )


def _to_plain(chosen: Sequence[Did], found: Sequence[tuple[str, Finding]]) -> dict[str, Any]:
    return {
        "numbers": [
            {
                "did": did.number,
                "tenant": did.tenant.name,
                "lines": count(did).lines,
                "extensions": {str(level): n for level, n in count(did).extensions.items()},
            }
            for did in chosen
        ],
        "findings": [
            {"of": of, "where": one.place, "what": one.what, "loses_calls": one.loses_calls}
            for of, one in found
        ],
    }
