"""What a tenant's schedules, lists, groups, menus and numbers say of each other.

Called by directory.references, like which it works on values that may still be wrong. What a
number reaches by all of it is directory.reach's.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from callctl.directory.answering import Target
from callctl.directory.answering_fields import read_target
from callctl.directory.raw_rows import (
    Row,
    by_text,
    check_distinct,
    fields_of,
    rows_of,
    word,
    words_of,
)
from callctl.directory.yaml_tree import Path, Tree, listed
from callctl.values.phone_number import PhoneNumber

_KINDS = ("schedules", "lists", "groups", "menus", "messages", "voicemails")


def check_answering(tree: Tree, path: Path, tenant: Row) -> None:
    """Add to the problems: names given twice, names of nothing, and what never ends."""
    named = {kind: by_text(rows_of(tenant, path, kind), "name") for kind in (*_KINDS, "lines")}
    for kind in _KINDS:
        check_distinct(tree, rows_of(tenant, path, kind), "name")
    for at, did in rows_of(tenant, path, "dids"):
        check_distinct(tree, rows_of(did, at, "routes"), "name")
    check_distinct(tree, rows_of(tenant, path, "groups"), "extension")
    for at, group in rows_of(tenant, path, "groups"):
        _check_members(tree, at, group, named["lines"])
    for at, kind, name in (*_schedules(tenant, path), *_lists(tenant, path)):
        if name not in named[kind]:
            _add_unknown(tree, at, kind, name, named[kind])
    for at, target in _targets(tenant, path):
        kind = f"{target.kind}s"
        if target.name and target.name not in named[kind]:
            _add_unknown(tree, at, kind, target.name, named[kind])
    _check_days(tree, path, tenant)
    _check_circles(tree, path, tenant)
    _check_dialling(tree, path, tenant)


def check_lines(tree: Tree, path: Path, names: Any, lines: Mapping[str, Row]) -> None:
    """Lines of a DID or group: that there are, each once, and no two of one number."""
    seen: set[str] = set()
    rings: dict[str, str] = {}
    for index, one in enumerate(names if isinstance(names, list) else ()):
        is_text = isinstance(one, str)
        name = one if is_text else word(one, "line")
        at = (*path, index) if is_text else (*path, index, "line")
        if not name:
            continue
        if name not in lines:
            _add_unknown(tree, at, "lines", name, lines)
            continue
        number = lines[name].get("number")
        text = PhoneNumber.parse(number).text if isinstance(number, str) else ""
        other = rings.setdefault(text or name, name)
        if name in seen:
            tree.add_problem(at, f"line {name!r} is in this list twice: delete one")
        elif other != name:
            tree.add_problem(at, f"line {name!r} has the same number as {other!r}: delete one")
        seen.add(name)


def _add_unknown(tree: Tree, path: Path, kind: str, name: str, known: Mapping[str, Row]) -> None:
    one = kind.removesuffix("s")
    message = f"this tenant has no {one} {name!r}{listed(known)}: add it to its {kind}"
    tree.add_problem(path, message)


def _check_members(tree: Tree, path: Path, group: Row, lines: Mapping[str, Row]) -> None:
    check_lines(tree, (*path, "lines"), group.get("lines"), lines)
    for at, member in rows_of(group, path, "lines"):
        if "weight" in member and word(group, "strategy") != "weighted":
            message = "weights count with strategy: weighted alone: write that, or delete this"
            tree.add_problem((*at, "weight"), message)


def _schedules(tenant: Row, path: Path) -> Iterator[tuple[Path, str, str]]:
    """Every place that names a schedule."""
    places: list[tuple[Path, Any, str]] = [
        (at, line, "schedule") for at, line in rows_of(tenant, path, "lines")
    ]
    for at, menu in rows_of(tenant, path, "menus"):
        places += [(where, key, "schedule") for where, key in fields_of(menu, at, "keys")]
    for at, did in rows_of(tenant, path, "dids"):
        places.append((at, did, "schedule"))
        for where, route in rows_of(did, at, "routes"):
            places += [(where, route, name) for name in ("while_open", "while_closed")]
    for at, row, field in places:
        if word(row, field):
            yield (*at, field), "schedules", word(row, field)


def _lists(tenant: Row, path: Path) -> Iterator[tuple[Path, str, str]]:
    """Every place that names a list of callers."""
    screening = tenant.get("screening")
    if isinstance(screening, dict):
        for at, name in words_of(screening, (*path, "screening"), "lists"):
            yield at, "lists", name
    for at, did in rows_of(tenant, path, "dids"):
        for where, name in words_of(did, at, "lists"):
            yield where, "lists", name
        for where, route in rows_of(did, at, "routes"):
            if word(route, "list"):
                yield (*where, "list"), "lists", word(route, "list")


def _targets(tenant: Row, path: Path) -> Iterator[tuple[Path, Target]]:
    """Every place that names where calls go, if that can be understood."""
    for at, text in _target_texts(tenant, path):
        try:
            target = read_target(text) if isinstance(text, str) else None
        except ValueError:
            continue
        if target:
            yield at, target


def _target_texts(tenant: Row, path: Path) -> Iterator[tuple[Path, Any]]:
    for at, group in rows_of(tenant, path, "groups"):
        yield (*at, "otherwise"), group.get("otherwise")
        queue = group.get("queue")
        if isinstance(queue, dict):
            yield (*at, "queue", "overflow"), queue.get("overflow")
            yield from fields_of(queue, (*at, "queue"), "keys")
    for at, menu in rows_of(tenant, path, "menus"):
        for name in ("no_key", "wrong_key"):
            yield (*at, name), menu.get(name)
        for where, key in fields_of(menu, at, "keys"):
            if isinstance(key, dict):
                yield from (((*where, name), key.get(name)) for name in ("to", "closed"))
            else:
                yield where, key
    for at, message in rows_of(tenant, path, "messages"):
        yield (*at, "then"), message.get("then")
    for at, did in rows_of(tenant, path, "dids"):
        yield from (((*at, name), did.get(name)) for name in ("to", "closed"))
        for where, route in rows_of(did, at, "routes"):
            yield (*where, "to"), route.get("to")


def _check_days(tree: Tree, path: Path, tenant: Row) -> None:
    """Holidays that no calendar names, and special days that are written twice."""
    for at, schedule in rows_of(tenant, path, "schedules"):
        check_distinct(tree, rows_of(schedule, at, "special_days"), "date")
        check_distinct(tree, rows_of(schedule, at, "special_days"), "from")
        for where, hours in rows_of(schedule, at, "hours"):
            days = hours.get("days")
            if isinstance(days, list) and "holiday" in days and "calendar" not in tenant:
                message = "which days are holidays? Give the tenant a calendar: callctl calendar "
                tree.add_problem((*where, "days"), message + "CN 2026 writes one")


def _check_circles(tree: Tree, path: Path, tenant: Row) -> None:
    """Messages after which a message comes for ever, and groups that fall back on themselves."""
    follows = {
        word(message, "name"): word(message, "then").removeprefix("message:")
        for _, message in rows_of(tenant, path, "messages")
        if word(message, "then").startswith("message:")
    }
    told: set[str] = set()
    for at, message in rows_of(tenant, path, "messages"):
        circle = _circle(word(message, "name"), follows.get)
        if circle and not told & set(circle):
            told |= set(circle)
            shown = " > ".join([*circle, circle[0]])
            problem = f"{shown} never ends: let one of them lead elsewhere, or nowhere"
            tree.add_problem((*at, "then"), problem)
    for at, group in rows_of(tenant, path, "groups"):
        own = f"group:{word(group, 'name')}"
        if group.get("otherwise") == own:
            problem = "this is the very group of which no line took the call: write another target"
            tree.add_problem((*at, "otherwise"), problem)
        if word(group.get("queue"), "overflow") == own:
            problem = "this is the very group whose queue is full: write another target"
            tree.add_problem((*at, "queue", "overflow"), problem)


def _circle(name: str, follow: Callable[[str], str | None]) -> list[str]:
    """The names from `name` on that lead back to it; none if they end, or lead elsewhere."""
    chain: list[str] = []
    at: str | None = name
    while at and at not in chain:
        chain.append(at)
        at = follow(at)
    return chain if at == name else []


def _check_dialling(tree: Tree, path: Path, tenant: Row) -> None:
    if any("extension" in group for _, group in rows_of(tenant, path, "groups")):
        return
    for at, menu in rows_of(tenant, path, "menus"):
        if menu.get("dials_extensions") is True:
            message = "no group of this tenant has an extension: write one, or delete this"
            tree.add_problem((*at, "dials_extensions"), message)
