"""The file's form of what is provisioned, and the difference of two of them; used by apply, store.

Plain means what YAML holds: mappings, lists, text and whole numbers, complete and in one order.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from callctl.directory.bands import show_days
from callctl.directory.columns import Plain, plain_account, plain_tenant
from callctl.directory.document import Document
from callctl.directory.fields import (
    Increments,
    show_amount,
    show_area,
    show_clock,
    show_increments,
    show_moment,
)
from callctl.directory.rows import Row, Rows
from callctl.values.tariff import Band, Rate

KINDS = ("calendars", "tariffs", "resellers", "tenants")  # in the order of the file
_KEYS = ("date", "name", "number")  # what tells the entries of a list apart


class Change(NamedTuple):
    """One field that differs: sign is + (new), ~ (other value) or - (gone)."""

    sign: str
    path: str
    old: str | None
    new: str | None


def plain_document(document: Document) -> Plain:
    """A document in the file's own form."""
    plain = document.model_dump(by_alias=True, exclude_none=True)
    for entry, tariff in zip(plain["tariffs"], document.tariffs, strict=True):
        entry["rates"] = [plain_rate(rate.to_rate()) for rate in tariff.rates]
    return plain


def plain_rows(rows: Rows, rates: Mapping[str, Sequence[Rate]]) -> Plain:
    """What is provisioned, as the file has it; of the tariffs those whose `rates` are given."""
    return {
        "calendars": _plain_calendars(rows.calendars),
        "tariffs": [
            _plain_tariff(row, rates[row["name"]]) for row in rows.tariffs if row["name"] in rates
        ],
        "resellers": [_plain_reseller(row) for row in rows.resellers],
        "tenants": [
            plain_tenant(row, rows.lines.get(row["id"], []), rows.dids.get(row["id"], []))
            for row in rows.tenants
        ],
    }


def _plain_calendars(rows: Sequence[Row]) -> list[Plain]:
    """The calendars of rows that are one for each day."""
    found: dict[str, list[Plain]] = {}
    for row in rows:
        day = {"date": row["date"].isoformat(), "kind": row["kind"], "name": row["day_name"]}
        found.setdefault(row["name"], []).append(day)
    return [{"name": name, "days": days} for name, days in found.items()]


def _plain_tariff(row: Row, rates: Sequence[Rate]) -> Plain:
    """One tariff at its newest version."""
    return {
        "name": row["name"],
        "currency": row["currency"],
        **_if_set("calendar", row["calendar"] and row["calendar"]["name"]),
        "rates": [plain_rate(rate) for rate in rates],
    }


def plain_rate(rate: Rate) -> Plain:
    """One rate; what few rates have is there only when it is set."""
    increments = Increments(rate.first_increment_seconds, rate.next_increment_seconds)
    plain: Plain = {"area": show_area(rate.area)} if rate.area else {"prefix": rate.prefix}
    plain |= {
        "price_per_minute": show_amount(rate.price_per_minute_micros),
        "connect_fee": show_amount(rate.connect_fee_micros),
        "minimum_seconds": rate.minimum_seconds,
        "increments": show_increments(increments),
        "round_to": show_amount(rate.round_to_micros),
    }
    if rate.free_seconds:
        plain["free_seconds"] = rate.free_seconds
    if rate.first_step_seconds:
        price = show_amount(rate.first_step_price_micros)
        plain["first_step"] = {"seconds": rate.first_step_seconds, "price_per_minute": price}
    if rate.maximum_cost_micros is not None:
        plain["maximum_cost"] = show_amount(rate.maximum_cost_micros)
    if rate.valid_from:
        plain["valid_from"] = show_moment(rate.valid_from)
    if rate.valid_until:
        plain["valid_until"] = show_moment(rate.valid_until)
    if rate.bands:
        plain["bands"] = [_plain_band(band) for band in rate.bands]
    return plain


def _plain_band(band: Band) -> Plain:
    return {
        "name": band.name,
        "days": list(band.days),
        "from": show_clock(band.from_minute),
        "to": show_clock(band.to_minute),
        "price_per_minute": show_amount(band.price_per_minute_micros),
    }


def _plain_reseller(row: Row) -> Plain:
    return {
        "name": row["name"],
        "timezone": row["timezone"],
        "tariff": row["tariff"],
        **_if_set("line_tariff", row["line_tariff"]),
        **_if_set("reseller", row["reseller"]),
        "account": plain_account(row),
    }


def _if_set(name: str, value: Any) -> Plain:
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
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner)
    elif isinstance(value, dict):
        yield path, "as usual"
    elif isinstance(value, list):
        yield from _list_leaves(path, value)
    elif isinstance(value, bool):
        yield path, str(value).lower()
    elif value is not None:
        yield path, str(value)


def _list_leaves(path: str, values: list[Any]) -> Iterator[tuple[str, str]]:
    name = path.rpartition(".")[2]
    show = _ONE_VALUE.get(name)
    if name in _MANY:
        for one in values:
            yield f"{path}.{one}", _MANY[name]
    elif show:
        # Their order counts, and they have no names of their own.
        yield path, "; ".join(map(show, values)) or "none"
    elif not all(isinstance(one, dict) and "line" not in one for one in values):
        yield path, ", ".join(map(_show_word, values))
    else:
        keys = list(map(_key, values))
        for key, entry in zip(keys, values, strict=True):
            rest = {field: one for field, one in entry.items() if field not in key}
            yield from _leaves(f"{path}.{_key_text(key)}", rest)
        if name in _ORDERED and len(keys) > 1:
            yield f"{path}.order", ", ".join(map(_key_text, keys))


def _key(entry: Plain) -> dict[str, str]:
    """The fields that tell an entry of a list from the others."""
    if "from" in entry:
        return {"from": entry["from"], "to": entry["to"]}
    for name in _KEYS:
        if name in entry:
            return {name: entry[name]}
    key = {"area": entry["area"]} if "area" in entry else {"prefix": entry["prefix"] or "*"}
    return key | {name: entry[name] for name in ("valid_from",) if name in entry}


def _key_text(key: Plain) -> str:
    return (" to " if "to" in key else " from ").join(key.values())


def _show_band(band: Plain) -> str:
    days = show_days(band["days"])
    return f"{band['name']}={days} {band['from']}-{band['to']} {band['price_per_minute']}"


def _show_span(span: Plain) -> str:
    days = f"{show_days(span['days'])} " if "days" in span else ""
    return f"{days}{span['from']}-{span['to']}"


def _show_word(word: Any) -> str:
    """A word of a list, or a line of a group with what is set for it there."""
    if not isinstance(word, dict):
        return str(word)
    settings = [f"{name} {value}" for name, value in word.items() if name != "line"]
    return f"{word['line']} ({' '.join(settings)})"


_MANY = {"blacklist": "refused", "numbers": "listed"}  # lists that are long: one line for each
_ONE_VALUE = {"bands": _show_band, "hours": _show_span}
_ORDERED = ("routes", "special_days")
