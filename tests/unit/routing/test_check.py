"""What `route check` finds in a number, and what it lets pass."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from callctl.directory.answering import (
    CallerList,
    ListMode,
    Menu,
    MenuKey,
    Message,
    Queue,
    Route,
)
from callctl.directory.models import Did
from callctl.routing import Facts
from callctl.routing.check import check, count, unused
from callctl.routing.walk import walk
from callctl.values.schedule import Hours, ManualSwitch, Schedule, SpecialDays
from tests.unit.routing.configurations import LINES, calls
from tests.unit.routing.samples import ALWAYS, NEVER, NOON, OFFICE, box, did, group, line, target

SUPPORT = group("support", line("a"))
BOX = box("box")
TO = target("group:support")
SOME = CallerList("some", ListMode.VIP, numbers=frozenset({"+8613901710001"}))
NOBODY = CallerList("nobody", ListMode.VIP)
PESTS = CallerList("pests", ListMode.BLOCK, numbers=frozenset({"+8613901710001"}))


def found(one: Did, at: datetime = NOON) -> list[tuple[str, str, bool]]:
    return [(finding.place, finding.what, finding.loses_calls) for finding in check(one, at)]


def routed(*routes: Route, **fields: Any) -> Did:
    return did("group:support", SUPPORT, routes=routes, **fields)


def test_a_number_that_is_right_has_no_findings() -> None:
    """Conditions that differ, hours that come and go, a queue, a menu with an operator."""
    menu = Menu("m", "p", {"1": MenuKey(TO), "0": MenuKey(TO, OFFICE, target("voicemail:box"))})
    one = did(
        "menu:m",
        *(SUPPORT, BOX, menu),
        routes=(
            Route("beijing", TO, areas=("110000",)),
            Route("south", TO, areas=("440000",), while_open=OFFICE),
            Route("half", TO, percentage=50),
            Route("vip", TO, is_vip_only=True),
        ),
        lists=(SOME, PESTS),
        schedule=OFFICE,
        closed=target("voicemail:box"),
    )

    assert found(one) == []
    assert list(unused([one])) == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"percentage": 0}, "it has 0 % of its calls"),
        ({"while_open": NEVER}, "never is never open"),
        ({"while_closed": ALWAYS}, "always is always open"),
        ({"while_open": OFFICE, "while_closed": OFFICE}, "office is not open and closed at once"),
        ({"is_vip_only": True}, "the number has no list of VIP callers"),
        ({"caller_list": PESTS}, "who is on list pests is refused before"),
    ],
)
def test_a_route_that_never_matches_is_found(fields: dict[str, Any], why: str) -> None:
    """Each reason is said; no call is lost by it."""
    one = routed(Route("r", TO, **fields), lists=(PESTS,))

    assert found(one) == [("route r", f"it never matches: {why}", False)]


@pytest.mark.parametrize(
    ("first", "second", "is_shadowed"),
    [
        ({}, {"areas": ("110000",)}, True),
        ({"percentage": 100}, {"areas": ("110000",)}, True),
        ({"percentage": 99}, {"areas": ("110000",)}, False),
        ({"areas": ("440000",)}, {"areas": ("440300", "440100")}, True),
        ({"areas": ("440300",)}, {"areas": ("440000",)}, False),
        ({"areas": ("440000",)}, {}, False),
        ({"prefixes": ("+8610",)}, {"prefixes": ("+861062",)}, True),
        ({"prefixes": ("+861062",)}, {"prefixes": ("+8610",)}, False),
        ({"while_open": OFFICE}, {"while_open": OFFICE, "areas": ("110000",)}, True),
        ({"while_open": OFFICE}, {"while_closed": OFFICE}, False),
        ({"caller_list": SOME}, {"caller_list": SOME}, True),
        ({"is_vip_only": True}, {"is_vip_only": True, "prefixes": ("+86",)}, True),
        ({"is_vip_only": True}, {"prefixes": ("+86",)}, False),
    ],
)
def test_a_route_behind_a_wider_one_is_found(
    first: dict[str, Any], second: dict[str, Any], is_shadowed: bool
) -> None:
    """When all that the earlier asks for holds whenever the later holds."""
    one = routed(Route("first", TO, **first), Route("second", TO, **second), lists=(SOME,))

    findings = [finding for finding in found(one) if finding[0] == "route second"]
    expected = [("route second", "it never matches: route first takes its calls", False)]
    assert findings == (expected if is_shadowed else [])


def test_a_default_behind_a_route_for_every_call_is_found() -> None:
    """It is never used."""
    assert found(routed(Route("all", TO))) == [
        ("default", "it is never used: route all takes all calls", False)
    ]


@pytest.mark.parametrize(
    ("parts", "default", "what"),
    [
        ((group("g"),), "group:g", "it has no lines; calls are lost"),
        (
            (group("g", line("a", is_on=False), line("b", schedule=NEVER)),),
            "group:g",
            "none of its lines is ever switched on and in its hours; calls are lost",
        ),
        (
            (line("a", is_on=False),),
            "line:a",
            "none of its lines is ever switched on and in its hours; calls are lost",
        ),
        (
            (group("g", line("a", "110000")),),
            "group:g",
            "all of its lines are bound to areas; calls from elsewhere are lost",
        ),
        ((Menu("m", "p", {}),), "menu:m", "no key leads anywhere"),
    ],
)
def test_dead_ends_lose_calls(parts: tuple[Any, ...], default: str, what: str) -> None:
    """Groups and lines that nobody can answer and that lead nowhere else, menus without keys."""
    assert found(did(default, *parts)) == [(f"{default} (by default)", what, True)]


def test_a_group_that_leads_elsewhere_loses_nothing() -> None:
    """It is said, as its lines are never rung."""
    one = group("g", line("a", is_on=False), otherwise=target("voicemail:box"))
    what = "none of its lines is ever switched on and in its hours; calls go to voicemail:box"

    assert found(did("group:g", one, BOX)) == [("group:g (by default)", what, False)]


def test_keys_that_lead_to_what_is_closed_are_found() -> None:
    """A schedule that never comes, with and without a way out; a way out without a schedule."""
    keys = {
        "1": MenuKey(TO, NEVER),
        "2": MenuKey(TO, NEVER, target("voicemail:box")),
        "3": MenuKey(TO, None, target("voicemail:box")),
    }
    assert found(did("menu:m", SUPPORT, BOX, Menu("m", "p", keys))) == [
        ("menu:m key 1", "never is never open: it leads nowhere", False),
        ("menu:m key 2", "never is never open: voicemail:box", False),
        ("menu:m key 3", "it has no schedule: closed is never used", False),
    ]


def test_callers_who_dial_extensions_need_some() -> None:
    """A menu for extensions of which there are none, and in which no key leads on."""
    whats = [what for _, what, _ in found(did("menu:m", Menu("m", "p", {}, True)))]

    assert whats == [
        *("callers may dial extensions, but no group has one", "no key leads anywhere")
    ]


def message(name: str, then: str) -> Message:
    return Message(name, "p", then=target(then))


def test_circles_without_a_wait_are_found_once() -> None:
    """Messages in a ring, and a group in it that nobody can answer."""
    one = did("message:a", message("a", "message:b"), message("b", "message:a"))
    dead = group("g", line("x", is_on=False), otherwise=target("message:c"))
    two = did("group:g", dead, message("c", "group:g"))

    assert found(one) == [
        ("message:a", "calls go round: message:a, then message:b, then message:a", True)
    ]
    assert ("group:g", "calls go round: group:g, then message:c, then group:g", True) in found(two)


def test_circles_in_which_somebody_acts_or_waits_are_right() -> None:
    """Lines ring, a key is pressed, a queue overflows."""
    rings = group("g", line("x"), otherwise=target("message:c"))
    menu = Menu("m", "p", {"1": MenuKey(target("menu:m"))}, no_key=target("menu:m"))
    queue = Queue(5, 60, "callctl/hold", None, overflow=target("group:q"))

    assert found(did("group:g", rings, message("c", "group:g"))) == []
    assert found(did("menu:m", menu)) == []
    assert found(did("group:q", group("q", line("x"), queue=queue))) == []


@pytest.mark.parametrize(
    ("fields", "findings"),
    [
        ({"schedule": NEVER}, [("schedule", "never is never open; calls: they are refused", True)]),
        (
            {"schedule": NEVER, "closed": target("voicemail:box")},
            [("schedule", "never is never open; calls: voicemail:box", False)],
        ),
        (
            {"schedule": ALWAYS, "closed": target("voicemail:box")},
            [("closed", "always is always open: it is never used", False)],
        ),
        (
            {"closed": target("voicemail:box")},
            [("closed", "the number has no schedule: it is used only by the switch", False)],
        ),
        (
            {"switch": ManualSwitch.CLOSED},
            [
                (
                    "switch",
                    "the number is switched closed by hand; calls: they are refused",
                    False,
                )
            ],
        ),
        ({"switch": ManualSwitch.OPEN, "schedule": NEVER}, []),
        ({"lists": (NOBODY,)}, [("list nobody", "nobody is on it", False)]),
        (
            {"lists": (replace(NOBODY, mode=ListMode.ALLOW_ONLY),)},
            [("list nobody", "nobody is on it", True)],
        ),
    ],
)
def test_hours_and_lists_of_the_number(
    fields: dict[str, Any], findings: list[tuple[str, str, bool]]
) -> None:
    """Hours that never come or never end, lists without callers."""
    assert found(did("group:support", SUPPORT, BOX, **fields)) == findings


def test_what_is_over_does_not_count() -> None:
    """A schedule of a day that is past is never open any more; before it, it will be."""
    day = SpecialDays("fair", date(2026, 10, 1), date(2026, 10, 1), ((540, 1080),))
    fair = Schedule("fair", "Asia/Shanghai", (), (day,))
    one = routed(Route("r", TO, while_open=fair))

    assert found(one, datetime(2026, 9, 1, tzinfo=UTC)) == []
    assert found(one)[0][1] == "it never matches: fair is never open"


def test_what_nothing_leads_to_is_found() -> None:
    """Of all numbers of the tenant together; extensions are led to where they can be dialled."""
    extension = group("g", line("x"), extension="8001")
    plain = did("group:support", SUPPORT, extension, Menu("m", "p", {}, True), BOX, line("spare"))
    places = ["group g", "menu m", "voicemail box", "line x", "line spare"]

    assert [finding.place for finding in unused([plain])] == places
    with_menu = replace(plain, default=target("menu:m"))
    assert [finding.place for finding in unused([plain, with_menu])] == [
        *("voicemail box", "line spare")
    ]


def test_both_counters_are_those_of_ambiguity_5() -> None:
    """Distinct numbers without a menu; groups and lines behind menus, each on its first level."""
    menu = Menu("m", "p", {"1": MenuKey(target("group:g")), "2": MenuKey(target("menu:n"))})
    deeper = {"1": MenuKey(target("group:h")), "2": MenuKey(target("line:x"))}
    parts = (
        group("support", line("a"), line("b"), line("a"), otherwise=target("group:more")),
        group("more", line("c")),
        *(group("g", line("d")), group("h", line("e"), otherwise=target("group:g"))),
        *(menu, Menu("n", "p", deeper), line("x")),
    )
    counted = count(did("group:support", *parts, routes=(Route("r", target("menu:m")),)))

    assert (counted.lines, counted.extensions) == (3, {1: 1, 2: 2})


def test_hours_of_a_line_are_looked_at() -> None:
    """A line in its hours once a week can answer."""
    weekly = Schedule("weekly", "Asia/Shanghai", (Hours(("sun",), 0, 60),))

    assert found(did("group:g", group("g", line("a", schedule=weekly)))) == []


@settings(max_examples=300, deadline=None)
@given(calls(routes_max=8))
def test_a_route_of_which_it_is_said_never_matches(call: Facts) -> None:
    """For any configuration and call nothing is raised, and what is found is true of the call."""
    findings = found(call.did, call.at)
    never = {place for place, what, _ in findings if "never matches" in what or place == "default"}
    matched = {step.rule for step in walk(call).trace if step.matched}

    assert not never & matched
    assert count(call.did).lines >= 0
    assert len(list(unused([call.did]))) <= len(LINES) + 12
