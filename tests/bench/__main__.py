"""`make bench`: measure callctl against plain Dial() here and now.

Exits 1 when the books do not agree with what SIPp saw, whatever the figures are.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from callctl import log
from callctl.errors import CallctlError
from tests.bench import report
from tests.bench.run import QUICK, Bench, Plan, opened
from tests.bench.sipp import Side
from tests.bench.trace import Step

FIGURES = Path(__file__).resolve().parents[2] / ".bench" / "calls.json"


def main() -> int:
    """Run it; 0 when every call has its CDR and its debit, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about half the time, less exact")
    arguments = parser.parse_args()
    log.configure("warning")
    console = Console(highlight=False)
    plan = QUICK if arguments.quick else Plan()
    try:
        return asyncio.run(_run(console, plan))
    except CallctlError as error:
        console.print(f"[red]{error}")
        return 1


async def _run(console: Console, plan: Plan) -> int:
    def progress(line: str) -> None:
        console.print(line, style="dim")

    machine = report.machine({"sipp": report.sipp_version()})
    async with opened(lambda *step: _show_step(console, *step), progress) as bench:
        machine |= await bench.versions()
        await bench.measure(plan)
    content = report.as_json(bench.found, plan, machine)
    report.write(FIGURES, content)
    report.show(console, content)
    _warn_of_others(console, bench)
    console.print(f"all figures: {FIGURES}", soft_wrap=True)
    return _verdict(console, bench)


def _show_step(console: Console, side: Side, step: Step, why: str) -> None:
    verdict = (
        f"[yellow]not held: {why}" if why else "[green]held" if step.purpose == "search" else ""
    )
    console.print(
        f"{step.purpose:8} {side.name:8} {step.rate:4}/s {step.wanted:5} calls"
        f"  p50 {step.p50:6.1f} ms  p99 {step.p99:6.1f} ms"
        f"  others {step.others_share:4.0%}  stolen {step.stolen_share:3.0%}  {verdict}",
        soft_wrap=True,
    )


def _warn_of_others(console: Console, bench: Bench) -> None:
    steps = [step for found in bench.found.values() for step, _ in found.steps]
    others = max(step.others_share for step in steps)
    stolen = max(step.stolen_share for step in steps)
    if not all(step.is_quiet for step in steps):
        console.print(
            f"[yellow]of the processors other programs took up to {others:.0%}, the host up to "
            f"{stolen:.0%}: run it again when the machine is quiet",
            soft_wrap=True,
        )


def _verdict(console: Console, bench: Bench) -> int:
    faults = [f"{side}: {fault}" for side, found in bench.found.items() for fault in found.faults]
    for fault in faults:
        console.print(f"[red]wrong: {fault}", soft_wrap=True)
    if not faults:
        console.print(
            f"[green]{bench.calls_charged} calls: each has its CDR and its debit, nothing is held"
        )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
