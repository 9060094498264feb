"""Files that commands are given: read whole within a bound, and refused with their lines."""

import sys
from pathlib import Path

from callctl.cli import show
from callctl.errors import ConfigurationRefused, InvalidInput


def read_file(file: Path, bytes_max: int) -> bytes:
    """Read the file ("-": standard input), a byte over the limit at most; raises InvalidInput."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(bytes_max + 1)
        with file.open("rb") as opened:
            return opened.read(bytes_max + 1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error


def print_problems(
    file: Path, error: ConfigurationRefused, *, shown_max: int, as_json: bool
) -> None:
    """Print the error's problems, the first `shown_max`, as `file:line: field: what to do`."""
    shown = error.problems[:shown_max]
    if as_json:
        problems = [problem._asdict() for problem in shown]
        count = len(error.problems)
        show.print_json({"code": error.code, "problem_count": count, "problems": problems})
        return
    for line, field, message in shown:
        print(f"{file}:{line}: {field + ': ' if field else ''}{message}", file=sys.stderr)
    more = f" (the first {len(shown)} are shown)" if len(shown) < len(error.problems) else ""
    print(f"{len(error.problems)} problem(s){more}; nothing was changed", file=sys.stderr)
