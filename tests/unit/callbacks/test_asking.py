"""Who can be called back, and by whose lines."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from callctl.callbacks import line_or_group, refusal
from callctl.directory.answering import (
    Callback,
    Group,
    Line,
    Member,
    Menu,
    MenuKey,
    Message,
    Strategy,
    Target,
    TargetKind,
)
from callctl.directory.models import Answering, Did, Tenant
from callctl.errors import InvalidInput
from callctl.values.area import Area
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Rate, Tariff

NOW = datetime(2026, 11, 25, tzinfo=UTC)
DESK = Line("desk", PhoneNumber.parse("01062000001"), "carrier", None, 20, ())
SALES = Group("sales", Strategy.SEQUENTIAL, (Member(DESK),))
MENU = Target(TargetKind.MENU, "main")
TALK = Target(TargetKind.MESSAGE, "hello")
ANSWERING = Answering(
    groups={"sales": SALES},
    lines={"desk": DESK},
    menus={
        "main": Menu("main", "p", {"1": MenuKey(TALK), "2": MenuKey(MENU)}),
        "bare": Menu("bare", "p", {"1": MenuKey(Target(TargetKind.CALLBACK))}),
    },
    messages={"hello": Message("hello", "p", then=Target(TargetKind.GROUP, "sales"))},
)


def tariff(*prefixes: str) -> Tariff:
    """A tariff with a price for each prefix."""
    return Tariff("back", 1, "CNY", tuple(Rate(one, 0, 300_000, 0, 60, 60) for one in prefixes))


def did(priced: Tariff | None = None, default: Target = MENU) -> Did:
    """A number that calls back, free of charge unless priced."""
    return Did(
        number="4001234567",
        tenant=Tenant("acme", "zh", "Asia/Shanghai", 1, "tenant:acme", 2, "CNY", ()),
        tariff=tariff(""),
        answering=ANSWERING,
        default=default,
        callback=Callback("carrier", priced),
    )


@pytest.mark.parametrize(
    ("caller", "priced", "why"),
    [
        ("13800138000", None, ""),
        ("01062001234", tariff(""), ""),
        ("", None, "showed no number"),
        ("anonymous", None, "showed no number"),
        ("10086", None, "no number of a person"),
        ("62001234", None, "no number of a person"),
        ("4006001234", None, "no number of a person"),
        ("95588", tariff(""), "no number of a person"),
        ("0044207946000", None, "callback has no tariff"),
        ("0044207946000", tariff(""), "no rate for +44207946000"),
        ("0044207946000", tariff("44"), ""),
        ("13800138000", tariff("44"), "no rate for +8613800138000"),
        ("13800138000@evil", None, "showed no number"),
    ],
)
def test_who_can_be_called_back(caller: str, priced: Tariff | None, why: str) -> None:
    """Mobile and fixed numbers; foreign ones only where their country has a price of its own."""
    found = refusal(did(priced), PhoneNumber.parse(caller), Area.UNKNOWN, NOW)
    assert (found == "") if why == "" else (why in found)


def test_a_number_without_callback_says_what_to_write() -> None:
    """The way out is in the refusal."""
    silent = replace(did(), callback=None)
    found = refusal(silent, PhoneNumber.parse("13800138000"), Area.UNKNOWN, NOW)
    assert "callback: {trunk: ..., tariff: ...}" in found


@pytest.mark.parametrize(
    ("default", "group_name", "line", "found"),
    [
        (Target(TargetKind.GROUP, "sales"), None, "desk", (None, "desk")),
        (Target(TargetKind.LINE, "desk"), None, None, (None, "desk")),
        (Target(TargetKind.GROUP, "sales"), None, None, ("sales", None)),
        (MENU, "sales", None, ("sales", None)),
        (MENU, "gone since", None, ("sales", None)),
        (MENU, None, None, ("sales", None)),
        (TALK, None, None, ("sales", None)),
    ],
)
def test_whose_lines_call_back(
    default: Target, group_name: str | None, line: str | None, found: tuple[str | None, str | None]
) -> None:
    """The line asked for, else the group he came to, else the first that his number leads to."""
    assert line_or_group(did(default=default), group_name, line) == found


@pytest.mark.parametrize(
    ("default", "line", "way_out"),
    [
        (MENU, "nobody", "callctl line list"),
        (Target(TargetKind.MENU, "bare"), None, "--line NAME"),
    ],
)
def test_nobody_calls_back(default: Target, line: str | None, way_out: str) -> None:
    """Without lines the refusal says how to name one."""
    with pytest.raises(InvalidInput, match=way_out):
        line_or_group(did(default=default), None, line)
