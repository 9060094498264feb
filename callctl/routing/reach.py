"""Where calls to a number can go: from target to target. Used by screening, check and commands."""

from collections.abc import Iterator
from dataclasses import dataclass

from callctl.directory.answering import Group, Line, Target, TargetKind
from callctl.directory.models import Did
from callctl.routing.compiled import Compiled


@dataclass(frozen=True, slots=True)
class Way:
    """One way on; `is_at_once`: it is taken without an act or a wait of the caller."""

    how: str
    target: Target
    is_at_once: bool = False


def first_ways(did: Did) -> Iterator[Way]:
    """The ways on which a call to the number can begin."""
    for route in did.routes:
        yield Way(f"route {route.name}", route.target)
    yield Way("default", did.default)
    if did.closed is not None:
        yield Way("closed", did.closed)


def ways(did: Did, target: Target) -> Iterator[Way]:
    """The ways on from a target; none from one that is not there."""
    answering = did.answering
    if target.kind is TargetKind.GROUP and target.name in answering.groups:
        yield from _group_ways(answering.groups[target.name])
    elif target.kind is TargetKind.MENU and target.name in answering.menus:
        yield from _menu_ways(did, target.name)
    elif target.kind is TargetKind.MESSAGE and target.name in answering.messages:
        then = answering.messages[target.name].then
        if then is not None:
            yield Way("then", then, is_at_once=True)


def reached(did: Did) -> dict[Target, str]:
    """Every target that a call can get to, with how it is first got to, nearest first."""
    found: dict[Target, str] = {}
    waiting = [(way.target, way.how) for way in first_ways(did)]
    for target, how in waiting:  # grows while it is read
        if target not in found:
            found[target] = how
            waiting += [(way.target, f"{target} {way.how}") for way in ways(did, target)]
    return found


def lines_of(did: Did, target: Target) -> tuple[Line, ...]:
    """The lines that the target itself rings."""
    if target.kind is TargetKind.GROUP and target.name in did.answering.groups:
        return tuple(member.line for member in did.answering.groups[target.name].members)
    if target.kind is TargetKind.LINE and target.name in did.answering.lines:
        return (did.answering.lines[target.name],)
    return ()


def _line_numbers(did: Did) -> frozenset[str]:
    return frozenset(line.number.text for target in reached(did) for line in lines_of(did, target))


line_numbers = Compiled(_line_numbers)
"""PhoneNumber.text of every line that calls to a number can get to."""


def _group_ways(group: Group) -> Iterator[Way]:
    if group.queue is not None:
        if group.queue.overflow is not None:
            yield Way("overflow", group.queue.overflow)
        for key, target in group.queue.keys.items():
            yield Way(f"key {key}", target)
    if group.otherwise is not None:
        yield Way("otherwise", group.otherwise, is_at_once=True)


def _menu_ways(did: Did, name: str) -> Iterator[Way]:
    menu = did.answering.menus[name]
    for key, leads in menu.keys.items():
        yield Way(f"key {key}", leads.target)
        if leads.closed is not None:
            yield Way(f"key {key} closed", leads.closed)
    if menu.no_key is not None:
        yield Way("no key", menu.no_key)
    if menu.wrong_key is not None:
        yield Way("wrong key", menu.wrong_key)
    if menu.dials_extensions:
        for group in did.answering.groups.values():
            if group.extension is not None:
                yield Way(f"extension {group.extension}", Target(TargetKind.GROUP, group.name))
