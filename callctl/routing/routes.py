"""The routes of a number in their order: the first of which all holds decides (A7, A11).

A number with many routes has them sorted by the narrowest of their conditions, so that only those
are looked at which may hold; the decision is the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from callctl.directory.answering import CallerList, Route
from callctl.directory.models import Did
from callctl.routing.chance import chance
from callctl.routing.compiled import Compiled
from callctl.routing.lists import Prefixes
from callctl.routing.moment import Moment
from callctl.values.schedule import Schedule

LOOKED_AT_MAX = 32  # a number with more routes has them sorted


def choose_route(moment: Moment, *, is_vip: bool, is_thorough: bool) -> Route | None:
    """The first route that holds, None for none; each that was looked at is in the trace.

    `is_thorough` looks at each, however many there are: for explanations.
    """
    routes = moment.facts.did.routes
    positions: Iterable[int] = range(len(routes))
    if len(routes) > LOOKED_AT_MAX and not is_thorough:
        positions = _sorted_routes(moment.facts.did).positions(moment, is_vip=is_vip)
    chosen, before, looked_at = None, len(routes), 0
    for position in positions:
        route = routes[position]
        why_not = next(_missing(route, moment, is_vip=is_vip), None)
        if why_not is None:
            chosen, before = route, position
            break
        looked_at += 1
        moment.note(f"route {route.name}", why_not, matched=False)
    if before > looked_at:
        why = f"{before - looked_at} other routes are for other callers or other hours"
        moment.note("routes", why, matched=False)
    if chosen is not None:
        why = "; ".join(_why(chosen, moment)) or "it is for every call"
        moment.note(f"route {chosen.name}", why)
    return chosen


def _missing(route: Route, moment: Moment, *, is_vip: bool) -> Iterator[str]:
    """The conditions of the route that do not hold, in words; chance is asked last."""
    facts, caller_list = moment.facts, route.caller_list
    if route.is_vip_only and not is_vip:
        yield "caller is no VIP"
    if route.areas and moment.codes.isdisjoint(route.areas):
        yield f"caller's area {facts.area} is not among {', '.join(route.areas)}"
    if route.prefixes and not facts.caller.text.startswith(route.prefixes):
        yield f"caller's number does not begin with {' or '.join(route.prefixes)}"
    if caller_list is not None and moment.on_list(caller_list) is None:
        yield f"caller is not on list {caller_list.name}"
    if route.while_open is not None and not moment.opening(route.while_open).is_open:
        yield moment.opening(route.while_open).why
    if route.while_closed is not None and moment.opening(route.while_closed).is_open:
        yield moment.opening(route.while_closed).why
    if route.percentage is not None and not _is_drawn(route, facts.seed):
        yield f"not among its {route.percentage} % of calls"


def _why(route: Route, moment: Moment) -> Iterator[str]:
    """All that the route asks for, in words, of a call for which it holds."""
    facts = moment.facts
    if route.is_vip_only:
        yield "caller is a VIP"
    if route.areas:
        code = next(code for code in route.areas if code in moment.codes)
        yield f"caller's area {facts.area} is in {code}"
    if route.prefixes:
        yield f"{facts.caller} begins with {Prefixes.of(route.prefixes).find(facts.caller.text)}"
    if route.caller_list is not None:
        yield f"list {route.caller_list.name}: {moment.on_list(route.caller_list)}"
    for schedule in (route.while_open, route.while_closed):
        if schedule is not None:
            yield moment.opening(schedule).why
    if route.percentage is not None:
        yield f"among its {route.percentage} % of calls"


def _is_drawn(route: Route, seed: int) -> bool:
    percentage = route.percentage or 0
    return percentage >= 100 or chance(seed, f"route {route.name}") * 100 < percentage


@dataclass(frozen=True, slots=True)
class _SortedRoutes:
    """Positions of routes by one condition each, the narrowest that they have."""

    by_prefix: dict[str, list[int]] = field(default_factory=dict)
    by_area: dict[str, list[int]] = field(default_factory=dict)
    by_list: dict[int, tuple[CallerList, list[int]]] = field(default_factory=dict)
    by_schedule: dict[tuple[int, bool], tuple[Schedule, list[int]]] = field(default_factory=dict)
    for_vip: list[int] = field(default_factory=list)
    for_all: list[int] = field(default_factory=list)

    def add(self, position: int, route: Route) -> None:
        """Sort one in."""
        if route.prefixes:
            for prefix in set(route.prefixes):
                self.by_prefix.setdefault(prefix, []).append(position)
        elif route.areas:
            for code in set(route.areas):
                self.by_area.setdefault(code, []).append(position)
        elif route.caller_list is not None:
            key = id(route.caller_list)
            self.by_list.setdefault(key, (route.caller_list, []))[1].append(position)
        elif route.is_vip_only:
            self.for_vip.append(position)
        elif route.while_open is not None:
            self._add_timed(position, route.while_open, is_open=True)
        elif route.while_closed is not None:
            self._add_timed(position, route.while_closed, is_open=False)
        else:
            self.for_all.append(position)

    def _add_timed(self, position: int, schedule: Schedule, *, is_open: bool) -> None:
        key = (id(schedule), is_open)
        self.by_schedule.setdefault(key, (schedule, []))[1].append(position)

    def positions(self, moment: Moment, *, is_vip: bool) -> list[int]:
        """Positions of the routes that may hold, in their order."""
        may_hold = set(self.for_all)
        text = moment.facts.caller.text
        for length in range(len(text) + 1):
            may_hold.update(self.by_prefix.get(text[:length], ()))
        for code in moment.codes:
            may_hold.update(self.by_area.get(code, ()))
        for caller_list, positions in self.by_list.values():
            if moment.on_list(caller_list) is not None:
                may_hold.update(positions)
        for (_, is_open), (schedule, positions) in self.by_schedule.items():
            if moment.opening(schedule).is_open is is_open:
                may_hold.update(positions)
        if is_vip:
            may_hold.update(self.for_vip)
        return sorted(may_hold)


def _sort(did: Did) -> _SortedRoutes:
    table = _SortedRoutes()
    for position, route in enumerate(did.routes):
        table.add(position, route)
    return table


_sorted_routes = Compiled(_sort)
