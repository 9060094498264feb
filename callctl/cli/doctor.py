"""`callctl doctor`: looks at everything a call needs, and has a remedy for what is wrong."""

import asyncio
import sys
from typing import Annotated

import typer

from callctl.cli import show
from callctl.cli.findings import Finding, Status
from callctl.cli.session import load_settings

_COLUMNS = ("", "what", "seen", "remedy")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("doctor")(doctor)


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False) -> None:
    """Check Asterisk, the database, the data files and the settings; exit code 1 if any fails."""
    from callctl.cli.examination import examine  # noqa: PLC0415 - other commands start without it

    findings = asyncio.run(examine(load_settings()))
    if as_json:
        show.print_json(findings)
    elif sys.stdout.isatty():
        rows = [(str(one.status), one.name, one.seen, one.remedy) for one in findings]
        show.print_table(_COLUMNS, rows, none="")
    else:
        _print_lines(findings)
    if any(finding.status is Status.FAIL for finding in findings):
        sys.exit(1)


def _print_lines(findings: list[Finding]) -> None:
    """One line a finding and one for its remedy: for mails and logs."""
    for finding in findings:
        print(f"{finding.status:4}  {finding.name}: {finding.seen}")
        if finding.remedy and finding.status is not Status.OK:
            print(f"      remedy: {finding.remedy}")
