"""One decision in the making: what it knows, what it has asked already, the rules looked at."""

from callctl.directory.answering import CallerList
from callctl.routing.facts import Facts, TraceStep
from callctl.routing.lists import covering, found
from callctl.routing.schedules import Opening, opening
from callctl.values.schedule import Schedule


class Moment:
    """The facts of one decision; each schedule and list is asked once, however many rules have it.

    codes  every adcode that the caller's area matches
    trace  the rules that were looked at, in order
    """

    __slots__ = ("_found", "_openings", "codes", "facts", "trace")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.codes = covering(facts.area)
        self.trace: list[TraceStep] = []
        self._openings: dict[int, Opening] = {}
        self._found: dict[int, str | None] = {}

    def note(self, rule: str, why: str, *, matched: bool = True) -> None:
        """Add a rule to the trace."""
        self.trace.append(TraceStep(rule, matched, why))

    def opening(self, schedule: Schedule) -> Opening:
        """How the schedule stands now."""
        key = id(schedule)
        answer = self._openings.get(key)
        if answer is None:
            answer = self._openings[key] = opening(schedule, self.facts.at)
        return answer

    def on_list(self, caller_list: CallerList) -> str | None:
        """Why the caller is on the list, None when he is not."""
        key = id(caller_list)
        if key not in self._found:
            self._found[key] = found(caller_list, self.facts.caller, self.facts.area)
        return self._found[key]
