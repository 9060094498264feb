"""What calls to a number can reach, and whether the number includes it (A3, A17, A18).

Called by directory.reading once everything else of a file is right. Lines reached without a menu
are counted by their numbers; behind menus the extensions are counted, each a group or a line.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from callctl.directory.answering import Target, TargetKind
from callctl.directory.answering_entries import GroupEntry, MenuEntry
from callctl.directory.answering_fields import read_target
from callctl.directory.document import Document, TenantEntry
from callctl.directory.number_entries import DidEntry
from callctl.directory.yaml_tree import Path
from callctl.errors import Problem

LINES_INCLUDED = 20  # A3, ambiguity 1
EXTENSIONS_INCLUDED = 10  # A17, on one level
EXTENSIONS_INCLUDED_DEEP = 40  # A18 and ambiguity 5: 10 keys, each with 4 below
EXTENSION_LINES_INCLUDED = 4


@dataclass
class Reach:
    """What calls to one number can reach.

    lines       numbers of the lines reached without a menu
    extensions  numbers of the lines of each, by target ("group:sales"), of what is behind menus
    levels      menus that follow each other, at most
    callbacks   who promises callbacks, as the file calls it ("message closed")
    """

    lines: set[str] = field(default_factory=set)
    extensions: dict[str, set[str]] = field(default_factory=dict)
    levels: int = 0
    callbacks: list[str] = field(default_factory=list)


def reach_problems(document: Document) -> Iterator[Problem]:
    """Numbers that reach more than they include, or promise callbacks that cannot be made."""
    for index, tenant in enumerate(document.tenants):
        walker = _Walker(tenant)
        for position, did in enumerate(tenant.dids):
            path: Path = ("tenants", index, "dids", position)
            reach = walker.walk(did)
            for name, message in _problems(did, reach):
                yield document.problem((*path, name), message)


def _problems(did: DidEntry, reach: Reach) -> Iterator[tuple[str, str]]:
    """Of one number: field and message."""
    extras, deep = did.extras, reach.levels > 1
    included = EXTENSIONS_INCLUDED_DEEP if deep else EXTENSIONS_INCLUDED
    lines_max = LINES_INCLUDED + extras.lines
    extensions_max = included + extras.extensions
    counters = (
        f"{len(reach.lines)} lines are reached without a menu (at most {lines_max}: "
        f"{LINES_INCLUDED} and extras.lines {extras.lines}) and {len(reach.extensions)} "
        f"extensions behind menus (at most {extensions_max}: {included} on "
        f"{'several levels' if deep else 'one level'} and extras.extensions {extras.extensions})"
    )
    start = "lines" if did.lines else "to"
    if len(reach.lines) > lines_max:
        yield start, f"{counters}: delete lines, or buy more and write extras.lines"
    if len(reach.extensions) > extensions_max:
        yield start, f"{counters}: delete some, or buy more and write extras.extensions"
    each_max = EXTENSION_LINES_INCLUDED + extras.lines_per_extension
    for name, numbers in reach.extensions.items():
        if len(numbers) > each_max:
            message = f"{name} is an extension of {len(numbers)} lines (at most {each_max}: "
            message += f"{EXTENSION_LINES_INCLUDED} and extras.lines_per_extension "
            message += f"{extras.lines_per_extension}): delete lines there, or buy more and "
            yield start, message + "write extras.lines_per_extension"
    if reach.callbacks and did.callback is None:
        message = f"{reach.callbacks[0]} leads to callback: say how this number calls back, such "
        yield "callback", message + "as callback: {trunk: carrier}, or let it lead elsewhere"


class _Walker:
    """Follows the targets of a tenant from its numbers."""

    def __init__(self, tenant: TenantEntry) -> None:
        self._groups = {group.name: group for group in tenant.groups}
        self._menus = {menu.name: menu for menu in tenant.menus}
        self._messages = {message.name: message for message in tenant.messages}
        self._numbers = {line.name: line.number for line in tenant.lines}
        self._dialled = [f"group:{group.name}" for group in tenant.groups if group.extension]

    def walk(self, did: DidEntry) -> Reach:
        """All that calls to the number can reach."""
        reach = Reach(lines={self._numbers[name] for name in did.lines or ()})
        ways = {"to": did.to, "closed": did.closed}
        ways |= {f"route {route.name}": route.to for route in did.routes}
        at = [(name, text) for name, text in ways.items() if text]
        menus_seen: set[str] = set()
        while at:
            found = [one for one in self._level(at, reach) if one.name not in menus_seen]
            menus_seen |= {menu.name for menu in found}
            reach.levels += bool(found)
            at = [way for menu in found for way in self._menu_ways(menu)]
        return reach

    def _level(self, at: list[tuple[str, str]], reach: Reach) -> list[MenuEntry]:
        """Note what the ways lead to without a further menu; return the menus they lead to."""
        menus: dict[str, MenuEntry] = {}
        seen: set[str] = set()
        waiting = list(at)
        while waiting:
            origin, text = waiting.pop(0)
            target = read_target(text)
            if target.kind is TargetKind.CALLBACK:
                reach.callbacks.append(origin)
            if text in seen:
                continue
            seen.add(text)
            if target.kind is TargetKind.MENU:
                menus[target.name] = self._menus[target.name]
            elif target.kind is TargetKind.MESSAGE:
                then = self._messages[target.name].then
                waiting += [(f"message {target.name}", then)] if then else []
            elif target.kind in {TargetKind.GROUP, TargetKind.LINE}:
                self._note(target, reach)
                if target.kind is TargetKind.GROUP:
                    waiting += _group_ways(self._groups[target.name])
        return list(menus.values())

    def _note(self, target: Target, reach: Reach) -> None:
        if target.kind is TargetKind.LINE:
            numbers = {self._numbers[target.name]}
        else:
            numbers = {self._numbers[one.line] for one in self._groups[target.name].lines}
        if reach.levels:
            reach.extensions[str(target)] = numbers
        else:
            reach.lines |= numbers

    def _menu_ways(self, menu: MenuEntry) -> list[tuple[str, str]]:
        own = f"menu {menu.name}"
        ways = [(f"{own} no_key", menu.no_key), (f"{own} wrong_key", menu.wrong_key)]
        for key, entry in menu.keys.items():
            ways += [(f"{own} key {key}", entry.to), (f"{own} key {key}", entry.closed)]
        if menu.dials_extensions:
            ways += [(own, text) for text in self._dialled]
        return [(origin, text) for origin, text in ways if text]


def _group_ways(group: GroupEntry) -> list[tuple[str, str]]:
    own, queue = f"group {group.name}", group.queue
    ways = [(f"{own} otherwise", group.otherwise)]
    if queue:
        ways.append((f"{own} overflow", queue.overflow))
        ways += [(f"{own} key {key}", text) for key, text in queue.keys.items()]
    return [(origin, text) for origin, text in ways if text]
