"""The report of the faults: a line a test, in var/faults/report.md and at the end of a long run."""

from dataclasses import dataclass
from pathlib import Path

from tests.faults.forms import SEED
from tests.plugins.asterisk import ROOT

PATH = ROOT / "var" / "faults" / "report.md"
_TITLES = ("fault", "seed", "numbers", "outcome", "seconds")


@dataclass(frozen=True, slots=True)
class Line:
    """What came of one test."""

    fault: str
    numbers: str
    outcome: str
    seconds: float

    @property
    def cells(self) -> tuple[str, ...]:
        """As text, in the order of the titles."""
        return (self.fault, str(SEED), self.numbers, self.outcome, f"{self.seconds:.1f}")


def write(line: Line, path: Path = PATH) -> None:
    """Add a line to the file, which is begun when there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as report:
        if not report.tell():
            report.write(_row(_TITLES) + _row(("---",) * len(_TITLES)))
        report.write(_row(line.cells))


def table(lines: list[Line]) -> list[str]:
    """The lines as people read them in a terminal."""
    rows = [_TITLES, *(line.cells for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |\n"
