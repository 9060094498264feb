"""The examples of docs/rating.md are what the product charges."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import pytest

import callctl
from callctl.directory.reading import read_document
from callctl.values.money import format_micros
from callctl.values.tariff import Rate
from tests.unit.rating.samples import local, meter

_PAGE = Path(callctl.__file__).resolve().parent.parent / "docs" / "rating.md"
_EXAMPLE = re.compile(r"```yaml\n(?P<yaml>.*?)```\n\n(?P<table>(?:\|[^\n]*\n)+)", re.DOTALL)


def _rate(yaml: str) -> Rate:
    """The rate that a price line of the page makes, with what a file has around it."""
    lines = ["tariffs:", "  - name: example", "    rates:", '      - prefix: ""']
    document = read_document("\n".join([*lines, indent(yaml, " " * 8)]).encode())
    return document.tariffs[0].rates[0].to_rate()


def _examples() -> Iterator[tuple[str, list[str]]]:
    for match in _EXAMPLE.finditer(_PAGE.read_text(encoding="utf-8")):
        for line in match["table"].splitlines()[2:]:
            yield match["yaml"], [cell.strip() for cell in line.strip("|").split("|")]


def test_page_has_examples() -> None:
    """An empty page would pass everything."""
    assert len(list(_examples())) >= 15


@pytest.mark.parametrize(("yaml", "row"), list(_examples()))
def test_example_is_right(yaml: str, row: list[str]) -> None:
    """Billed seconds and cost of each call in the tables are those of the price line above."""
    begin, seconds, billed, cost = row
    day, time, zone = [*begin.split(), "Asia/Shanghai"][:3]
    of = meter(_rate(yaml), local(f"{day} {time}", zone), zone)
    whole, _, fraction = seconds.partition(".")
    talk_ms = int(whole) * 1000 + int(fraction.ljust(3, "0"))

    assert (str(of.billed_seconds(talk_ms)), format_micros(of.cost_micros(talk_ms))) == (
        billed,
        cost,
    )
