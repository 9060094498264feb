"""Screening: who may call, in the order of ambiguity 3."""

from typing import Any

import pytest

from callctl.directory.answering import CallerList, ListMode
from callctl.routing import screen
from callctl.values.hangup import HangupCause
from callctl.values.phone_number import PhoneNumber
from tests.unit.routing.samples import BEIJING, SHENZHEN, ZONE, did, facts, group, line

MOBILE = "13900000000"
TEXT = PhoneNumber.parse(MOBILE).text
GROUP = group("support", line("any"))


def listed(mode: ListMode, name: str = "", **fields: Any) -> CallerList:
    return CallerList(name or f"{mode}s", mode, **fields)


BY_NUMBER: dict[str, Any] = {"numbers": frozenset({TEXT})}
BLOCK = listed(ListMode.BLOCK, **BY_NUMBER)
ALLOW = listed(ListMode.ALLOW_ONLY, **BY_NUMBER)
ALLOW_OTHERS = listed(ListMode.ALLOW_ONLY, "others", numbers=frozenset({"+8613911111111"}))
VIP = listed(ListMode.VIP, **BY_NUMBER)
BLOCK_AREA = listed(ListMode.BLOCK, "area", areas=("440000",))


@pytest.mark.parametrize(
    ("lists", "reason", "is_vip"),
    [
        ((), "", False),
        ((BLOCK,), "blacklisted", False),
        ((VIP, BLOCK), "blacklisted", False),
        ((ALLOW, BLOCK), "blacklisted", False),
        ((ALLOW,), "", False),
        ((ALLOW_OTHERS,), "not_allowed", False),
        ((ALLOW_OTHERS, ALLOW), "", False),
        ((VIP, ALLOW_OTHERS), "not_allowed", False),
        ((VIP,), "", True),
        ((BLOCK_AREA,), "area_blocked", False),
        ((BLOCK_AREA, VIP), "", True),
        ((BLOCK_AREA, ALLOW), "area_blocked", False),
    ],
)
def test_lists_are_asked_in_the_order_of_ambiguity_3(
    lists: tuple[CallerList, ...], reason: str, is_vip: bool
) -> None:
    """Blocked by number, then allowed only, then VIP, then blocked by area; refused with 21."""
    verdict = screen(facts(did("group:support", GROUP, lists=lists), MOBILE, area=SHENZHEN))

    assert (verdict.reason, verdict.is_vip, verdict.is_allowed) == (reason, is_vip, not reason)
    assert verdict.cause is (HangupCause.REJECTED if reason else HangupCause.NORMAL)
    assert verdict.trace[-1].why.startswith(reason or "allowed")


@pytest.mark.parametrize("text", [MOBILE, f"0{MOBILE}", f"+86{MOBILE}", f"0086{MOBILE}"])
def test_a_blacklisted_caller_is_refused_however_he_is_written(text: str) -> None:
    """A9: the list has the number's normal form, and so has the caller."""
    number = did("group:support", GROUP, lists=(BLOCK,))

    assert not screen(facts(number, text)).is_allowed
    assert screen(facts(number, "13900000001")).is_allowed
    assert screen(facts(number, PhoneNumber.unknown())).is_allowed


@pytest.mark.parametrize(
    ("entries", "caller", "is_on"),
    [
        ({"prefixes": ("+8610",)}, "01062000001", True),
        ({"prefixes": ("+8610",)}, "02062000001", False),
        ({"prefixes": ("+8610",)}, "", False),
        ({"prefixes": ("+44", "955")}, "95588", True),
        ({"ranges": (("+861062000000", "+861062000099"),)}, "01062000000", True),
        ({"ranges": (("+861062000000", "+861062000099"),)}, "01062000099", True),
        ({"ranges": (("+861062000000", "+861062000099"),)}, "01062000100", False),
        ({"ranges": (("+861062000000", "+861062000099"),)}, "01061999999", False),
        (
            {
                "ranges": (
                    ("+861062000050", "+861062000060"),
                    ("+861062000000", "+861062000099"),
                    ("+861062000200", "+861062000299"),
                )
            },
            "01062000080",
            True,
        ),
        ({"is_for_unknown": True}, "", True),
        ({"is_for_unknown": True}, "01062000001", False),
        ({}, "", False),
    ],
)
def test_entries_of_each_kind_are_found(entries: dict[str, Any], caller: str, is_on: bool) -> None:
    """Prefixes, ranges with both ends even when they overlap, and callers without a number."""
    number = did("group:support", GROUP, lists=(listed(ListMode.BLOCK, **entries),))

    assert screen(facts(number, caller)).is_allowed is not is_on


def test_an_area_is_refused_only_when_it_is_sure() -> None:
    """A8: a caller who may be from another city is not refused, but is on a list of VIPs."""
    changsha: dict[str, Any] = {"areas": ("430100",)}
    blocked = did("group:support", GROUP, lists=(listed(ListMode.BLOCK, **changsha),))
    welcome = did("group:support", GROUP, lists=(listed(ListMode.VIP, **changsha),))

    assert screen(facts(blocked, area=ZONE)).is_allowed
    assert screen(facts(welcome, area=ZONE)).is_vip
    assert not screen(facts(welcome, area=BEIJING)).is_vip


def test_who_is_refused_hears_the_announcement_of_his_list() -> None:
    """It goes with the verdict; of several lists of who may call only, the first that has one."""
    loud = listed(ListMode.BLOCK, announcement="callctl/refused", **BY_NUMBER)
    others = listed(ListMode.ALLOW_ONLY, "o", announcement="callctl/not-allowed")

    for one, prompt in ((loud, "callctl/refused"), (others, "callctl/not-allowed"), (BLOCK, None)):
        verdict = screen(facts(did("group:support", GROUP, lists=(one,)), MOBILE))
        assert (verdict.is_allowed, verdict.announcement) == (False, prompt)


def test_calls_of_one_caller_a_minute_are_capped() -> None:
    """A23: as many as allowed are let in, the next is refused, before any list is asked."""
    number = did("group:support", GROUP, calls_per_caller_minute=3, lists=(VIP,))

    assert screen(facts(number, MOBILE, recent_calls=3)).is_allowed
    verdict = screen(facts(number, MOBILE, recent_calls=4))
    assert (verdict.is_allowed, verdict.reason) == (False, "caller_rate")


@pytest.mark.parametrize(
    ("sender", "is_loop"),
    [("4001234567", True), (line("second").number.text, True), ("01061234567", False), ("", False)],
)
def test_a_call_that_a_line_of_the_number_sends_back_is_a_loop(sender: str, is_loop: bool) -> None:
    """The number itself or any line that it can reach, behind an `otherwise` too, is caught."""
    first = group("first", line("any"), otherwise=did("group:second").default)
    number = did("group:first", first, group("second", line("second")))

    verdict = screen(facts(number, diverted_from=PhoneNumber.parse(sender)))
    assert verdict.is_allowed is not is_loop
    assert verdict.reason == ("loop" if is_loop else "")
