"""What a caller means by the digits that he presses in a menu (A12, A17, A18); for the journey."""

from collections.abc import Iterator

from callctl.directory.answering import Group, Menu, Target, TargetKind
from callctl.directory.models import Answering
from callctl.routing.moment import Moment


def digits_max(menu: Menu, answering: Answering) -> int:
    """How many digits may follow each other in the menu."""
    extensions = (group.extension or "" for group in _dialled_groups(menu, answering))
    return max(1, max(map(len, extensions), default=1))


def meant(moment: Moment, menu: Menu, digits: str) -> Target | None:
    """Where the digits lead, None: nowhere, they are wrong; with the reason in the trace.

    A key comes before an extension of the same digits. Of more digits that are no extension the
    first is taken for a key, unless an extension begins with it: then one was mistyped.
    """
    if len(digits) > 1:
        digits = digits.removesuffix("#")
    dialled = list(_dialled_groups(menu, moment.facts.did.answering))
    group = next((one for one in dialled if one.extension == digits), None)
    if group is not None and digits not in menu.keys:
        moment.note(f"extension {digits}", f"group {group.name}")
        return Target(TargetKind.GROUP, group.name)
    first = digits[:1]
    if not any((one.extension or "").startswith(first) for one in dialled):
        digits = first
    return _by_key(moment, menu, digits)


def _by_key(moment: Moment, menu: Menu, key: str) -> Target | None:
    rule, leads = f"menu {menu.name} key {key}", menu.keys.get(key)
    if leads is None:
        moment.note(rule, "it leads nowhere", matched=False)
        return None
    if leads.schedule is None:
        moment.note(rule, str(leads.target))
        return leads.target
    found = moment.opening(leads.schedule)
    target = leads.target if found.is_open else leads.closed
    why = f"{found.why}: {target or 'it leads nowhere then'}"
    moment.note(rule, why, matched=target is not None)
    return target


def _dialled_groups(menu: Menu, answering: Answering) -> Iterator[Group]:
    if menu.dials_extensions:
        yield from (group for group in answering.groups.values() if group.extension)
