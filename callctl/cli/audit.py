"""`callctl audit`: proves the books, or shows the rows that break them."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import asyncpg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from callctl import clock
from callctl.cli import show
from callctl.cli.session import load_settings, open_database, require_database_url
from callctl.cli.wanted import parse_since
from callctl.db.queries import queries
from callctl.errors import DatabaseError
from callctl.settings import Settings
from callctl.views.audit import GRACE_SECONDS

if TYPE_CHECKING:  # the command alone needs it: others start without rating
    from callctl.cli.auditing import Timed, Wanted

Tell = Callable[[str, int, int], None]

_COLUMNS = ("", "proof", "what is claimed", ">broken by", ">seconds")
_SPARE = (">seconds",)
_BREACH_COLUMNS = ("of", "what", "should be", "is")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("audit")(audit)


def audit(
    *,
    asterisk: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="Compare with Asterisk's own legs.csv; repeatable."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Compare legs answered since 2026-10-01T21:00, or 24h; else all in it."),
    ] = None,
    grace: Annotated[
        float, typer.Option(min=0, help="Leave out what happened in so many last seconds.")
    ] = GRACE_SECONDS,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Prove that balances, reservations, CDRs and prices agree; exit code 1 if any does not."""
    from callctl.cli.auditing import Wanted  # noqa: PLC0415 - others start without

    moment = parse_since(since, clock.now()) if since else None
    wanted = Wanted(asterisk=tuple(asterisk or ()), since=moment, grace_seconds=grace)
    with _progress() as tell:
        at, found = asyncio.run(_audited(load_settings(), wanted, tell))
    is_sound = not any(timed.proof.count for timed in found)
    if as_json:
        proofs = [{**asdict(timed.proof), "seconds": round(timed.seconds, 3)} for timed in found]
        show.print_json({"at": at.isoformat(), "is_sound": is_sound, "proofs": proofs})
    else:
        _print(at, found)
    if not is_sound:
        sys.exit(1)


async def _audited(
    settings: Settings, wanted: "Wanted", tell: Tell
) -> "tuple[datetime, Sequence[Timed]]":
    """Audit, and leave how much was found for the switches' metrics."""
    from callctl.cli.auditing import run_audit  # noqa: PLC0415 - others start without

    at, found = await run_audit(require_database_url(settings), wanted, tell)
    try:
        async with open_database(settings) as database:
            await queries.write_audit_results(
                database,
                at=at,
                proofs=[timed.proof.name for timed in found],
                findings=[timed.proof.count for timed in found],
            )
    except (DatabaseError, asyncpg.PostgresError) as error:  # may only read, or an older schema
        print(f"the result is not in the metrics: {error}", file=sys.stderr)
    return at, found


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar on stderr while a person looks on; in a pipe nothing."""
    columns = (TextColumn("{task.description:24}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("connecting", total=None)

        def tell(name: str, number: int, count: int) -> None:
            progress.update(task, description=name, completed=number, total=count)

        yield tell


def _print(at: datetime, found: "Sequence[Timed]") -> None:
    rows = [
        (
            *("fail" if timed.proof.count else "ok", timed.proof.name, timed.proof.claim),
            *(timed.proof.count, show.show_seconds(timed.seconds)),
        )
        for timed in found
    ]
    show.print_table(_COLUMNS, rows, none="", title=f"as of {show.show_time(at)}", spare=_SPARE)
    for proof in [timed.proof for timed in found if timed.proof.count]:
        print()
        more = proof.count - len(proof.breaches)
        title = f"{proof.name}: broken by {proof.count}" + (f", {more} not shown" if more else "")
        breaches = [(one.subject, one.what, one.expected, one.found) for one in proof.breaches]
        show.print_table(_BREACH_COLUMNS, breaches, none="", title=title)
