"""Reading a provisioning file: what is accepted, and that every problem is named with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.directory.document import Document, json_schema
from callctl.directory.plain import plain_document
from callctl.directory.reading import read_document
from callctl.directory.yaml_tree import BYTES_MAX
from callctl.errors import ConfigurationRefused, Problem

EXAMPLE = Path(__file__).parents[3] / "deploy" / "example-tenant.yaml"
SMALL = """\
tariffs:
  - name: standard
    rates:
      - price_per_minute: "0.30"
tenants:
  - name: acme
    account:
      opening_balance: "600"
    lines:
      - name: beijing
        number: "01062000001"
        areas: [北京]
      - name: other
        number: "+86 571 6200 0003"
    dids:
      - number: "4001234567"
        tariff: standard
        lines: [beijing, other]
        blacklist: ["13900000000"]
"""


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    """The problems for which a file is refused."""
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(ConfigurationRefused) as caught:
        read_document(content)
    return caught.value.problems


def answers(content: bytes) -> bool:
    """Whether the file is read, or refused with at least one problem; any other error is raised."""
    try:
        read_document(content)
    except ConfigurationRefused as error:
        return len(error.problems) > 0
    return True


def the_problem(old: str, new: str) -> Problem:
    """The only problem of the small file with one thing replaced."""
    assert SMALL.count(old) == 1
    (problem,) = problems_of(SMALL.replace(old, new))
    return problem


def test_example_tenant_is_accepted() -> None:
    """The example that the demo loads is a valid file."""
    document = read_document(EXAMPLE.read_bytes())

    assert [tenant.name for tenant in document.tenants] == ["acme", "shortcash"]


def test_amounts_numbers_areas_and_increments_become_values() -> None:
    """Text of the file is micro-units, E.164, adcodes and seconds in the document."""
    document = read_document(SMALL.encode())

    tenant, rate = document.tenants[0], document.tariffs[0].rates[0]
    assert tenant.account.opening_balance_micros == 600_000_000
    assert [line.number for line in tenant.lines] == ["+861062000001", "+8657162000003"]
    assert tenant.lines[0].areas == ["110000"]
    assert tenant.dids[0].blacklist == ["+8613900000000"]
    assert (rate.price_per_minute_micros, rate.round_to_micros) == (300_000, 100)
    assert (rate.increments.first_seconds, rate.increments.next_seconds) == (60, 60)
    assert tenant.account.warn_seconds == [60, 15]


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "words"),
    [
        ('"0.30"', "0.30", 4, "tariffs[0].rates[0].price_per_minute", 'in quotes: "0.30"'),
        ('"600"', "600", 8, "tenants[0].account.opening_balance", 'in quotes: "600"'),
        ('"600"', '"6e2"', 8, "tenants[0].account.opening_balance", "plain decimal"),
        ('"600"', '"-1"', 8, "tenants[0].account.opening_balance", "out of range"),
        ('"600"', '"0.0000001"', 8, "tenants[0].account.opening_balance", "plain decimal"),
        ('"600"', "", 8, "tenants[0].account.opening_balance", "no value"),
        ('"01062000001"', "01062000001", 11, "tenants[0].lines[0].number", '"01062000001"'),
        ('"01062000001"', '"62000001"', 11, "tenants[0].lines[0].number", "area code"),
        ("[北京]", "[北惊]", 12, "tenants[0].lines[0].areas[0]", "not a known area"),
        ("[北京]", "北京", 12, "tenants[0].lines[0].areas", "a list is needed"),
        ('"13900000000"', "13900000000", 19, "tenants[0].dids[0].blacklist[0]", "in quotes"),
        ("areas: [", "area: [", 12, "tenants[0].lines[0].area", "mean areas?"),
        ("beijing, other", "beijing", 18, "tenants[0].dids[0].lines", "without areas"),
        ("beijing, other", "other, nope", 18, "tenants[0].dids[0].lines[1]", "no line 'nope'"),
        ("beijing, other", "other, other", 18, "tenants[0].dids[0].lines[1]", "twice"),
        ("name: other", "name: beijing", 13, "tenants[0].lines[1].name", "first in line 10"),
        ("name: acme", "name: Acme", 6, "tenants[0].name", "small letters"),
        ("name: standard", "{name: standard, currency: EUR", 3, "", "not YAML"),
        ('"4001234567"', '"+4001234567"', 16, "tenants[0].dids[0].number", "3 to 15 digits"),
    ],
)
def test_wrong_field_is_refused_with_its_line_and_remedy(
    old: str, new: str, line: int, field: str, words: str
) -> None:
    """The first problem is at the line and the field that is wrong, and says what to write."""
    assert SMALL.count(old) == 1
    problem = problems_of(SMALL.replace(old, new))[0]

    assert (problem.line, problem.field) == (line, field)
    assert words in problem.message


def test_all_problems_are_listed_at_once() -> None:
    """Wrong YAML fields, wrong values and wrong references come in one list, by line."""
    text = SMALL.replace('"0.30"', "0.30").replace("[beijing, other]", "[nope]")
    text = text.replace("name: other", "name: other\n        name: again\n        ring_seconds: 0")

    problems = problems_of(text)

    assert [problem.field for problem in problems] == [
        "tariffs[0].rates[0].price_per_minute",
        "tenants[0].lines[1].name",
        "tenants[0].lines[1].ring_seconds",
        "tenants[0].dids[0].lines[0]",
    ]
    assert [problem.line for problem in problems] == [4, 14, 15, 20]


def test_tariff_in_another_currency_is_refused() -> None:
    """A DID's tariff must have its account's currency."""
    problem = the_problem("name: standard", "name: standard\n    currency: EUR")

    assert (problem.line, problem.field) == (18, "tenants[0].dids[0].tariff")
    assert "in EUR and the account in CNY" in problem.message


def test_tariff_that_does_not_price_every_caller_is_refused() -> None:
    """A DID's tariff needs a rate for callers without a number; a line's one for that line."""
    problem = the_problem("- price_per_minute", '- prefix: "86"\n        price_per_minute')
    assert problem.field == "tenants[0].dids[0].tariff"
    assert "rate without prefix" in problem.message

    text = SMALL.replace("areas: [北京]", "areas: [北京]\n        tariff: abroad") + (
        "  - {name: abroad, rates: [{prefix: '44', price_per_minute: '1'}]}\n"
    )
    head, _, tenants = text.partition("tenants:\n")
    tenants, _, abroad = tenants.rpartition("  - {")
    (problem,) = problems_of(f"{head}  - {{{abroad}tenants:\n{tenants}")
    assert problem.field == "tenants[0].lines[0].tariff"
    assert "8610" in problem.message


def test_line_that_is_a_did_is_refused() -> None:
    """A 400 number bound to itself would ring itself for ever."""
    problem = the_problem("+86 571 6200 0003", "400 123 4567")

    assert problem.field == "tenants[0].lines[1].number"
    assert "go round" in problem.message


def test_two_lines_of_one_number_in_a_did_are_refused() -> None:
    """A3 counts distinct numbers, however they are written."""
    problem = the_problem("+86 571 6200 0003", "+86 (0)10 6200 0001")

    assert problem.field == "tenants[0].dids[0].lines[1]"


def test_did_of_two_tenants_is_refused() -> None:
    """A DID belongs to one tenant."""
    second = SMALL.partition("tenants:\n")[2].replace("acme", "other-company")

    (problem,) = problems_of(SMALL + second)

    assert problem.field == "tenants[1].dids[0].number"
    assert "first in line 16" in problem.message


def test_more_than_twenty_lines_on_a_did_are_refused() -> None:
    """A3: twenty answering numbers a 400 number."""
    names = [f"line-{index}" for index in range(21)]
    lines = "".join(
        f'      - {{name: {name}, number: "0106300{index:04d}"}}\n'
        for index, name in enumerate(names)
    )
    text = SMALL.replace("    dids:\n", f"{lines}    dids:\n")
    text = text.replace("[beijing, other]", f"[{', '.join(names)}]")

    (problem,) = problems_of(text)

    assert problem.field == "tenants[0].dids[0].lines"
    assert "at most 20" in problem.message


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "empty"),
        (b"# only a comment\n", 1, "empty"),
        (b"- a\n", 1, "must begin with fields"),
        (b"tenants:\n\t- name: a\n", 2, "a tab"),
        (b"tenants: []\n", 1, "nothing in this file"),
        (b"tenants: [\n", 2, "not YAML"),
        (b"a: 1\n\x00\x01", 2, "control character"),
        (b"\x89PNG\r\n\x1a\n\xff", 1, "not UTF-8"),
        (b"tenants: []\n---\ntenants: []\n", 2, "second YAML document"),
        (b"tenants: !!python/object:os.system []\n", 1, "tags are not used"),
        (b"[" * 100_000, 1, "nested too deeply"),
        (b"? [a]\n: b\n", 1, "plain word"),
        (b"a" * (BYTES_MAX + 1), 1, "over 4000000 bytes"),
    ],
)
def test_what_is_no_table_of_settings_is_refused(content: bytes, line: int, words: str) -> None:
    """Files of another kind get one clear sentence, never a traceback."""
    problem = problems_of(content)[0]

    assert problem.line == line
    assert words in problem.message


def test_aliases_are_refused_and_never_expanded() -> None:
    """The file that doubles itself with each line is refused at its first alias."""
    rows = [f"a{row}: &a{row} [*a{row - 1}, *a{row - 1}]" for row in range(1, 60)]

    problems = problems_of("a0: &a0 [x]\n" + "\n".join(rows))

    assert any("aliases are not used" in problem.message for problem in problems)


def test_schema_has_the_names_of_the_file() -> None:
    """The JSON Schema speaks of the file's fields, all described, and not of ours."""
    schema = json_schema()

    rate = schema["$defs"]["RateEntry"]
    assert set(rate["required"]) == {"price_per_minute"}
    assert rate["properties"]["increments"]["default"] == "60/60"
    assert rate["properties"]["price_per_minute"]["type"] == "string"
    assert "micros" not in str(schema)


def test_plain_form_is_read_back_as_the_same_document() -> None:
    """What a document says of itself is the same document."""
    document = read_document(EXAMPLE.read_bytes())

    again = Document.model_validate(plain_document(document))
    assert (again.tariffs, again.tenants) == (document.tariffs, document.tenants)


@given(st.binary(max_size=300) | st.text(alphabet="[]{}:-,&*!|>'\"%@`?#\t\n a0.~<", max_size=60))
def test_any_content_is_read_or_refused(content: bytes | str) -> None:
    """Whatever is in the file, the answer is a document or a refusal that lists its reasons."""
    assert answers(content if isinstance(content, bytes) else content.encode())


@given(st.data())
def test_broken_example_is_read_or_refused(data: st.DataObject) -> None:
    """The small file with a piece cut out or doubled never ends in another error."""
    start = data.draw(st.integers(0, len(SMALL)))
    end = data.draw(st.integers(start, min(len(SMALL), start + 40)))
    piece = data.draw(st.sampled_from(["", SMALL[start:end] * 2, "{}", "[]", ": ", "null", "- "]))

    assert answers((SMALL[:start] + piece + SMALL[end:]).encode())
