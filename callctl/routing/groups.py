"""Which lines of a group can be rung now, and in which order (A4, A5, A7).

First the lines bound to the caller's area, then the default lines; among those by priority, and
among equals by the group's strategy. Used by routing.journey, and by queues for those who wait.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

from callctl.directory.answering import Group, Line, Member, Strategy
from callctl.routing.chance import chances
from callctl.routing.facts import Facts, TraceStep
from callctl.routing.moment import Moment
from callctl.routing.steps import Attempt
from callctl.values.line_state import LineState

_IDLE = LineState()
_Tier = tuple[bool, int]  # whether it is a default line, and its priority


@dataclass(frozen=True, slots=True)
class Choice:
    """The lines to ring, in order; `may_wait`: one that cannot be rung now could be later."""

    attempts: tuple[Attempt, ...]
    may_wait: bool


def attempts(facts: Facts, group: Group) -> tuple[Attempt, ...]:
    """Lines of the group that can be rung now, in the order of its strategy."""
    return choose_lines(Moment(facts), group).attempts


def capacity_of(group: Group, line: Line) -> int | None:
    """Calls that the line takes at once in this group; None: as many as come."""
    return 1 if line.capacity is None and group.queue is not None else line.capacity


def choose_lines(moment: Moment, group: Group) -> Choice:
    """The lines; the trace has for each why it is rung or not, then how they were ordered."""
    facts, trace = moment.facts, moment.trace
    tiers: dict[_Tier, list[Member]] = {}
    may_wait = False
    area = str(facts.area)
    for member in group.members:
        line = member.line
        is_bound = bool(line.areas)
        if is_bound and moment.codes.isdisjoint(line.areas):
            why_not: str | None = f"caller's area {area} is not among {', '.join(line.areas)}"
        else:
            why_not = _why_not(moment, line)
            if why_not is None:
                why_not = _why_not_now(facts, group, line)
                may_wait = may_wait or why_not is not None
        if why_not is not None:
            trace.append(TraceStep(f"line {line.name}", False, why_not))
            continue
        why = f"caller's area {area} is bound to it" if is_bound else "default line"
        trace.append(TraceStep(f"line {line.name}", True, why))
        tiers.setdefault((not is_bound, member.priority), []).append(member)
    ordered = [one for tier in sorted(tiers) for one in _ordered(facts, group, tiers[tier])]
    trace.append(_told(facts, group, ordered))
    return Choice(tuple(map(_attempt, ordered)), may_wait)


def _why_not(moment: Moment, line: Line) -> str | None:
    """Why the line cannot be rung, however long one waits; None when it can."""
    if not line.is_on:
        return "it is switched off"
    if line.schedule is not None:
        found = moment.opening(line.schedule)
        if not found.is_open:
            return found.why
    if line.number.text == moment.facts.caller.text:
        return "its number is the caller's own"
    return None


def _why_not_now(facts: Facts, group: Group, line: Line) -> str | None:
    """Why the line cannot be rung at this moment; None when it can."""
    state = facts.lines.get(line.name)
    if state is None:
        return None
    capacity = capacity_of(group, line)
    if capacity is not None and state.live_calls >= capacity:
        return f"it has {state.live_calls} of at most {capacity} calls"
    for until, what in ((state.rested_until, "rests"), (state.wraps_up_until, "wraps up")):
        if until is not None and until > facts.at:
            return f"it {what} until {until:%H:%M:%S} UTC"
    return None


def _ordered(facts: Facts, group: Group, members: list[Member]) -> list[Member]:
    """Members of one tier in the order of the strategy; equal ones stay in the group's order."""
    if group.strategy is Strategy.ROUND_ROBIN:
        start = facts.turns.get(group.name, 0) % len(members)
        return members[start:] + members[:start]
    places = _PLACES.get(group.strategy)
    if places is None:
        return members
    found = places(facts, group, members)
    return [members[n] for n in sorted(range(len(members)), key=found.__getitem__)]


def _by_rest(facts: Facts, _group: Group, members: list[Member]) -> list[float]:
    ends = (facts.lines.get(one.line.name, _IDLE).last_call_at for one in members)
    return [end.timestamp() if end else 0.0 for end in ends]


def _by_calls(facts: Facts, group: Group, members: list[Member]) -> list[tuple[int, float]]:
    counts = (facts.lines.get(one.line.name, _IDLE).call_count for one in members)
    return list(zip(counts, _by_rest(facts, group, members), strict=True))


def _by_chance(facts: Facts, group: Group, members: list[Member]) -> list[float]:
    return chances(facts.seed, f"group {group.name}", len(members))


def _by_weight(facts: Facts, group: Group, members: list[Member]) -> list[tuple[bool, float]]:
    """The order in which clocks first tick that tick as often as the weights say; 0 comes last.

    So the first line is drawn by its share, the second by its share of what is left.
    """
    drawn = zip(_by_chance(facts, group, members), members, strict=True)
    return [(one.weight <= 0, -log(1.0 - chance) / max(one.weight, 1)) for chance, one in drawn]


_Places = Sequence[float] | Sequence[tuple[float, float]]
_PLACES: dict[Strategy, Callable[[Facts, Group, list[Member]], _Places]] = {
    Strategy.RANDOM: _by_chance,
    Strategy.LEAST_RECENT: _by_rest,
    Strategy.FEWEST_CALLS: _by_calls,
    Strategy.WEIGHTED: _by_weight,
}


def _attempt(member: Member) -> Attempt:
    line = member.line
    endpoint = f"PJSIP/{line.number.dial_digits}@{line.trunk}"
    return Attempt(line, endpoint, member.ring_seconds or line.ring_seconds)


def _told(facts: Facts, group: Group, ordered: list[Member]) -> TraceStep:
    rule = f"group {group.name}"
    if not group.members:
        return TraceStep(rule, matched=False, why="it has no lines")
    if not ordered:
        return TraceStep(rule, matched=False, why="none of its lines can be rung")
    how = str(group.strategy).replace("_", " ")
    if group.strategy is Strategy.ROUND_ROBIN:
        how += f", turn {facts.turns.get(group.name, 0)}"
    return TraceStep(rule, matched=True, why=f"{how}: {len(ordered)} of {len(group.members)} lines")
