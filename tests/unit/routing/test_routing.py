"""Screening and the routing decision, without a call."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from callctl.directory.models import Did, Line, Tenant
from callctl.routing import Facts, decide, screen
from callctl.values.area import Area
from callctl.values.hangup import HangupCause
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Tariff

BEIJING = Area("北京", "北京", "110000")
SHENZHEN = Area("广东", "深圳", "440300")
TENANT = Tenant("t", "zh", "Asia/Shanghai", 1, "tenant:t", 2, "CNY", (60, 15))


def line(name: str, *areas: str) -> Line:
    number = PhoneNumber.parse("01062000001")
    return Line(name, number, "carrier", None, ring_seconds=15, areas=areas)


def did(*lines: Line, blacklist: frozenset[str] = frozenset()) -> Did:
    return Did("4001234567", TENANT, Tariff("t", 1, "CNY", ()), None, lines, blacklist)


def names(facts: Facts) -> list[str]:
    return [attempt.line.name for attempt in decide(facts).attempts]


def test_blacklisted_caller_is_rejected_with_cause_21() -> None:
    """A9: a number on the blacklist has no right to call; however it is written."""
    listed = did(line("any"), blacklist=frozenset({PhoneNumber.parse("13900000000").text}))
    for text in ("13900000000", "013900000000", "+8613900000000", "008613900000000"):
        verdict = screen(Facts(listed, PhoneNumber.parse(text), Area.UNKNOWN))
        assert (verdict.is_allowed, verdict.cause) == (False, HangupCause.REJECTED)
        assert verdict.trace[-1].matched

    assert screen(Facts(listed, PhoneNumber.parse("13900000001"), Area.UNKNOWN)).is_allowed
    assert screen(Facts(listed, PhoneNumber.unknown(), Area.UNKNOWN)).is_allowed


def test_lines_of_the_area_come_before_default_lines() -> None:
    """A7: first the lines bound to the caller's area in their order, then the default lines."""
    lines = (
        line("default-1"),
        line("guangdong", "440000"),
        line("beijing", "110000"),
        line("shenzhen", "440300"),
        line("default-2"),
    )
    caller = PhoneNumber.parse("075512345678")
    facts = Facts(did(*lines), caller, SHENZHEN)

    assert names(facts) == ["guangdong", "shenzhen", "default-1", "default-2"]
    assert names(replace(facts, area=BEIJING)) == ["beijing", "default-1", "default-2"]
    assert names(replace(facts, area=Area.UNKNOWN)) == ["default-1", "default-2"]


def test_a_zone_reaches_the_line_of_any_of_its_cities() -> None:
    """An area code shared by cities matches a line bound to one of them."""
    zone = Area("湖南", None, "430000", ("430100", "430200", "430300"))
    facts = Facts(did(line("zhuzhou", "430200"), line("default")), PhoneNumber.unknown(), zone)

    assert names(facts) == ["zhuzhou", "default"]


def test_the_endpoint_is_made_of_directory_data_only() -> None:
    """R19: number digits at a trunk; nothing that a caller sent is in it."""
    facts = Facts(did(line("any")), PhoneNumber.parse("x@evil"), Area.UNKNOWN)

    [attempt] = decide(facts).attempts
    assert attempt.endpoint == "PJSIP/01062000001@carrier"


_codes = st.sampled_from(["110000", "440000", "440300", "310000"])
_areas = st.sampled_from([BEIJING, SHENZHEN, Area.UNKNOWN])


@given(st.lists(st.lists(_codes, max_size=2), min_size=1, max_size=20), _areas)
def test_every_line_is_explained_and_tried_at_most_once(
    bindings: list[list[str]], area: Area
) -> None:
    """For any binding: one trace step a line, matched exactly when the line is an attempt."""
    lines = [line(f"l{n}", *codes) for n, codes in enumerate(bindings)]
    decision = decide(Facts(did(*lines), PhoneNumber.unknown(), area))

    matched = {step.rule.removeprefix("line ") for step in decision.trace if step.matched}
    tried = [attempt.line.name for attempt in decision.attempts]
    assert len(decision.trace) == len(lines)
    assert sorted(tried) == sorted(matched)
    assert all(not one.areas for one in lines if one.name in tried) or area.is_known
