"""What the entries of a provisioning file say about each other; called by directory.reading.

Works on the file's values before they are known to be right, so that these problems are listed
together with those of single fields; whatever has a wrong form is passed over here.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from callctl.directory.yaml_tree import Path, Tree
from callctl.values.phone_number import PhoneNumber

_CURRENCY = "CNY"
Row = dict[str, Any]


def check_references(tree: Tree) -> None:
    """Add to the tree's problems: names given twice, unknown names, currencies that differ."""
    file = tree.value if isinstance(tree.value, dict) else {}
    tariffs = _by_text(_rows(file, (), "tariffs"), "name")
    for path, tariff in _rows(file, (), "tariffs"):
        _check_distinct(tree, _rows(tariff, path, "rates"), "prefix", default="")
    _check_distinct(tree, _rows(file, (), "tariffs"), "name")
    _check_distinct(tree, _rows(file, (), "tenants"), "name")
    _check_distinct(tree, _all_dids(file), "number")
    own = set(_by_text(_all_dids(file), "number"))
    for path, tenant in _rows(file, (), "tenants"):
        _check_distinct(tree, _rows(tenant, path, "lines"), "name")
        _check_tenant(tree, path, tenant, tariffs)
        _check_loops(tree, path, tenant, own)


def _rows(parent: Row, path: Path, name: str) -> Iterator[tuple[Path, Row]]:
    """The mappings in a list of mappings, each with its path; nothing if it is no list."""
    rows = parent.get(name)
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(row, dict):
            yield (*path, name, index), row


def _by_text(rows: Iterator[tuple[Path, Row]], key: str) -> dict[str, Row]:
    """The rows by their text in `key`; rows without one are left out."""
    return {row[key]: row for _, row in rows if isinstance(row.get(key), str)}


def _all_dids(file: Row) -> Iterator[tuple[Path, Row]]:
    for path, tenant in _rows(file, (), "tenants"):
        yield from _rows(tenant, path, "dids")


def _check_distinct(
    tree: Tree, rows: Iterator[tuple[Path, Row]], key: str, default: str | None = None
) -> None:
    seen: dict[str, Path] = {}
    for path, row in rows:
        value = row.get(key, default)
        if not isinstance(value, str):
            continue
        first = seen.setdefault(value, path)
        if first != path:
            line = tree.line_of((*first, key))
            message = f"{value!r} is there twice (first in line {line}): delete or rename one"
            tree.add_problem((*path, key), message)


def _check_tenant(tree: Tree, path: Path, tenant: Row, tariffs: dict[str, Row]) -> None:
    account = tenant.get("account")
    currency = account.get("currency", _CURRENCY) if isinstance(account, dict) else None
    lines = _by_text(_rows(tenant, path, "lines"), "name")
    for at, line in _rows(tenant, path, "lines"):
        _check_tariff(tree, (*at, "tariff"), line.get("tariff"), tariffs, currency)
        number = _digits(line.get("number"))
        if number:
            _check_priced(tree, (*at, "tariff"), tariffs.get(_word(line, "tariff")), number)
    for at, did in _rows(tenant, path, "dids"):
        _check_tariff(tree, (*at, "tariff"), did.get("tariff"), tariffs, currency)
        _check_priced(tree, (*at, "tariff"), tariffs.get(_word(did, "tariff")), "")
        _check_did_lines(tree, (*at, "lines"), did.get("lines"), lines)


def _check_tariff(
    tree: Tree, path: Path, name: Any, tariffs: dict[str, Row], currency: Any
) -> None:
    if not isinstance(name, str):
        return
    if name not in tariffs:
        known = _listed(tariffs)
        tree.add_problem(path, f"there is no tariff {name!r} in this file{known}: add it")
    elif currency is not None and tariffs[name].get("currency", _CURRENCY) != currency:
        other = tariffs[name].get("currency", _CURRENCY)
        message = f"tariff {name!r} is in {other} and the account in {currency}: "
        tree.add_problem(path, message + "take a tariff in the account's currency")


def _check_priced(tree: Tree, path: Path, tariff: Row | None, digits: str) -> None:
    """A leg without a price is refused: `digits` must have one; "" are those of a hidden caller."""
    prefixes = [rate.get("prefix", "") for _, rate in _rows(tariff or {}, (), "rates")]
    if any(isinstance(prefix, str) and digits.startswith(prefix) for prefix in prefixes):
        return
    if prefixes:
        whom = f"a number in {digits[:5]}..." if digits else "callers who show no number"
        message = f"this tariff has no price for {whom}: add a rate without prefix to it"
        tree.add_problem(path, message)


def _word(row: Row, key: str) -> str:
    """The row's text in `key`; "" for anything else."""
    value = row.get(key)
    return value if isinstance(value, str) else ""


def _digits(number: Any) -> str:
    """The digits that rates are chosen by: with the country code, without a plus."""
    return PhoneNumber.parse(number).text.lstrip("+") if isinstance(number, str) else ""


def _check_did_lines(tree: Tree, path: Path, names: Any, lines: dict[str, Row]) -> None:
    if not isinstance(names, list):
        return
    seen: set[str] = set()
    rings: dict[str, str] = {}
    for index, name in enumerate(names):
        at = (*path, index)
        if not isinstance(name, str):
            continue
        if name not in lines:
            known = _listed(lines)
            tree.add_problem(at, f"this tenant has no line {name!r}{known}: add it")
            continue
        number = lines[name].get("number")
        text = PhoneNumber.parse(number).text if isinstance(number, str) else ""
        other = rings.setdefault(text or name, name)
        if name in seen:
            tree.add_problem(at, f"line {name!r} is in this list twice: delete one")
        elif other != name:
            tree.add_problem(at, f"line {name!r} has the same number as {other!r}: delete one")
        seen.add(name)
    bound = [lines[name] for name in names if isinstance(name, str) and name in lines]
    if bound and len(bound) == len(names) and all(line.get("areas") for line in bound):
        message = "every line here serves only its areas: add one without areas for all others"
        tree.add_problem(path, message)


def _check_loops(tree: Tree, path: Path, tenant: Row, own: set[str]) -> None:
    for at, line in _rows(tenant, path, "lines"):
        number = line.get("number")
        if not isinstance(number, str):
            continue
        parsed = PhoneNumber.parse(number)
        if own & {parsed.national, parsed.dial_digits}:
            message = f"{number!r} is one of this file's DIDs, so calls would go round: "
            tree.add_problem((*at, "number"), message + "write the number that answers")


def _listed(names: Iterable[str]) -> str:
    known = sorted(names)[:8]
    return f" (there is {', '.join(known)})" if known else ""
