"""What is wrong with a number's routing though each part of it is right; for `route check`.

Rules that can never match, ends where calls are lost, circles, and what nothing leads to.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from callctl.directory.answering import (
    LINES_GROUP,
    Line,
    ListMode,
    MenuKey,
    Route,
    Target,
    TargetKind,
)
from callctl.directory.models import Did
from callctl.routing.reach import first_ways, lines_of, reached, ways
from callctl.routing.schedules import will_be
from callctl.values.schedule import ManualSwitch


@dataclass(frozen=True, slots=True)
class Finding:
    """Something at `place` of a number, or of a tenant; `loses_calls`: callers reach nobody."""

    place: str
    what: str
    loses_calls: bool = False


@dataclass(frozen=True, slots=True)
class Counters:
    """What ambiguity 5 counts.

    lines       distinct numbers that are reached without a menu
    extensions  groups and lines behind menus, by the level of the menu (1 is the first)
    """

    lines: int
    extensions: dict[int, int] = field(default_factory=dict)


def check(did: Did, at: datetime) -> list[Finding]:
    """What is wrong from the day of `at` on; the switch counts as it stands."""
    return [
        *_of_hours(did, at),
        *_of_lists(did),
        *_of_routes(did, at),
        *_of_targets(did, at),
        *_circles(did, at),
    ]


def unused(dids: Sequence[Did]) -> Iterator[Finding]:
    """What no number of a tenant leads to; `dids` are all of its numbers."""
    targets = {target for did in dids for target in reached(did)}
    lines = {line.name for did in dids for target in reached(did) for line in lines_of(did, target)}
    answering = dids[0].answering
    for kind, names in (
        (TargetKind.GROUP, answering.groups),
        (TargetKind.MENU, answering.menus),
        (TargetKind.MESSAGE, answering.messages),
        (TargetKind.VOICEMAIL, answering.voicemails),
    ):
        for name in names:
            if Target(kind, name) not in targets and name != LINES_GROUP:
                yield Finding(f"{kind} {name}", "no number leads to it")
    for name in answering.lines:
        if name not in lines:
            yield Finding(f"line {name}", "no number leads to it")


def count(did: Did) -> Counters:
    """How many lines and extensions calls to the number can reach."""
    numbers: set[str] = set()
    extensions: dict[Target, int] = {}
    seen: set[Target] = set()
    at, level = [way.target for way in first_ways(did)], 0
    while at:
        menus: list[Target] = []
        for target in at:  # grows while it is read
            if target in seen:
                continue
            seen.add(target)
            if target.kind is TargetKind.MENU:
                menus.append(target)
                continue
            if level and target.kind in {TargetKind.GROUP, TargetKind.LINE}:
                extensions.setdefault(target, level)
            elif not level:
                numbers |= {line.number.text for line in lines_of(did, target)}
            at += [way.target for way in ways(did, target)]
        at, level = [way.target for menu in menus for way in ways(did, menu)], level + 1
    levels = list(extensions.values())
    return Counters(len(numbers), {one: levels.count(one) for one in sorted(set(levels))})


def _of_hours(did: Did, at: datetime) -> Iterator[Finding]:
    where = did.closed or "they are refused"
    if did.switch is ManualSwitch.CLOSED:
        yield Finding("switch", f"the number is switched closed by hand; calls: {where}")
    if did.switch is ManualSwitch.SCHEDULE and did.schedule is not None:
        if not will_be(did.schedule, at, is_open=True):
            what = f"{did.schedule.name} is never open; calls: {where}"
            yield Finding("schedule", what, loses_calls=did.closed is None)
        elif did.closed is not None and not will_be(did.schedule, at, is_open=False):
            yield Finding("closed", f"{did.schedule.name} is always open: it is never used")
    if did.closed is not None and did.schedule is None and did.switch is not ManualSwitch.CLOSED:
        yield Finding("closed", "the number has no schedule: it is used only by the switch")


def _of_lists(did: Did) -> Iterator[Finding]:
    lists = (*did.lists, *(route.caller_list for route in did.routes if route.caller_list))
    for one in {id(one): one for one in lists}.values():
        if not (one.numbers or one.prefixes or one.ranges or one.areas or one.is_for_unknown):
            is_only = one.mode is ListMode.ALLOW_ONLY and one in did.lists
            yield Finding(f"list {one.name}", "nobody is on it", loses_calls=is_only)


def _of_routes(did: Did, at: datetime) -> Iterator[Finding]:
    for position, route in enumerate(did.routes):
        place = f"route {route.name}"
        never = next(_why_never(did, route, at), None)
        if never is not None:
            yield Finding(place, f"it never matches: {never}")
            continue
        before = next((one for one in did.routes[:position] if _takes_all_of(one, route)), None)
        if before is not None:
            yield Finding(place, f"it never matches: route {before.name} takes its calls")
    everything = next((one for one in did.routes if _takes_all_of(one, _DEFAULT)), None)
    if everything is not None:
        yield Finding("default", f"it is never used: route {everything.name} takes all calls")


def _why_never(did: Did, route: Route, at: datetime) -> Iterator[str]:
    if route.percentage == 0:
        yield "it has 0 % of its calls"
    if route.while_open is not None and not will_be(route.while_open, at, is_open=True):
        yield f"{route.while_open.name} is never open"
    if route.while_closed is not None and not will_be(route.while_closed, at, is_open=False):
        yield f"{route.while_closed.name} is always open"
    if route.while_open is not None and route.while_open == route.while_closed:
        yield f"{route.while_open.name} is not open and closed at once"
    if route.is_vip_only and all(one.mode is not ListMode.VIP for one in did.lists):
        yield "the number has no list of VIP callers"
    named = route.caller_list
    if named in did.lists and named.mode is ListMode.BLOCK and not named.areas:
        yield f"who is on list {named.name} is refused before"


_DEFAULT = Route("default", Target(TargetKind.REFUSE))


def _takes_all_of(one: Route, other: Route) -> bool:
    """Whether `one`, which comes first, takes every call for which `other` holds."""
    return (
        (one.percentage is None or one.percentage >= 100)
        and (not one.areas or _are_all(_is_within(one.areas, code) for code in other.areas))
        and (not one.prefixes or _are_all(map(_starts(one.prefixes), other.prefixes)))
        and (one.caller_list is None or one.caller_list == other.caller_list)
        and (one.while_open is None or one.while_open == other.while_open)
        and (one.while_closed is None or one.while_closed == other.while_closed)
        and (not one.is_vip_only or other.is_vip_only)
    )


def _are_all(found: Iterable[bool]) -> bool:
    """Whether there are some, and all of them hold."""
    answers = list(found)
    return bool(answers) and all(answers)


def _is_within(adcodes: tuple[str, ...], code: str) -> bool:
    return any(one in {code, code[:4] + "00", code[:2] + "0000"} for one in adcodes)


def _starts(prefixes: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda text: text.startswith(prefixes)


def _can_answer(line: Line, at: datetime) -> bool:
    return line.is_on and (line.schedule is None or will_be(line.schedule, at, is_open=True))


def _of_targets(did: Did, at: datetime) -> Iterator[Finding]:
    """Of each target that calls get to."""
    for target, how in reached(did).items():
        place = f"{target} (by {how})"
        if target.kind in {TargetKind.GROUP, TargetKind.LINE}:
            yield from _of_lines(did, target, place, at)
        elif target.kind is TargetKind.MENU and target.name in did.answering.menus:
            yield from _of_menu(did, target, place, at)
        elif target.kind is TargetKind.CALLBACK and did.callback is None:
            yield Finding(place, "the number has no callback", loses_calls=True)


def _of_lines(did: Did, target: Target, place: str, at: datetime) -> Iterator[Finding]:
    lines = lines_of(did, target)
    group = did.answering.groups.get(target.name) if target.kind is TargetKind.GROUP else None
    otherwise = group.otherwise if group else None
    is_lost = otherwise is None
    where = f"; calls go to {otherwise}" if otherwise else "; calls are lost"
    if not lines:
        yield Finding(place, f"it has no lines{where}", loses_calls=is_lost)
    elif not any(_can_answer(line, at) for line in lines):
        what = f"none of its lines is ever switched on and in its hours{where}"
        yield Finding(place, what, loses_calls=is_lost)
    elif group is not None and is_lost and group.queue is None and all(one.areas for one in lines):
        what = "all of its lines are bound to areas; calls from elsewhere are lost"
        yield Finding(place, what, loses_calls=True)


def _of_menu(did: Did, target: Target, place: str, at: datetime) -> Iterator[Finding]:
    menu = did.answering.menus[target.name]
    dialled = menu.dials_extensions and any(g.extension for g in did.answering.groups.values())
    if menu.dials_extensions and not dialled:
        yield Finding(place, "callers may dial extensions, but no group has one")
    if not menu.keys and not dialled:
        is_lost = menu.no_key is None
        yield Finding(place, "no key leads anywhere", loses_calls=is_lost)
    for key, leads in menu.keys.items():
        yield from _of_key(f"{target} key {key}", leads, at)


def _of_key(place: str, leads: MenuKey, at: datetime) -> Iterator[Finding]:
    if leads.schedule is None:
        if leads.closed is not None:
            yield Finding(place, "it has no schedule: closed is never used")
    elif not will_be(leads.schedule, at, is_open=True):
        where = leads.closed or "it leads nowhere"
        yield Finding(place, f"{leads.schedule.name} is never open: {where}")


def _circles(did: Did, at: datetime) -> Iterator[Finding]:
    """Ways that come back to themselves without an act or a wait of the caller on them."""
    done: set[Target] = set()
    for start in reached(did):
        way: list[Target] = []
        target: Target | None = start
        while target is not None and target not in done and target not in way:
            way.append(target)
            target = _next_at_once(did, target, at)
        if target is not None and target in way:
            circle = [*way[way.index(target) :], target]
            what = "calls go round: " + ", then ".join(map(str, circle))
            yield Finding(str(target), what, loses_calls=True)
        done.update(way)


def _next_at_once(did: Did, target: Target, at: datetime) -> Target | None:
    """Where every call goes on to from the target, without a wait; a group that rings waits."""
    if any(_can_answer(line, at) for line in lines_of(did, target)):
        return None
    return next((way.target for way in ways(did, target) if way.is_at_once), None)
