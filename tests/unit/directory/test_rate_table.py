"""Tariffs as CSV: read as the YAML is, every wrong cell named, written back as it was."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.directory import rate_table
from callctl.directory.areas import shipped_table
from callctl.directory.bands import DAYS, ordered_days, overlapping
from callctl.directory.plain import plain_rate
from callctl.directory.price_entries import RateEntry
from callctl.directory.rate_table import read_table, write_table
from callctl.errors import ConfigurationRefused, Problem
from callctl.values.tariff import Band, Rate

FULL = """\
prefix,area,price_per_minute,connect_fee,minimum_seconds,increments,round_to,free_seconds,\
first_step_seconds,first_step_price_per_minute,maximum_cost,valid_from,valid_until,bands
,,0.30,0.00,0,60/60,0.0001,,,,,,,
8610,,0.20,0.01,6,6/6,0.01,10,180,0.50,5.00,,2026-10-01T00:00:00+08:00,
8610,,0.25,0.00,0,1/1,0.0001,,,,,2026-10-01T00:00:00+08:00,,\
"night=all 20:00-08:00 0.20; feast=mon-fri,sun,holiday 00:00-24:00 0.10"
,深圳,0.15,0.00,0,60/60,0.0001,,,,,,,夜间=workday 22:30-06:00 0.05
"""


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    """The problems for which a file is refused."""
    with pytest.raises(ConfigurationRefused) as caught:
        read_table(text.encode() if isinstance(text, str) else text)
    return caught.value.problems


def test_all_columns_are_read() -> None:
    """Each column is the field of the rate that has its name in YAML."""
    table = read_table(FULL.encode())

    default, old, new, area = table.rates
    assert default == Rate("", 0, 300_000, 0, 60, 60)
    assert (old.prefix, old.connect_fee_micros, old.minimum_seconds) == ("8610", 10_000, 6)
    assert (old.round_to_micros, old.free_seconds, old.maximum_cost_micros) == (
        10_000,
        10,
        5_000_000,
    )
    assert (old.first_step_seconds, old.first_step_price_micros) == (180, 500_000)
    assert old.valid_until == new.valid_from == datetime(2026, 9, 30, 16, tzinfo=UTC)
    assert new.bands == (
        Band("night", (), 1200, 480, 200_000),
        Band("feast", ("mon", "tue", "wed", "thu", "fri", "sun", "holiday"), 0, 1440, 100_000),
    )
    assert (area.area, area.bands[0].from_minute) == ("440300", 1350)
    assert list(table.lines) == [2, 3, 4, 5]


def test_file_is_written_back_as_it_was() -> None:
    """What export writes is, byte for byte, what it writes once it was imported again."""
    assert write_table(read_table(FULL.encode()).rates) == FULL


def test_columns_may_be_few_and_in_any_order() -> None:
    """Only the price is needed; a mark before the text and Windows line ends do no harm."""
    table = read_table(b"\xef\xbb\xbfprice_per_minute, prefix\r\n 0.5 , 86 \r\n\r\n1,\r\n")

    assert table.rates == [Rate("86", 0, 500_000, 0, 60, 60), Rate("", 0, 10**6, 0, 60, 60)]
    assert table.lines == [2, 4]


def row(**cells: str) -> str:
    """A file with one row of these cells, and a price unless one is given."""
    named = {"price_per_minute": "0.30"} | cells
    quoted = (f'"{cell}"' for cell in named.values())
    return f"{','.join(named)}\n{','.join(quoted)}\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        (row(price_per_minute="0,30"), 2, "price_per_minute", "plain decimal such as 0.30"),
        (row(price_per_minute=""), 2, "price_per_minute", "there is no price"),
        (row(price_per_minute="-1"), 2, "price_per_minute", "out of range"),
        (row(prefix="8.61E+11"), 2, "prefix", "digits a number begins with"),
        (row(prefix="+86"), 2, "prefix", "digits a number begins with"),
        (row(area="北惊"), 2, "area", "not a known area"),
        (row(prefix="86", area="北京"), 2, "area", "delete one of them"),
        (row(increments="60"), 2, "increments", "first/next"),
        (row(minimum_seconds="1.5"), 2, "minimum_seconds", "whole number"),
        (row(free_seconds="86401"), 2, "free_seconds", "at most 86400"),
        (row(round_to="0"), 2, "round_to", "rounded to 0"),
        (row(first_step_seconds="60"), 2, "first_step_price_per_minute", "no price"),
        (row(first_step_price_per_minute="1"), 2, "first_step_seconds", "how long"),
        (row(maximum_cost="0.255", round_to="0.01"), 2, "maximum_cost", "multiple"),
        (row(valid_from="2026-10-01"), 2, "valid_from", "2026-10-01T00:00:00+08:00"),
        (row(valid_from="1.10.2026"), 2, "valid_from", "date, time and offset"),
        (
            row(valid_from="2026-10-01T00:00:00Z", valid_until="2026-10-01T08:00:00+08:00"),
            2,
            "valid_until",
            "later moment",
        ),
        (row(bands="night"), 2, "bands", "name=days from-to price"),
        (row(bands="n=all 20:00-25:00 1"), 2, "bands", "00:00 to 24:00"),
        (row(bands="n=all 24:00-08:00 1"), 2, "bands", "write 00:00"),
        (row(bands="n=all 20:00-00:00 1"), 2, "bands", "write 24:00"),
        (row(bands="n=funday 20:00-08:00 1"), 2, "bands", "mon, tue"),
        (row(bands="n=fri-mon 20:00-08:00 1"), 2, "bands", "'fri-mon' are no days"),
        (row(bands="n=all 20:00-08:00 x"), 2, "bands", "plain decimal"),
        (row(bands="n=all 1:00-2:00 1"), 2, "bands", "not a time of day"),
        (row(bands="n=all 20:00-08:00 1; n=all 08:00-09:00 2"), 2, "bands", "rename one"),
        (row(bands=";" * 3), 2, "bands", "no band"),
        ("prefix\n86\n", 1, "price_per_minute", "missing"),
        ("price_per_minute,prefx\n1,86\n", 1, "prefx", "did you mean prefix?"),
        ("price_per_minute,note\n1,86\n", 1, "note", "delete it"),
        ("price_per_minute,prefix,prefix\n1,1,1\n", 1, "prefix", "twice"),
        ("price_per_minute;prefix;area\n1;86;\n", 1, "", "not by semicolons"),
        ("price_per_minute,prefix\n0,30,86\n", 2, "", "3 cells, and the first row has 2"),
        ('price_per_minute\n"1\n', 2, "", "look at the quotes"),
        ("price_per_minute\n", 1, "", "no rates"),
        ("", 1, "price_per_minute", "missing"),
        (b"price_per_minute\n1\n\xff\n", 3, "", "UTF-8"),
    ],
)
def test_wrong_cell_is_refused_with_line_column_and_remedy(
    text: str | bytes, line: int, column: str, words: str
) -> None:
    """The problem is at the line and the column that is wrong, and says what to write."""
    (problem,) = problems_of(text)

    assert (problem.line, problem.field) == (line, column)
    assert words in problem.message


def test_all_wrong_cells_are_listed_by_line() -> None:
    """Every row is looked at, and each wrong cell of a row is named."""
    rows = [f"x{index},1/0\n" for index in range(150)]

    problems = problems_of("price_per_minute,increments\n" + "".join(rows))

    assert len(problems) == 300
    assert problems[298] == Problem(
        151, "price_per_minute", "'x149' is not an amount: write a plain decimal such as 0.30"
    )


def test_rates_for_the_same_numbers_at_the_same_time_are_refused() -> None:
    """Each such pair names both lines, whether the area is a name or an adcode."""
    text = """\
prefix,area,price_per_minute,valid_from,valid_until
86,,1,,2026-10-01T00:00:00+08:00
86,,2,2026-10-01T00:00:00+08:00,
86,,3,2026-09-01T00:00:00+08:00,2026-09-02T00:00:00+08:00
,深圳,4,,
,440300,5,2026-10-01T00:00:00+08:00,
,,6,,
"""

    problems = problems_of(text)

    assert [(line, field) for line, field, _ in problems] == [(4, "prefix"), (6, "area")]
    assert "'86' is there twice (first in line 2)" in problems[0].message
    assert "'深圳' is there twice (first in line 5)" in problems[1].message


def test_more_rates_than_possible_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is bounded, and the bound is named."""
    monkeypatch.setattr(rate_table, "CSV_RATES_MAX", 2)

    (problem,) = problems_of("price_per_minute,prefix\n1,1\n1,2\n1,3\n")

    assert (problem.line, problem.message) == (4, "too many: at most 2 rates are possible")


_AMOUNTS = st.integers(0, 10**12)
_SECONDS = st.integers(0, 86_400)
_MOMENTS = st.none() | st.datetimes(
    datetime(2000, 1, 2),  # noqa: DTZ001 - the strategy adds the zone
    datetime(2199, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=0))
_BANDS = st.builds(
    Band,
    st.sampled_from(["night", "夜间", "a-1_b"]),
    st.lists(st.sampled_from(DAYS)).map(ordered_days),
    st.integers(0, 1439),
    st.integers(1, 1440),
    _AMOUNTS,
)


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    """Any rate that the rules allow."""
    area = draw(st.just("") | st.sampled_from(sorted(shipped_table().divisions)))
    round_to = draw(st.integers(1, 10**6))
    step = draw(_SECONDS)
    start, end = draw(_MOMENTS), draw(_MOMENTS)
    if start and end and end <= start:
        end = start + timedelta(seconds=1)
    maximum = draw(st.none() | st.integers(0, 10**6))
    return Rate(
        prefix="" if area else draw(st.text("0123456789", max_size=15)),
        connect_fee_micros=draw(_AMOUNTS),
        price_per_minute_micros=draw(_AMOUNTS),
        minimum_seconds=draw(_SECONDS),
        first_increment_seconds=draw(st.integers(1, 86_400)),
        next_increment_seconds=draw(st.integers(1, 86_400)),
        round_to_micros=round_to,
        area=area,
        free_seconds=draw(_SECONDS),
        first_step_seconds=step,
        first_step_price_micros=draw(_AMOUNTS) if step else 0,
        maximum_cost_micros=None if maximum is None else maximum * round_to,
        valid_from=start,
        valid_until=end,
        bands=tuple(draw(st.lists(_BANDS, max_size=3, unique_by=lambda band: band.name))),
    )


@given(rates())
def test_any_rate_is_the_same_after_csv_and_after_yaml(rate: Rate) -> None:
    """Both forms give back the rate that was written, to the last field."""
    text = write_table([rate])

    assert read_table(text.encode()).rates == [rate]
    assert RateEntry.model_validate(plain_rate(rate)).to_rate() == rate


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 9), st.none() | st.integers(1, 9)), max_size=6)
)
def test_each_rate_that_begins_before_another_ends_is_found(
    spans: list[tuple[int | None, int | None]],
) -> None:
    """A pair is named for each rate that begins while one that began before is valid."""
    day = datetime(2026, 1, 1, tzinfo=UTC)

    def moment(days: int | None) -> datetime | None:
        return None if days is None else day + timedelta(days=days)

    spans = [(start, end) for start, end in spans if start is None or end is None or start < end]
    found = list(overlapping(("86", "", moment(start), moment(end)) for start, end in spans))
    ordered = sorted(spans, key=lambda span: -1 if span[0] is None else span[0])
    late = [
        any(end is None or (-1 if start is None else start) < end for _, end in ordered[:position])
        for position, (start, _) in enumerate(ordered)
    ]

    assert len(found) == sum(late)
    assert all(first < second for first, second in found)


@given(st.text(max_size=80) | st.text("price_per_minute,;\n\"'01ab= :-", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever is in the file, the answer is a table or a refusal that lists its reasons."""
    for content in (text, f"price_per_minute,bands\n{text}"):
        assert answers(content.encode("utf-8", "replace"))


def answers(content: bytes) -> bool:
    """Whether the file is read, or refused with at least one problem; any other error is raised."""
    try:
        return len(read_table(content).rates) > 0
    except ConfigurationRefused as error:
        return len(error.problems) > 0
