"""The file's form of what is provisioned, and the difference of two of them; used by apply, store.

Plain means what YAML holds: mappings, lists, text and whole numbers, complete and in one order.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from callctl.directory.document import (
    Increments,
    show_amount,
    show_area,
    show_increments,
    show_number,
)
from callctl.directory.rows import Row, Rows

Plain = dict[str, Any]
_KEYS = ("name", "number", "prefix")  # what tells the entries of a list apart


class Change(NamedTuple):
    """One field that differs: sign is + (new), ~ (other value) or - (gone)."""

    sign: str
    path: str
    old: str | None
    new: str | None


def plain_rows(rows: Rows) -> Plain:
    """What is provisioned, as the file has it."""
    return {
        "tariffs": [
            plain_tariff(row, rows.rates.get(row["version_id"], [])) for row in rows.tariffs
        ],
        "tenants": [
            plain_tenant(row, rows.lines.get(row["id"], []), rows.dids.get(row["id"], []))
            for row in rows.tenants
        ],
    }


def plain_tariff(row: Row, rates: list[Row]) -> Plain:
    """One tariff at its newest version."""
    return {
        "name": row["name"],
        "currency": row["currency"],
        "rates": [_plain_rate(rate) for rate in rates],
    }


def plain_tenant(row: Row, lines: list[Row], dids: list[Row]) -> Plain:
    """One tenant with its account, lines and DIDs."""
    names = {line["id"]: line["name"] for line in lines}
    return {
        "name": row["name"],
        "language": row["language"],
        "timezone": row["timezone"],
        "account": {
            "currency": row["currency"],
            "opening_balance": show_amount(row["opening_balance_micros"]),
            "credit_limit": show_amount(row["credit_limit_micros"]),
            "warn_seconds": list(row["warn_seconds"]),
        },
        "lines": [_plain_line(line) for line in lines],
        "dids": [_plain_did(did, names) for did in dids],
    }


def _plain_rate(row: Row) -> Plain:
    increments = Increments(row["first_increment_seconds"], row["next_increment_seconds"])
    return {
        "prefix": row["prefix"],
        "price_per_minute": show_amount(row["price_per_minute_micros"]),
        "connect_fee": show_amount(row["connect_fee_micros"]),
        "minimum_seconds": row["minimum_seconds"],
        "increments": show_increments(increments),
        "round_to": show_amount(row["round_to_micros"]),
    }


def _plain_line(row: Row) -> Plain:
    return {
        "name": row["name"],
        "number": show_number(row["number"]),
        "trunk": row["trunk"],
        "areas": [show_area(adcode) for adcode in row["areas"]],
        "ring_seconds": row["ring_seconds"],
    } | _if_set("tariff", row["tariff"])


def _plain_did(row: Row, line_names: dict[int, str]) -> Plain:
    return {
        "number": row["number"],
        "tariff": row["tariff"],
        **_if_set("ringback", row["ringback"]),
        "lines": [line_names[line_id] for line_id in row["line_ids"]],
        "blacklist": [show_number(number) for number in row["blacklist"]],
    }


def _if_set(name: str, value: str | None) -> Plain:
    return {} if value is None else {name: value}


def difference(path: str, old: Plain | None, new: Plain) -> list[Change]:
    """The fields in which one entry differs, in the order of `new`; then those that are gone."""
    before = dict(_leaves(path, {**(old or {}), "name": None}))
    after = dict(_leaves(path, {**new, "name": None}))
    changes = []
    for leaf, value in after.items():
        if leaf not in before:
            changes.append(Change("+", leaf, None, value))
        elif before[leaf] != value:
            changes.append(Change("~", leaf, before[leaf], value))
    changes += [Change("-", leaf, was, None) for leaf, was in before.items() if leaf not in after]
    return changes


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every single value below `path` with its dotted path; a list of words is one value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner)
    elif isinstance(value, list):
        yield from _list_leaves(path, value)
    elif value is not None:
        yield path, str(value)


def _list_leaves(path: str, values: list[Any]) -> Iterator[tuple[str, str]]:
    if path.endswith(".blacklist"):
        for number in values:
            yield f"{path}.{number}", "refused"
    elif values and isinstance(values[0], dict):
        for entry in values:
            key = next(key for key in _KEYS if key in entry)
            rest = {name: inner for name, inner in entry.items() if name != key}
            yield from _leaves(f"{path}.{entry[key] or '*'}", rest)
    elif values:
        yield path, ", ".join(map(str, values))
