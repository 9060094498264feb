"""Which lines are rung and in which order: availability, areas, priorities, strategies."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.directory.answering import Group, Member, Queue, Strategy
from callctl.routing import Facts, LineState, attempts, capacity_of
from callctl.routing.lists import covering
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from tests.unit.routing.samples import (
    ALWAYS,
    BEIJING,
    NEVER,
    NOON,
    SHENZHEN,
    ZONE,
    did,
    facts,
    group,
    line,
)

QUEUE = Queue(20, 300, "callctl/hold", 30)
DECISIONS = 1_000
NAMES = ("a", "b", "c", "d")


def names(one: Group, **fields: Any) -> list[str]:
    found: Facts = facts(did(f"group:{one.name}", one), **fields)
    return [attempt.line.name for attempt in attempts(found, one)]


def of(strategy: Strategy, *members: Member, **fields: Any) -> Group:
    return group("support", *(members or map(line, NAMES)), strategy=strategy, **fields)


def firsts(one: Group, **fields: Any) -> Counter[str]:
    """Which line was first, in so many decisions that differ by their seeds only."""
    return Counter(names(one, seed=seed, **fields)[0] for seed in range(DECISIONS))


def is_fair(found: int, share: float) -> bool:
    """Whether a line has its share, within four standard deviations."""
    return abs(found - DECISIONS * share) < 4 * sqrt(DECISIONS * share * (1 - share))


def test_lines_of_the_area_come_before_default_lines() -> None:
    """A7: lines bound to the caller's area, then default lines; others are not rung."""
    one = group(
        "support",
        line("default-1"),
        line("guangdong", "440000"),
        line("beijing", "110000"),
        line("shenzhen", "440300"),
        line("zhuzhou", "430200"),
        line("default-2"),
    )
    defaults = ["default-1", "default-2"]

    assert names(one, area=SHENZHEN) == ["guangdong", "shenzhen", *defaults]
    assert names(one, area=BEIJING) == ["beijing", *defaults]
    assert names(one, area=ZONE) == ["zhuzhou", *defaults]
    assert names(one, area=Area.UNKNOWN) == defaults


def test_priority_comes_before_the_strategy_and_after_the_area() -> None:
    """The lower priority first, in each of the two kinds of lines."""
    one = of(
        Strategy.ROUND_ROBIN,
        Member(line("late"), priority=2),
        Member(line("soon-1"), priority=1),
        Member(line("soon-2"), priority=1),
        Member(line("beijing", "110000"), priority=9),
    )

    assert names(one, area=BEIJING, turns={"support": 1}) == ["beijing", "soon-2", "soon-1", "late"]


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"is_on": False}, None),
        ({"schedule": NEVER}, None),
        ({"areas": ("110000",)}, None),
        ({"number": PhoneNumber.parse("13901710001")}, None),
        ({"capacity": 2}, LineState(live_calls=2)),
        ({}, LineState(rested_until=NOON + timedelta(seconds=1))),
        ({}, LineState(wraps_up_until=NOON + timedelta(seconds=1))),
    ],
)
def test_lines_that_cannot_be_rung_are_skipped(
    fields: dict[str, Any], state: LineState | None
) -> None:
    """Off, out of hours, of another area, the caller's own, full, resting or wrapping up."""
    one = group("support", replace(line("a"), **fields), line("b"))

    assert names(one, lines={"a": state} if state else {}) == ["b"]


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"schedule": ALWAYS}, LineState()),
        ({"capacity": 2}, LineState(live_calls=1)),
        ({}, LineState(live_calls=99)),
        ({}, LineState(rested_until=NOON)),
        ({}, LineState(wraps_up_until=NOON)),
    ],
)
def test_lines_that_can_be_rung_are(fields: dict[str, Any], state: LineState) -> None:
    """In their hours, below their capacity, without one, and once their rest is over."""
    one = group("support", replace(line("a"), **fields))

    assert names(one, lines={"a": state}) == ["a"]


def test_a_caller_without_a_number_is_no_line() -> None:
    """A line is the caller's own only if he shows its number."""
    assert names(group("support", line("a")), caller="") == ["a"]


def test_in_a_group_with_a_queue_a_line_takes_one_call_at_a_time() -> None:
    """Unless it says how many it takes."""
    waiting = group("support", line("a"), line("b", capacity=2), queue=QUEUE)
    busy = {"a": LineState(live_calls=1), "b": LineState(live_calls=1)}

    assert names(waiting, lines=busy) == ["b"]
    assert names(replace(waiting, queue=None), lines=busy) == ["a", "b"]
    assert [capacity_of(waiting, one.line) for one in waiting.members] == [1, 2]


def test_the_endpoint_is_made_of_directory_data_only() -> None:
    """R19: number digits at a trunk, rung as long as the group says, else as long as the line."""
    one = group("support", Member(line("a"), ring_seconds=7), Member(line("a")))
    found = facts(did("group:support", one), "x@evil")

    first, second = attempts(found, one)
    assert first.endpoint == f"PJSIP/{line('a').number.dial_digits}@carrier"
    assert (first.ring_seconds, second.ring_seconds) == (7, 15)


@pytest.mark.parametrize("strategy", [Strategy.SEQUENTIAL, Strategy.SIMULTANEOUS])
def test_in_turn_and_at_once_keep_the_groups_order(strategy: Strategy) -> None:
    """All of 1,000 decisions begin with the first line."""
    assert firsts(of(strategy)) == {"a": DECISIONS}


def test_round_robin_gives_each_line_its_turn() -> None:
    """1,000 turns: each of four lines is first 250 times, and those after it follow in order."""
    one = of(Strategy.ROUND_ROBIN)
    found = [names(one, turns={"support": turn}) for turn in range(DECISIONS)]

    assert Counter(order[0] for order in found) == dict.fromkeys(NAMES, DECISIONS // 4)
    assert found[2] == ["c", "d", "a", "b"]


def test_round_robin_leaves_out_who_cannot_be_rung() -> None:
    """The turns are shared by the lines that are there."""
    one = of(Strategy.ROUND_ROBIN, *(Member(line(name, is_on=name != "b")) for name in NAMES))
    found = Counter(names(one, turns={"support": turn})[0] for turn in range(999))

    assert found == {"a": 333, "c": 333, "d": 333}


def test_random_gives_each_line_the_same_chance_of_each_place() -> None:
    """1,000 decisions: each of four lines is first, and last, a quarter of them."""
    one = of(Strategy.RANDOM)
    lasts = Counter(names(one, seed=seed)[-1] for seed in range(DECISIONS))

    for found in (firsts(one), lasts):
        assert all(is_fair(found[name], 1 / 4) for name in NAMES), found


def test_weighted_gives_each_line_its_share() -> None:
    """1,000 decisions with weights 50, 30, 20 and 0: the shares, and 0 only after all others."""
    weights = dict(zip(NAMES, (50, 30, 20, 0), strict=True))
    one = of(Strategy.WEIGHTED, *(Member(line(name), weight=weights[name]) for name in NAMES))
    found = firsts(one)

    assert all(is_fair(found[name], weights[name] / 100) for name in "abc"), found
    assert found["d"] == 0
    assert names(one)[-1] == "d"


def test_weights_need_not_sum_to_100() -> None:
    """Of 1, 3 and 4 each is so many eighths; the second place goes by shares of the rest."""
    weights = {"a": 1, "b": 3, "c": 4}
    one = of(Strategy.WEIGHTED, *(Member(line(n), weight=w) for n, w in weights.items()))
    orders = [names(one, seed=seed) for seed in range(DECISIONS)]

    assert is_fair(sum(order[0] == "b" for order in orders), 3 / 8)
    after_c = [order[1] for order in orders if order[0] == "c"]
    assert abs(after_c.count("b") / len(after_c) - 3 / 4) < 0.08


def test_weights_that_are_all_0_leave_it_to_chance() -> None:
    """Nobody is preferred, and everybody is rung."""
    one = of(Strategy.WEIGHTED, *(Member(line(name), weight=0) for name in NAMES))
    found = firsts(one)

    assert all(is_fair(found[name], 1 / 4) for name in NAMES), found
    assert sorted(names(one)) == list(NAMES)


def _serve(one: Group, learn: Any) -> Counter[str]:
    """1,000 decisions of which the first line takes the call, and its state changes by it."""
    states: dict[str, LineState] = {}
    served: Counter[str] = Counter()
    for number in range(DECISIONS):
        first = names(one, lines=states, at=NOON + timedelta(minutes=number))[0]
        served[first] += 1
        states[first] = learn(states.get(first, LineState()), NOON + timedelta(minutes=number))
    return served


def test_least_recent_gives_the_call_to_who_has_rested_longest() -> None:
    """1,000 calls in a row: each of four lines takes 250; those that never talked come first."""
    one = of(Strategy.LEAST_RECENT)
    ended = NOON - timedelta(hours=1)

    assert _serve(one, lambda state, at: replace(state, last_call_at=at)) == dict.fromkeys(
        NAMES, DECISIONS // 4
    )
    states = {"a": LineState(last_call_at=NOON), "c": LineState(last_call_at=ended)}
    assert names(one, lines=states) == ["b", "d", "c", "a"]


def test_fewest_calls_evens_out_the_calls_of_the_day() -> None:
    """A line that is 100 calls behind takes the next 100; then all four take turns."""
    one = of(Strategy.FEWEST_CALLS)
    served = _serve(one, lambda state, at: replace(state, call_count=state.call_count + 1))

    assert served == dict.fromkeys(NAMES, DECISIONS // 4)
    ahead = {name: LineState(call_count=100) for name in "abd"}
    assert names(one, lines=ahead)[0] == "c"


def test_of_lines_with_as_many_calls_the_longest_idle_is_first() -> None:
    """Fewest calls, then least recent."""
    states = {
        "a": LineState(call_count=5, last_call_at=NOON),
        "b": LineState(call_count=5, last_call_at=NOON - timedelta(hours=1)),
        "c": LineState(call_count=6),
        "d": LineState(call_count=7),
    }

    assert names(of(Strategy.FEWEST_CALLS), lines=states) == ["b", "a", "c", "d"]


_codes = st.sampled_from(["110000", "440000", "440300", "310000", "430100", "430000"])
_areas = st.sampled_from([BEIJING, SHENZHEN, ZONE, Area("广东", None, "440000"), Area.UNKNOWN])


@given(_codes, _areas)
def test_the_codes_that_cover_an_area_are_those_that_it_matches(code: str, area: Area) -> None:
    """What routing looks up is what Area.matches says."""
    assert (code in covering(area)) is area.matches(code)


@given(
    st.sampled_from(list(Strategy)),
    st.lists(st.tuples(st.lists(_codes, max_size=2), st.integers(1, 3), st.integers(0, 100))),
    _areas,
    st.integers(0, 2**128 - 1),
    st.integers(0, 10_000),
)
def test_each_line_is_rung_once_at_most_and_by_the_same_facts_alike(
    strategy: Strategy,
    members: list[tuple[list[str], int, int]],
    area: Area,
    seed: int,
    turn: int,
) -> None:
    """Whatever the group: no line twice, none of another area, the same facts the same order."""
    made = [
        Member(line(f"l{n}", *codes), priority, weight)
        for n, (codes, priority, weight) in enumerate(members)
    ]
    one = group("support", *made, strategy=strategy)
    fields = {"area": area, "seed": seed, "turns": {"support": turn}}

    found = names(one, **fields)
    expected = [
        member.line.name
        for member in made
        if not member.line.areas or any(map(area.matches, member.line.areas))
    ]
    assert sorted(found) == sorted(expected)
    assert found == names(one, **fields)
