"""The whole way of a call, for any configuration: one outcome, bounded, explained, repeatable."""

from dataclasses import replace

from hypothesis import given, settings

from callctl.routing import (
    HOPS_MAX,
    Ask,
    Decision,
    End,
    Facts,
    Journey,
    NoKey,
    NoLine,
    Outcome,
    Overflowed,
    PromiseCallback,
    Ring,
    Said,
    Say,
    TakeMessage,
    Wait,
    screen,
)
from callctl.routing.walk import Walk, walk
from tests.unit.routing.configurations import busy_lines, calls, pressed
from tests.unit.routing.samples import did, facts, group, line, target

ENDS = (Ring, Wait, Ask, TakeMessage, PromiseCallback, End)
TRIES_MAX = 3  # of the configurations' menus


@settings(max_examples=600, deadline=None)
@given(calls(), pressed, busy_lines)
def test_any_call_has_one_outcome_which_ends_its_explanation(
    call: Facts, keys: list[str], busy: list[str]
) -> None:
    """No configuration, caller, moment, keys or busy lines raise, go on for ever or end twice."""
    way = walk(call, keys, busy)

    assert isinstance(way.step, ENDS)
    assert isinstance(way.step, Ring) is (way.line is not None)
    assert [step.rule for step in way.trace].count("outcome") == 1
    outcome = way.trace[-1]
    assert (outcome.rule, outcome.matched) == ("outcome", True)
    assert outcome.why == _outcome(way)
    assert len(way.decisions) <= 1 + HOPS_MAX + len(keys)
    assert all(one.trace[-1].matched and one.trace[-1].why for one in way.decisions)


def _outcome(way: Walk) -> str:
    if way.line is not None:
        return f"line {way.line.name} takes the call"
    if not way.verdict.is_allowed:
        return f"end: {way.verdict.reason} (cause 21)"
    last = way.decisions[-1].trace[-1]
    return f"{last.rule}: {last.why}"


@settings(max_examples=300, deadline=None)
@given(calls(), pressed, busy_lines)
def test_the_same_facts_give_the_same_way(call: Facts, keys: list[str], busy: list[str]) -> None:
    """Chance too: it comes from the seed."""
    assert walk(call, keys, busy) == walk(replace(call), keys, busy)


@settings(max_examples=300, deadline=None)
@given(calls(routes_max=60))
def test_sorted_routes_decide_as_routes_in_order_do(call: Facts) -> None:
    """A number with many routes looks at few of them, and comes to the same step."""
    verdict = screen(call)
    quick = Journey(is_vip=verdict.is_vip).begin(call)
    thorough = Journey(is_vip=verdict.is_vip, is_thorough=True).begin(call)

    assert quick.step == thorough.step
    matched = [[one for one in found.trace if one.matched] for found in (quick, thorough)]
    assert matched[0] == matched[1]


@settings(max_examples=300, deadline=None)
@given(calls())
def test_a_caller_whom_nobody_takes_comes_to_an_end(call: Facts) -> None:
    """When no line takes the call, no key is pressed and every wait overflows, it ends."""
    journey = Journey(is_vip=False)
    decision, count = journey.begin(call), 1
    while (outcome := _nothing(decision)) is not None:
        decision, count = journey.after(outcome, call), count + 1

    assert isinstance(decision.step, TakeMessage | PromiseCallback | End)
    assert count <= 1 + HOPS_MAX * (TRIES_MAX + 1)


def _nothing(decision: Decision) -> Outcome | None:
    match decision.step:
        case Ring():
            return NoLine(19)
        case Wait():
            return Overflowed("nobody came")
        case Ask():
            return NoKey()
        case Say():
            return Said()
        case _:
            return None


def test_a_busy_line_is_passed_and_the_next_takes_the_call() -> None:
    """Lines without a capacity are rung and found busy; who has one is not rung."""
    one = group("g", line("a"), line("b", capacity=1), line("c"))
    way = walk(facts(did("group:g", one)), busy=["a", "b"])

    assert way.line is not None
    assert way.line.name == "c"
    whys = [(step.rule, step.why) for step in way.trace if not step.matched]
    assert whys == [("line b", "it has 1 of at most 1 calls"), ("attempt a", "busy (cause 17)")]


def test_when_all_lines_are_busy_the_way_goes_on() -> None:
    """To the group's `otherwise`; the trace says what each decision found."""
    one = group("g", line("a"), otherwise=target("refuse"))
    way = walk(facts(did("group:g", one)), busy=["a"])

    assert [type(decision.step) for decision in way.decisions] == [Ring, End]
    assert way.trace[-1].why == "end: refused (cause 21)"
