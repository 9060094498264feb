"""What a number includes (A3, A17, A18, ambiguities 1 and 5), and that no more is taken."""

import pytest

from callctl.directory.reading import read_document
from callctl.errors import ConfigurationRefused

HEAD = """\
tariffs: [{name: plain, rates: [{price_per_minute: "0.30"}]}]
tenants:
  - name: acme
    account: {}
"""


def lines(count: int, first: int = 0) -> str:
    """So many lines, each with a number of its own."""
    rows = (
        f'      - {{name: l{index}, number: "0106200{index:04d}"}}\n'
        for index in range(first, first + count)
    )
    return "    lines:\n" + "".join(rows)


def groups(count: int, each: int = 1, *, extension: bool = False) -> str:
    """Groups g0, g1, ... of `each` lines."""
    rows = []
    for index in range(count):
        names = ", ".join(f"l{index * each + one}" for one in range(each))
        dialled = f', extension: "{8000 + index}"' if extension else ""
        rows.append(f"      - {{name: g{index}, lines: [{names}]{dialled}}}\n")
    return "    groups:\n" + "".join(rows)


def menus(*keys: str) -> str:
    """Menus m0, m1, ... with these keys each."""
    rows = (
        f"      - {{name: m{index}, prompt: callctl/menu, keys: {{{one}}}}}\n"
        for index, one in enumerate(keys)
    )
    return "    menus:\n" + "".join(rows)


def keys(first: int, count: int) -> str:
    """So many keys of a menu, to the groups from g<first> on."""
    return ", ".join(f'"{key}": group:g{first + key}' for key in range(count))


def did(text: str) -> str:
    """A number that has this, too."""
    return f'    dids:\n      - {{number: "4001234567", tariff: plain, {text}}}\n'


def messages_of(*parts: str) -> list[tuple[str, str]]:
    """Field and message of every problem of a file; none: it is accepted."""
    try:
        read_document((HEAD + "".join(parts)).encode())
    except ConfigurationRefused as error:
        return [(problem.field, problem.message) for problem in error.problems]
    return []


NAMES = ", ".join(f"l{index}" for index in range(21))


@pytest.mark.parametrize("way", [f"lines: [{NAMES}]", "to: group:g0"])
def test_twenty_lines_are_included_and_more_are_bought(way: str) -> None:
    """The twenty-first line is refused with both counters, and taken once it was bought."""
    parts = (lines(21), groups(1, 21))

    [(field, message)] = messages_of(*parts, did(way))

    assert field == f"tenants[0].dids[0].{way.partition(':')[0]}"
    assert message.startswith(
        "21 lines are reached without a menu (at most 20: 20 and extras.lines 0) and "
        "0 extensions behind menus (at most 10: 10 on one level and extras.extensions 0)"
    )
    assert messages_of(*parts, did(f"{way}, extras: {{lines: 1}}")) == []


def test_lines_are_counted_over_all_ways_and_once_each() -> None:
    """Routes, closed, otherwise, overflow, a queue's keys and messages count; menus do not."""
    ways = (
        "    groups:\n"
        "      - {name: a, lines: [l0, l1], otherwise: message:m,"
        " queue: {overflow: line:l2, keys: {'1': line:l3}}}\n"
        "      - {name: b, lines: [l0, l4]}\n"
        "    messages: [{name: m, prompt: callctl/m, then: line:l5}]\n"
        + menus('"1": line:l6')
        + did(
            "to: group:a, closed: line:l7, extras: {lines: 0},"
            " routes: [{name: r, vip: true, to: line:l8}, {name: s, to: group:b},"
            " {name: t, areas: [北京], to: menu:m0}, {name: u, percentage: 1, to: line:l9}]"
        )
    )
    assert messages_of(lines(10), ways) == []
    many = "".join(f", {{name: x{index}, to: line:l{index}}}" for index in range(10, 22))

    [(_, message)] = messages_of(lines(22), ways.replace("to: line:l9}", "to: line:l9}" + many))

    assert message.startswith("21 lines are reached")
    assert " and 1 extensions" in message


def test_ten_extensions_are_included_on_one_level() -> None:
    """Ten keys to ten groups are included, an eleventh extension that is dialled is not (A17)."""
    parts = (lines(44), groups(10, 4), menus(keys(0, 10)))
    assert messages_of(*parts, did("to: menu:m0")) == []

    parts = (lines(44), groups(11, 4, extension=True), menus(keys(0, 10)))
    dialled = [part.replace("keys:", "dials_extensions: true, keys:") for part in parts]
    [(field, message)] = messages_of(*dialled, did("to: menu:m0"))

    assert field == "tenants[0].dids[0].to"
    assert "11 extensions behind menus (at most 10: 10 on one level" in message
    assert messages_of(*dialled, did("to: menu:m0, extras: {extensions: 1}")) == []


def test_forty_extensions_are_included_on_two_levels() -> None:
    """Ten keys with four below each are included (A18), a forty-first extension is not."""
    below = [keys(4 * menu, 4) for menu in range(10)]
    top = ", ".join(f'"{key}": menu:m{key + 1}' for key in range(10))
    parts = (lines(41), groups(41))
    assert messages_of(*parts, menus(top, *below), did("to: menu:m0")) == []

    below[0] += ', "9": group:g40'
    [(_, message)] = messages_of(*parts, menus(top, *below), did("to: menu:m0"))

    assert "41 extensions behind menus (at most 40: 40 on several levels" in message


def test_a_menu_that_leads_back_is_no_second_level() -> None:
    """A key that plays the menu again does not make the switchboard one of two levels."""
    again = keys(0, 10) + ', "*": menu:m0, "#": group:g10'

    [(_, message)] = messages_of(lines(11), groups(11), menus(again), did("to: menu:m0"))

    assert "11 extensions behind menus (at most 10: 10 on one level" in message


def test_four_lines_are_included_in_an_extension() -> None:
    """A fifth line of an extension is bought; reached without a menu it is one of the twenty."""
    parts = (lines(5), groups(1, 5), menus(keys(0, 1)))
    assert messages_of(*parts, did("to: group:g0")) == []

    [(_, message)] = messages_of(*parts, did("to: menu:m0"))

    assert message.startswith(
        "group:g0 is an extension of 5 lines (at most 4: 4 and extras.lines_per_extension 0)"
    )
    assert messages_of(*parts, did("to: menu:m0, extras: {lines_per_extension: 1}")) == []
