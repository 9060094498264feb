"""What the entries of a provisioning file say about each other; called by directory.reading.

Names that are not in the file may be provisioned already: directory.provisioned asks. Works on the
file's values before they are known to be right, so that these problems are listed together with
those of single fields; whatever has a wrong form is passed over here.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from callctl.directory.bands import RateKey, overlapping
from callctl.directory.coverage import pricing_keys, unpriced_message
from callctl.directory.fields import read_area, read_moment, read_prefix
from callctl.directory.yaml_tree import Path, Tree, Unquoted, listed
from callctl.values.phone_number import PhoneNumber

_CURRENCY = "CNY"
Row = dict[str, Any]


def check_references(tree: Tree) -> None:
    """Add to the problems: names given twice, currencies that differ, calls without a price."""
    file = tree.value if isinstance(tree.value, dict) else {}
    tariffs = _by_text(_rows(file, (), "tariffs"), "name")
    for kind in ("calendars", "tariffs", "resellers", "tenants"):
        _check_distinct(tree, _rows(file, (), kind), "name")
    for path, calendar in _rows(file, (), "calendars"):
        _check_distinct(tree, _rows(calendar, path, "days"), "date")
    for path, tariff in _rows(file, (), "tariffs"):
        _check_overlaps(tree, path, tariff)
        _check_holidays(tree, path, tariff)
    _check_distinct(tree, _all_dids(file), "number")
    own = set(_by_text(_all_dids(file), "number"))
    for path, reseller in _rows(file, (), "resellers"):
        for key in ("tariff", "line_tariff"):
            _check_tariff(tree, (*path, key), reseller, tariffs, _currency(reseller))
            _check_priced(tree, (*path, key), tariffs.get(_word(reseller, key)), "")
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


def _check_distinct(tree: Tree, rows: Iterator[tuple[Path, Row]], key: str) -> None:
    seen: dict[str, Path] = {}
    for path, row in rows:
        value = row.get(key)
        text = value.text if isinstance(value, Unquoted) else value
        if not isinstance(text, str):
            continue
        first = seen.setdefault(text, path)
        if first != path:
            line = tree.line_of((*first, key))
            message = f"{text!r} is there twice (first in line {line}): delete or rename one"
            tree.add_problem((*path, key), message)


def _check_overlaps(tree: Tree, path: Path, tariff: Row) -> None:
    """Two rates for the same numbers at the same time."""
    keyed = [(at, rate, _rate_key(rate)) for at, rate in _rows(tariff, path, "rates")]
    known = [(at, rate, key) for at, rate, key in keyed if key]
    for one, other in overlapping(key for _, _, key in known):
        (first, _, _), (second, rate, _) = known[one], known[other]
        field = "area" if "area" in rate else "prefix"
        line = tree.line_of((*first, field))
        tree.add_problem((*second, field), overlap_message(rate.get(field, ""), line))


def overlap_message(numbers: str, line: int) -> str:
    """What to say of a rate for numbers that another, in `line`, is for at the same time."""
    whose = repr(numbers) if numbers else "the price for all other numbers"
    return (
        f"{whose} is there twice (first in line {line}): delete one, or let valid_until of one "
        "be at or before valid_from of the other"
    )


def _rate_key(rate: Row) -> RateKey | None:
    """What rates must not share; None when something of it has a wrong form."""
    try:
        area = rate.get("area")
        return (
            read_prefix(rate.get("prefix", "")),
            read_area(area) if area is not None else "",
            _moment(rate.get("valid_from")),
            _moment(rate.get("valid_until")),
        )
    except (TypeError, ValueError):
        return None


def _moment(value: Any) -> datetime | None:
    text = value.text if isinstance(value, Unquoted) else value
    return None if text is None else read_moment(text)


def _check_holidays(tree: Tree, path: Path, tariff: Row) -> None:
    if "calendar" in tariff:
        return
    for at, rate in _rows(tariff, path, "rates"):
        for where, band in _rows(rate, at, "bands"):
            days = band.get("days")
            if isinstance(days, list) and "holiday" in days:
                message = "which days are holidays? Give the tariff a calendar: callctl calendar "
                tree.add_problem((*where, "days"), message + "CN 2026 writes one")


def _check_tenant(tree: Tree, path: Path, tenant: Row, tariffs: dict[str, Row]) -> None:
    currency = _currency(tenant)
    lines = _by_text(_rows(tenant, path, "lines"), "name")
    for at, line in _rows(tenant, path, "lines"):
        number = line.get("number")
        for key in ("tariff", "carrier_tariff"):
            _check_tariff(tree, (*at, key), line, tariffs, currency)
            if isinstance(number, str) and PhoneNumber.parse(number).text:
                _check_priced(tree, (*at, key), tariffs.get(_word(line, key)), number)
    for at, did in _rows(tenant, path, "dids"):
        _check_tariff(tree, (*at, "tariff"), did, tariffs, currency)
        _check_priced(tree, (*at, "tariff"), tariffs.get(_word(did, "tariff")), "")
        _check_did_lines(tree, (*at, "lines"), did.get("lines"), lines)


def _currency(owner: Row) -> Any:
    """The currency of the account of a tenant or reseller; None when there is no account."""
    account = owner.get("account")
    return account.get("currency", _CURRENCY) if isinstance(account, dict) else None


def _check_tariff(tree: Tree, path: Path, row: Row, tariffs: dict[str, Row], currency: Any) -> None:
    tariff = tariffs.get(_word(row, str(path[-1])))
    if tariff is not None and currency is not None:
        other = tariff.get("currency", _CURRENCY)
        if other != currency:
            tree.add_problem(path, currency_message(str(tariff["name"]), other, currency))


def currency_message(tariff: str, other: str, currency: str) -> str:
    """What to say of a tariff in `other` for an account in `currency`."""
    return (
        f"tariff {tariff!r} is in {other} and the account in {currency}: "
        "take a tariff in the account's currency"
    )


def _check_priced(tree: Tree, path: Path, tariff: Row | None, number: str) -> None:
    """A leg without a price is refused: `number` must have one; "" is a hidden caller."""
    keys = [_rate_key(rate) for _, rate in _rows(tariff or {}, (), "rates")]
    known = [key for key in keys if key]
    if known and len(known) == len(keys):
        priced = {(prefix, area) for prefix, area, _, _ in known}
        if priced.isdisjoint(pricing_keys(number)):
            tree.add_problem(path, unpriced_message(number))


def _word(row: Row, key: str) -> str:
    """The row's text in `key`; "" for anything else."""
    value = row.get(key)
    return value if isinstance(value, str) else ""


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
            known = listed(lines)
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
