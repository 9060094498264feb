"""Rates as a CSV file: one row a rate, the columns named as the YAML's fields.

Called by the CLI for callctl tariff import and export. The rules of a field are those of the YAML
(directory.fields, directory.bands); a row is read without pydantic, since a wholesale tariff has
a hundred thousand of them. What is written is read back as the same rates and the same text.
"""

import csv
import difflib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from callctl.directory.bands import overlapping, rate_problems, read_bands, show_bands
from callctl.directory.fields import (
    Increments,
    read_amount,
    read_area,
    read_increments,
    read_moment,
    read_prefix,
    read_rounding,
    read_seconds,
    show_amount,
    show_area,
    show_increments,
    show_moment,
)
from callctl.directory.references import overlap_message
from callctl.errors import ConfigurationRefused, Problem
from callctl.values.tariff import Rate

_Column = tuple[str, Callable[[str], Any]]  # its name, and how its cells are read

CSV_RATES_MAX = 500_000
BYTES_MAX = 200_000_000
PROBLEMS_SHOWN_MAX = 100
_PRICE = "price_per_minute"
_STEP, _STEP_PRICE = "first_step_seconds", "first_step_price_per_minute"

# How each column is read when its cell is not empty, in the order in which they are written.
_READERS: dict[str, Callable[[str], Any]] = {
    "prefix": read_prefix,
    "area": read_area,
    _PRICE: read_amount,
    "connect_fee": read_amount,
    "minimum_seconds": read_seconds,
    "increments": read_increments,
    "round_to": read_rounding,
    "free_seconds": read_seconds,
    _STEP: read_seconds,
    _STEP_PRICE: read_amount,
    "maximum_cost": read_amount,
    "valid_from": read_moment,
    "valid_until": read_moment,
    "bands": read_bands,
}
# What an empty cell, or a column that is not there, stands for.
_EMPTY: dict[str, Any] = {
    "prefix": "",
    "area": "",
    "connect_fee": 0,
    "minimum_seconds": 0,
    "increments": Increments(60, 60),
    "round_to": 100,
    "free_seconds": 0,
    _STEP: 0,
    _STEP_PRICE: None,
    "maximum_cost": None,
    "valid_from": None,
    "valid_until": None,
    "bands": (),
}
COLUMNS = tuple(_READERS)


class RateTable(NamedTuple):
    """The rates of a file, and the line of each."""

    rates: Sequence[Rate]
    lines: Sequence[int]


def refused(problems: Sequence[Problem]) -> ConfigurationRefused:
    """The error that has all `problems`, and shows the first of them."""
    ordered = sorted(problems, key=lambda problem: problem.line)
    shown = [
        f"line {line}: {field + ': ' if field else ''}{why}"
        for line, field, why in ordered[:PROBLEMS_SHOWN_MAX]
    ]
    if len(ordered) > PROBLEMS_SHOWN_MAX:
        shown.append(f"and {len(ordered) - PROBLEMS_SHOWN_MAX} more")
    head = "the tariff was refused whole; nothing was changed"
    return ConfigurationRefused("\n".join([head, *shown]), problems=ordered)


def read_table(content: bytes) -> RateTable:
    """Read and check a whole file; raises ConfigurationRefused with all its `problems`.

    A problem's field is the name of the column.
    """
    problems: list[Problem] = []
    rates: list[Rate] = []
    lines: list[int] = []
    rows = csv.reader(io.StringIO(_decoded(content), newline=""), strict=True)
    try:
        columns = _header(rows)
        for row in filter(None, rows):
            rate = _read_row(row, columns, rows.line_num, problems)
            if rate is not None:
                rates.append(rate)
                lines.append(rows.line_num)
            if len(rates) > CSV_RATES_MAX:
                message = f"too many: at most {CSV_RATES_MAX} rates are possible"
                raise refused([Problem(rows.line_num, "", message)])
    except csv.Error as error:
        message = f"this is not CSV ({error}): look at the quotes"
        problems.append(Problem(rows.line_num, "", message))
    problems += _overlaps(rates, lines)
    if not (rates or problems):
        problems.append(Problem(1, "", "there are no rates: write one row for each"))
    if problems:
        raise refused(problems)
    return RateTable(rates, lines)


def _decoded(content: bytes) -> str:
    if len(content) > BYTES_MAX:
        raise refused([Problem(1, "", f"the file is over {BYTES_MAX} bytes: is it a tariff?")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = "this is not UTF-8 text: save the file as CSV UTF-8"
        raise refused([Problem(line, "", message)]) from None


def _header(rows: Any) -> list[_Column]:
    """The columns that the first row names; raises ConfigurationRefused."""
    names = [cell.strip() for cell in next(rows, [])]
    problems = []
    if len(names) == 1 and names[0].count(";") > 1:
        problems.append(Problem(1, "", "separate the columns by commas, not by semicolons"))
    else:
        problems += [
            Problem(1, name, _explain_unknown(name)) for name in names if name not in COLUMNS
        ]
        for name in sorted({name for name in names if names.count(name) > 1}):
            problems.append(Problem(1, name, "this column is there twice: delete one"))
        if _PRICE not in names:
            problems.append(Problem(1, _PRICE, "this column is missing: add it to the first row"))
    if problems:
        raise refused(problems)
    return [(name, _READERS[name]) for name in names]


def _explain_unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COLUMNS, n=1)
    if near:
        return f"there is no column {name!r}: did you mean {near[0]}?"
    return f"there is no column {name!r}: delete it (there is {', '.join(COLUMNS)})"


def _read_row(
    row: list[str], columns: list[_Column], line: int, problems: list[Problem]
) -> Rate | None:
    """The rate of a row, None when something of it is wrong; that is added to `problems`."""
    before = len(problems)
    if len(row) != len(columns):
        message = f"{len(row)} cells, and the first row has {len(columns)}: are commas in quotes?"
        problems.append(Problem(line, "", message))
        return None
    found = _EMPTY.copy()
    for (name, read), cell in zip(columns, row, strict=True):
        text = cell.strip()
        if text:
            try:
                found[name] = read(text)
            except ValueError as error:
                problems.append(Problem(line, name, str(error)))
                found[name] = None
    problems += [Problem(line, name, message) for name, message in _missing(found)]
    if len(problems) > before:
        return None
    rate = _rate(found)
    problems += [Problem(line, name, message) for name, message in rate_problems(rate)]
    return rate


def _missing(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Cells that must not be empty."""
    if _PRICE not in found:
        yield _PRICE, "there is no price: write one such as 0.30"
    if found[_STEP] and found[_STEP_PRICE] is None:
        yield _STEP_PRICE, f"there is no price for the {_STEP}: write one such as 0.50"
    if found[_STEP] == 0 and found[_STEP_PRICE] is not None:
        yield _STEP, f"for how long is the {_STEP_PRICE}? Write seconds such as 180"


def _rate(found: dict[str, Any]) -> Rate:
    increments = found["increments"]
    return Rate(
        prefix=found["prefix"],
        connect_fee_micros=found["connect_fee"],
        price_per_minute_micros=found[_PRICE],
        minimum_seconds=found["minimum_seconds"],
        first_increment_seconds=increments.first_seconds,
        next_increment_seconds=increments.next_seconds,
        round_to_micros=found["round_to"],
        area=found["area"],
        free_seconds=found["free_seconds"],
        first_step_seconds=found[_STEP],
        first_step_price_micros=found[_STEP_PRICE] or 0,
        maximum_cost_micros=found["maximum_cost"],
        valid_from=found["valid_from"],
        valid_until=found["valid_until"],
        bands=found["bands"],
    )


def _overlaps(rates: Sequence[Rate], lines: Sequence[int]) -> Iterator[Problem]:
    keys = ((rate.prefix, rate.area, rate.valid_from, rate.valid_until) for rate in rates)
    for first, second in overlapping(keys):
        rate = rates[second]
        name = "area" if rate.area else "prefix"
        numbers = show_area(rate.area) if rate.area else rate.prefix
        yield Problem(lines[second], name, overlap_message(numbers, lines[first]))


def write_table(rates: Iterable[Rate]) -> str:
    """Return the file of `rates`: all columns, cells empty for what a rate does not have."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(_cells, rates))
    return text.getvalue()


def _cells(rate: Rate) -> tuple[str | int, ...]:
    has_step = rate.first_step_seconds > 0
    maximum = rate.maximum_cost_micros
    return (
        rate.prefix,
        show_area(rate.area) if rate.area else "",
        show_amount(rate.price_per_minute_micros),
        show_amount(rate.connect_fee_micros),
        rate.minimum_seconds,
        show_increments(Increments(rate.first_increment_seconds, rate.next_increment_seconds)),
        show_amount(rate.round_to_micros),
        rate.free_seconds or "",
        rate.first_step_seconds if has_step else "",
        show_amount(rate.first_step_price_micros) if has_step else "",
        "" if maximum is None else show_amount(maximum),
        show_moment(rate.valid_from) if rate.valid_from else "",
        show_moment(rate.valid_until) if rate.valid_until else "",
        show_bands(rate.bands),
    )
