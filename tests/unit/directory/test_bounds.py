"""What a file may hold is bounded, and so is what is told of its mistakes and kept of its words."""

import functools
import importlib
import pkgutil
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

import callctl
from callctl.directory import area_import, provisioned, rate_table, reading
from callctl.directory.area_import import read_segments
from callctl.directory.document import json_schema
from callctl.directory.rate_table import read_table
from callctl.directory.reading import read_document
from callctl.errors import ConfigurationRefused
from tests.unit.schema_bounds import unbounded

# Compared with what there is: the zones of the IANA, a prompt's name, a target or a line.
_KNOWN_WORDS = {
    "/$defs/GreetingEntry/anyOf/0",
    "/$defs/MemberEntry/anyOf/0",
    "/$defs/MenuKeyEntry/anyOf/0",
    "/$defs/ResellerEntry/properties/timezone",
    "/$defs/TenantEntry/properties/timezone",
}


def test_every_field_of_a_configuration_is_bounded() -> None:
    """No list, no number and no text of any length or size."""
    assert set(unbounded(json_schema())) == _KNOWN_WORDS


def _caches() -> Iterator[tuple[str, Any]]:
    """All that remembers what it was asked, by name."""
    for module in pkgutil.walk_packages(callctl.__path__, "callctl."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, functools._lru_cache_wrapper):
                yield f"{module.name}.{name}", value


def test_every_memory_of_answers_is_bounded() -> None:
    """A cache has a size, unless its function takes nothing and so has one answer."""
    found = dict(_caches())
    assert len(found) > 10
    endless = {
        name
        for name, cache in found.items()
        if cache.cache_parameters()["maxsize"] is None and cache.__wrapped__.__code__.co_argcount
    }
    assert endless == set()


def _refused(content: str) -> ConfigurationRefused:
    with pytest.raises(ConfigurationRefused) as met:
        read_document(content.encode())
    return met.value


def test_mistakes_that_are_told_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file in which all is wrong the first ones are listed, and how many there are more."""
    monkeypatch.setattr(reading, "PROBLEMS_MAX", 3)
    error = _refused("tenants:\n" + "  - {nam: x}\n" * 5)
    assert len(error.problems) == 3
    assert str(error).splitlines()[-1] == "and 12 more"


def test_mistakes_of_a_tariff_that_are_told_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are known; the first ones are in the text, and how many there are more."""
    monkeypatch.setattr(rate_table, "PROBLEMS_SHOWN_MAX", 3)
    with pytest.raises(ConfigurationRefused) as met:
        read_table(b"prefix,price_per_minute\n" + b"1,free\n" * 5)
    lines = str(met.value).splitlines()
    assert len(lines) == 5
    assert lines[-1] == f"and {len(met.value.problems) - 3} more"


@pytest.mark.parametrize(
    ("module", "read"), [(rate_table, read_table), (area_import, read_segments)]
)
def test_a_file_that_is_too_large_is_not_read(
    monkeypatch: pytest.MonkeyPatch, module: Any, read: Any
) -> None:
    """It is refused by its size, before anything of it is looked at."""
    monkeypatch.setattr(module, "BYTES_MAX", 10)
    with pytest.raises(ConfigurationRefused) as met:
        read(b"\xff" * 11)
    assert "over 10 bytes" in met.value.problems[0].message


def test_segments_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with more is refused where the one too many stands."""
    monkeypatch.setattr(area_import, "SEGMENTS_MAX", 2)
    rows = "".join(f"139017{number},上海\n" for number in range(1, 4))
    with pytest.raises(ConfigurationRefused) as met:
        read_segments(rows.encode())
    [problem] = met.value.problems
    assert (problem.line, problem.message) == (3, "too many: at most 2 segments are possible")


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ('price_per_minute: "1000000000.01"', "out of range"),
        ('price_per_minute: "1", increments: 86401/1', "is not first/next"),
        ('price_per_minute: "1", increments: 1/86401', "is not first/next"),
    ],
)
def test_prices_and_steps_are_bounded(rate: str, message: str) -> None:
    """Sums of prices stay far inside a bigint, and a step of a price within a day."""
    error = _refused(f"tariffs: [{{name: x, rates: [{{{rate}}}]}}]\n")
    assert [message in problem.message for problem in error.problems] == [True]


def test_bands_of_a_table_are_bounded() -> None:
    """As many as in the other form."""
    for count, is_refused in ((20, False), (21, True)):
        bands = "; ".join(f"b{n}=all 00:{n:02}-00:{n + 1:02} 1" for n in range(count))
        content = f"prefix,price_per_minute,bands\n1,0.30,{bands}\n".encode()
        if is_refused:
            with pytest.raises(ConfigurationRefused, match="at most 20 bands are possible"):
                read_table(content)
        else:
            assert len(read_table(content).rates[0].bands) == 20


def test_resellers_above_each_other_are_bounded() -> None:
    """Each is a payer of every leg: five and no more."""
    for count, messages in ((5, 0), (6, 1)):
        names = [f"r{number}" for number in range(count)]
        rows = [
            f"  - {{name: {name}, tariff: x, account: {{}}, reseller: {above}}}"
            for name, above in zip(names, [*names[1:], "null"], strict=True)
        ]
        tariff = 'tariffs: [{name: x, rates: [{price_per_minute: "1"}]}]'
        content = "\n".join([tariff, "resellers:", *rows])
        document = read_document(content.encode())
        nodes = provisioned._nodes(document, cast(Any, SimpleNamespace(resellers=[])))
        found = list(provisioned._chain_problems(document, nodes))
        assert ["at most 5 are possible" in one.message for one in found] == [True] * messages


def test_seconds_of_a_table_are_bounded() -> None:
    """A day at most, as in the other form."""
    with pytest.raises(ConfigurationRefused) as met:
        read_table(b"prefix,price_per_minute,free_seconds\n1,0.30,86401\n")
    assert "86401 is too large: at most 86400" in met.value.problems[0].message
