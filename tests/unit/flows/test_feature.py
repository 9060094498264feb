"""Feature codes: what was dialled, and who may do what with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.flows.feature import Answer, judge, parse
from callctl.values.phone_number import PhoneNumber
from tests.unit.directory_samples import make_did, make_directory, make_line, make_tenant

DESK, MOBILE, SHARED = make_line("01062000001"), make_line("13901710001"), make_line("95588")
_ACME, _PINNED = make_tenant(), make_tenant("pinned", switch_pin="471108")
_DIRECTORY = make_directory(
    make_did("4001111111", _ACME, DESK, MOBILE, SHARED, own=(DESK,)),
    make_did("4002222222", _ACME, DESK, MOBILE, SHARED, own=(MOBILE, SHARED)),
    make_did("4003333333", _ACME, DESK, MOBILE, SHARED, own=(SHARED,)),
    make_did("4004444444", _PINNED, make_line("02062000021")),
)


def _asked(text: str, caller: str) -> Answer:
    return judge(parse(text), PhoneNumber.parse(caller), _DIRECTORY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*21*4001234567", ("open", "4001234567", "")),
        ("*22*4001234567#", ("closed", "4001234567", "")),
        ("*23", ("schedule", "", "")),
        ("*23*4001234567*471108", ("schedule", "4001234567", "471108")),
        ("*21**471108", ("open", "", "471108")),
    ],
)
def test_code_is_read(text: str, expected: tuple[str, str, str]) -> None:
    """A code has a position, and may have a number and a PIN."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "*2", "*24*4001234567", "21*4001234567", "*21*4001234567*", "*21*400*1*2"),
        *("*21*4001234567\n", "*21*４００", "*21*${SHELL(id)}", "*21*" + "1" * 79, "*21*'; --"),
    ],
)
def test_what_is_no_code_is_none(text: str) -> None:
    """Anything else, hostile or not, is no code."""
    assert parse(text) is None


@given(st.text(max_size=90) | st.text("*#0123456789", max_size=30))
def test_any_text_is_judged(text: str) -> None:
    """No text raises, and only one that is a code switches anything."""
    answer = _asked(text, "01062000001")
    assert (answer.did is None) or parse(text) is not None


@pytest.mark.parametrize(
    ("text", "caller", "did"),
    [
        ("*21*4001111111", "01062000001", "4001111111"),
        ("*21*4002222222", "+861062000001", "4002222222"),  # any line of the tenant
        ("*21*+864001111111", "01062000001", None),
        ("*21*864001111111", "01062000001", "4001111111"),
        ("*22", "01062000001", "4001111111"),  # the only number that this line answers
        ("*22", "13901710001", "4002222222"),
        ("*22", "95588", None),  # two numbers go to it: which?
        ("*22*4004444444", "01062000001", None),  # somebody else's
        ("*22*4009999999", "01062000001", None),  # nobody's
        ("*22*4001111111", "13800138000", None),  # no line
        ("*22*4001111111", "anonymous", None),
        ("*22*4004444444", "02062000021", None),  # without its PIN
        ("*22*4004444444*471208", "02062000021", None),
        ("*22*4004444444*471108", "02062000021", "4004444444"),
        ("*22**471108", "02062000021", "4004444444"),
        ("*22*4004444444*471108", "01062000001", None),
    ],
)
def test_only_a_line_of_the_tenant_switches_its_numbers(
    text: str, caller: str, did: str | None
) -> None:
    """The caller must be a line of the number's tenant, and know its PIN if it has one."""
    answer = _asked(text, caller)

    assert (answer.did.number if answer.did else None) == did


def test_the_reason_never_tells_the_pin() -> None:
    """What the CDR keeps of a code has neither the PIN nor what was tried instead."""
    for pin in ("471108", "471208"):
        assert pin not in _asked(f"*22*4004444444*{pin}", "02062000021").why
