"""What the entries of a provisioning file say about each other; called by directory.reading.

Names that are not in the file may be provisioned already: directory.provisioned asks. Works on the
file's values before they are known to be right, so that these problems are listed together with
those of single fields; whatever has a wrong form is passed over here.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from callctl.directory.answering_references import check_answering, check_lines
from callctl.directory.bands import RateKey, overlapping
from callctl.directory.coverage import pricing_keys, unpriced_message
from callctl.directory.fields import read_area, read_moment, read_prefix
from callctl.directory.raw_rows import Row, by_text, check_distinct, rows_of, word
from callctl.directory.yaml_tree import Path, Tree, Unquoted
from callctl.values.phone_number import PhoneNumber

_CURRENCY = "CNY"


def check_references(tree: Tree) -> None:
    """Add to the problems: names given twice, currencies that differ, calls without a price."""
    file = tree.value if isinstance(tree.value, dict) else {}
    tariffs = by_text(rows_of(file, (), "tariffs"), "name")
    for kind in ("calendars", "tariffs", "resellers", "tenants"):
        check_distinct(tree, rows_of(file, (), kind), "name")
    for path, calendar in rows_of(file, (), "calendars"):
        check_distinct(tree, rows_of(calendar, path, "days"), "date")
    for path, tariff in rows_of(file, (), "tariffs"):
        _check_overlaps(tree, path, tariff)
        _check_holidays(tree, path, tariff)
    check_distinct(tree, _all_dids(file), "number")
    own = set(by_text(_all_dids(file), "number"))
    for path, reseller in rows_of(file, (), "resellers"):
        for key in ("tariff", "line_tariff"):
            _check_tariff(tree, (*path, key), reseller, tariffs, _currency(reseller))
            _check_priced(tree, (*path, key), tariffs.get(word(reseller, key)), "")
    for path, tenant in rows_of(file, (), "tenants"):
        check_distinct(tree, rows_of(tenant, path, "lines"), "name")
        _check_tenant(tree, path, tenant, tariffs)
        _check_loops(tree, path, tenant, own)
        check_answering(tree, path, tenant)


def _all_dids(file: Row) -> Iterator[tuple[Path, Row]]:
    for path, tenant in rows_of(file, (), "tenants"):
        yield from rows_of(tenant, path, "dids")


def _check_overlaps(tree: Tree, path: Path, tariff: Row) -> None:
    """Two rates for the same numbers at the same time."""
    keyed = [(at, rate, _rate_key(rate)) for at, rate in rows_of(tariff, path, "rates")]
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
    for at, rate in rows_of(tariff, path, "rates"):
        for where, band in rows_of(rate, at, "bands"):
            days = band.get("days")
            if isinstance(days, list) and "holiday" in days:
                message = "which days are holidays? Give the tariff a calendar: callctl calendar "
                tree.add_problem((*where, "days"), message + "CN 2026 writes one")


def _check_tenant(tree: Tree, path: Path, tenant: Row, tariffs: dict[str, Row]) -> None:
    currency = _currency(tenant)
    lines = by_text(rows_of(tenant, path, "lines"), "name")
    for at, line in rows_of(tenant, path, "lines"):
        number = line.get("number")
        for key in ("tariff", "carrier_tariff"):
            _check_tariff(tree, (*at, key), line, tariffs, currency)
            if isinstance(number, str) and PhoneNumber.parse(number).text:
                _check_priced(tree, (*at, key), tariffs.get(word(line, key)), number)
    for at, did in rows_of(tenant, path, "dids"):
        _check_tariff(tree, (*at, "tariff"), did, tariffs, currency)
        _check_priced(tree, (*at, "tariff"), tariffs.get(word(did, "tariff")), "")
        check_lines(tree, (*at, "lines"), did.get("lines"), lines)
        _check_default_line(tree, (*at, "lines"), did.get("lines"), lines)
        _check_callback(tree, at, did, tariffs, currency)


def _currency(owner: Row) -> Any:
    """The currency of the account of a tenant or reseller; None when there is no account."""
    account = owner.get("account")
    return account.get("currency", _CURRENCY) if isinstance(account, dict) else None


def _check_tariff(tree: Tree, path: Path, row: Row, tariffs: dict[str, Row], currency: Any) -> None:
    tariff = tariffs.get(word(row, str(path[-1])))
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
    keys = [_rate_key(rate) for _, rate in rows_of(tariff or {}, (), "rates")]
    known = [key for key in keys if key]
    if known and len(known) == len(keys):
        priced = {(prefix, area) for prefix, area, _, _ in known}
        if priced.isdisjoint(pricing_keys(number)):
            tree.add_problem(path, unpriced_message(number))


def _check_default_line(tree: Tree, path: Path, names: Any, lines: dict[str, Row]) -> None:
    found = names if isinstance(names, list) else []
    bound = [lines[name] for name in found if isinstance(name, str) and name in lines]
    if bound and len(bound) == len(found) and all(line.get("areas") for line in bound):
        message = "every line here serves only its areas: add one without areas for all others"
        tree.add_problem(path, message)


def _check_callback(
    tree: Tree, path: Path, did: Row, tariffs: dict[str, Row], currency: Any
) -> None:
    """The tariffs by which callers are called back must price every caller."""
    callback = did.get("callback")
    if isinstance(callback, dict):
        for key in ("tariff", "carrier_tariff"):
            at = (*path, "callback", key)
            _check_tariff(tree, at, callback, tariffs, currency)
            _check_priced(tree, at, tariffs.get(word(callback, key)), "")


def _check_loops(tree: Tree, path: Path, tenant: Row, own: set[str]) -> None:
    for at, line in rows_of(tenant, path, "lines"):
        number = line.get("number")
        if not isinstance(number, str):
            continue
        parsed = PhoneNumber.parse(number)
        if own & {parsed.national, parsed.dial_digits}:
            message = f"{number!r} is one of this file's DIDs, so calls would go round: "
            tree.add_problem((*at, "number"), message + "write the number that answers")
