"""How commands print: a table on a terminal, aligned text in a pipe, JSON when asked."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import orjson
from pydantic import BaseModel
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callctl import clock
from callctl.values.money import format_micros

_COLOURS = {
    "answered": "green",
    "talking": "green",
    "ok": "green",
    "ringing": "yellow",
    "warn": "yellow",
    "fail": "red",
    "failed": "red",
    "rejected": "red",
    "lost": "red",
    "congested": "red",
}

_GAP = 2  # blanks between columns

Cell = str | int | None


def print_json(answer: BaseModel | Sequence[BaseModel] | Mapping[str, object]) -> None:
    """Print the API's own shape, two spaces a level."""
    print(to_json(answer, orjson.OPT_INDENT_2))


def to_json(answer: BaseModel | Sequence[BaseModel] | Mapping[str, object], option: int = 0) -> str:
    """The answer as JSON text, on one line unless `option` says otherwise."""
    if isinstance(answer, BaseModel):
        plain: object = answer.model_dump(mode="json")
    elif isinstance(answer, Mapping):
        plain = answer
    else:
        plain = [one.model_dump(mode="json") for one in answer]
    return orjson.dumps(plain, option=option).decode()


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    none: str,
    title: str = "",
    spare: Sequence[str] = (),
) -> None:
    """Print rows under `columns`; a column that begins with ">" is aligned right.

    `none` is said when there are no rows. On a terminal that is too narrow the columns `spare`
    are left out, the first of them first, until the rest fits.
    """
    texts = [[clean(cell) for cell in row] for row in rows]
    console = Console(highlight=False)
    if not texts:
        console.print(Text(none))
    elif console.is_terminal:
        left_out = _left_out(columns, texts, spare, console.width)
        kept = [index for index, column in enumerate(columns) if column not in left_out]
        rows_kept = [[row[index] for index in kept] for row in texts]
        console.print(make_table([columns[index] for index in kept], rows_kept, title))
        if left_out:
            names = ", ".join(column.lstrip(">") for column in left_out)
            console.print(Text(f"(a wider terminal shows: {names})", style="dim"))
    else:
        print("\n".join([title] * bool(title) + aligned(columns, texts)))


def make_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], title: str = "") -> Table:
    """Return a rich table; words of the trade are coloured, nothing is read as markup."""
    table = Table(
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, _GAP - 1, 0, 0),  # the divider is the other blank
    )
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column[:1] == ">" else "left")
    for row in rows:
        texts = [clean(cell) for cell in row]
        table.add_row(*(Text(text, style=_COLOURS.get(text, "")) for text in texts))
    return table


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return heading and rows as lines, in columns two spaces apart; Chinese counts double."""
    heading = [column.lstrip(">") for column in columns]
    lines = [heading, *rows]
    widths = [max(map(cell_len, texts)) for texts in zip(*lines, strict=True)]
    return ["  ".join(map(_pad, line, widths, columns)).rstrip() for line in lines]


def show_money(micros: int, currency: str | None = None) -> str:
    """Return "12.30 CNY"."""
    return f"{format_micros(micros)} {currency or ''}".rstrip()


def show_time(moment: datetime | None) -> str:
    """Return the moment on this machine's clock, "" for none; today's date only in files."""
    if moment is None:
        return ""
    local = moment.astimezone()
    is_today = local.date() == clock.now().astimezone().date()
    return f"{local:%H:%M:%S}" if is_today and sys.stdout.isatty() else f"{local:%Y-%m-%d %H:%M:%S}"


def show_seconds(seconds: Decimal | float) -> str:
    """Return seconds to a tenth."""
    return f"{seconds:.1f}"


def _left_out(
    columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str], width: int
) -> list[str]:
    """As many of `spare` as must go for the rest to fit into `width`."""
    texts = zip(*([column.lstrip(">") for column in columns], *rows), strict=True)
    widths = {c: max(map(cell_len, t)) + _GAP for c, t in zip(columns, texts, strict=True)}
    left_out: list[str] = []
    for column in spare:
        if sum(widths.values()) - _GAP <= width:
            break
        del widths[column]
        left_out.append(column)
    return left_out


def _pad(text: str, width: int, column: str) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if column[:1] == ">" else text + blanks


def clean(cell: Cell) -> str:
    """Drop what a terminal would obey; what was in a SIP header is hostile text."""
    text = "" if cell is None else str(cell)
    return "".join(character if character.isprintable() else "?" for character in text)
