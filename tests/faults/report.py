"""The report of the faults: a line a test, and a line a subtest.

It is made where the run is led, from what the workers send; written anew with each line to the
file CALLCTL_FAULTS_REPORT, and shown at the end of a long run.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.forms import IS_LONG

_TITLES = ("fault", "seed", "numbers", "outcome", "seconds")
_PATH = os.environ.get("CALLCTL_FAULTS_REPORT")


@dataclass(frozen=True, slots=True)
class Line:
    """What came of one test, or of a part of it."""

    test: str  # as pytest takes it
    part: str
    seed: str
    numbers: str
    outcome: str
    seconds: float

    @property
    def fault(self) -> str:
        """The family and the test, for people."""
        path, _, name = self.test.partition("::")
        family = Path(path).stem.removeprefix("test_")
        told = f"{family}: {name.removeprefix('test_').replace('_', ' ')}"
        return f"{told}: {self.part}" if self.part else told

    @property
    def cells(self) -> tuple[str, ...]:
        """As text, in the order of the titles."""
        return (self.fault, self.seed, self.numbers, self.outcome, f"{self.seconds:.1f}")

    @property
    def again(self) -> str:
        """The command that runs it alone once more, in the same form with the same choices."""
        settings = {"CALLCTL_FAULTS": "long" if IS_LONG else "", "CALLCTL_FAULTS_SEED": self.seed}
        settings |= {"CALLCTL_FAULTS_ONLY": self.part}
        told = " ".join(f"{name}='{value}'" for name, value in settings.items() if value)
        test = self.test.partition("[")[0] if self.part else self.test  # whichever has it then
        return f"""{told} make pytest ARGS="'{test}'\""""


@dataclass
class Report:
    """The lines of a run."""

    path: Path | None = Path(_PATH) if _PATH else None
    lines: list[Line] = field(default_factory=list)
    failed_parts: set[str] = field(default_factory=set)

    def add(self, result: pytest.TestReport) -> None:
        """Take what came of a test, if it has run or could not."""
        if result.when in {"setup", "teardown"} and result.passed:
            return
        told = {name: str(value) for name, value in result.user_properties}
        is_part = isinstance(result, pytest.SubtestReport)
        part = (result.context.msg or "") if isinstance(result, pytest.SubtestReport) else ""
        outcome = "error" if result.failed and result.when != "call" else result.outcome
        if is_part and result.failed:
            self.failed_parts.add(result.nodeid)
        elif not is_part and result.passed and result.nodeid in self.failed_parts:
            outcome = "failed"
        seed, numbers = told.get("seed", ""), told.get("numbers", "")
        line = Line(result.nodeid, part, seed, numbers, outcome, result.duration)
        self.lines.append(line)
        self.lines.sort(key=lambda line: line.test)
        if self.path is not None:
            self._write(self.path)

    def totals(self) -> list[str]:
        """How many came to what, and how to run them again: all, and those that failed."""
        counts = Counter(line.outcome for line in self.lines)
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        failed = [line for line in self.lines if line.outcome in {"failed", "error"}]
        form = "make faults" if IS_LONG else "make pytest ARGS=tests/faults"
        seeds = sorted({line.seed for line in self.lines if line.seed})
        again = [f"CALLCTL_FAULTS_SEED={seed} {form}" for seed in seeds]
        return [
            f"{len(self.lines)} lines: {told}",
            *(f"all of it again: {one}" for one in again),
            *(f"again: {line.again}" for line in failed),
        ]

    def table(self) -> list[str]:
        """The lines as people read them in a terminal."""
        rows = [_TITLES, *(line.cells for line in self.lines)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [_TITLES, ("---",) * len(_TITLES), *(line.cells for line in self.lines)]
        table = ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
        totals = [f"- {line}" for line in self.totals()]
        path.write_text("\n".join(["# Faults", "", *totals, "", *table, ""]), encoding="utf-8")


def told(numbers: Mapping[str, object]) -> str:
    """Numbers of a test as text."""
    return ", ".join(f"{name} {_short(number)}" for name, number in numbers.items())


def _short(number: object) -> str:
    return f"{number:.3g}" if isinstance(number, float) else str(number)
