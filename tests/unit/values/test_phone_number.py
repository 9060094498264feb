"""Telephone numbers: the forms that carriers send, hostile callers, and configuration."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callctl.errors import InvalidInput
from callctl.values.phone_number import NumberKind, PhoneNumber

BEIJING, MOBILE = "+861062000001", "+8613901710001"

# What SIP callers have sent in place of a number.
HOSTILE = (
    "a' OR 1=1;--",
    "1' OR '1'='1",
    "${SHELL(id)}",
    "<script>alert(1)</script>",
    "138&PJSIP/evil",
    "13901710001/sip:x@127.0.0.1:5999",
    "13901710001@evil",
    "13901710001;phone-context=+86",
    "138\r\nX-Evil: 1",
    "13901710001\r\n",
    "13901710001\n",
    "\t13901710001",
    "13901710001\x00",
    "\u202e10001710931",
    "13901710\u200b001",
    "１３９０１７１０００１",  # full-width digits
    "١٣٩٠١٧١٠٠٠١",
    "13901710001²",
    "\ufffd\ufffd",
    "\ud800",
    "9" * 79,
    "1" * 30,
    "%0d%0a",
    "++8613901710001",
    "86+13901710001",
    "+",
    "()",
    "-",
    " ",
    "",
    "0",
    "00",
    "+0012345678",
    "000000000000",
    "+1234567890123456",  # longer than any number is
    "-1",
    "1e9",
    "anonymous",
    "Anonymous",
    "restricted",
    "unknown",
    "unavailable",
    "asterisk",
    "None",
)


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        ("01062000001", BEIJING),
        ("1062000001", BEIJING),
        ("010-6200 0001", BEIJING),
        ("(010) 62000001", BEIJING),
        ("+861062000001", BEIJING),
        ("+86 (0)10 6200 0001", BEIJING),
        ("+8601062000001", BEIJING),
        ("008601062000001", BEIJING),
        ("861062000001", BEIJING),
        ("1795101062000001", BEIJING),
        ("13901710001", MOBILE),
        ("013901710001", MOBILE),
        ("+8613901710001", MOBILE),
        ("+86013901710001", MOBILE),
        ("8613901710001", MOBILE),
        ("008613901710001", MOBILE),
        ("1795113901710001", MOBILE),
        ("01795113901710001", MOBILE),
        ("1259313901710001", MOBILE),
        ("1791113901710001", MOBILE),
        ("17911013901710001", MOBILE),
        ("139.0171.0001", MOBILE),
        ("075512345678", "+8675512345678"),
        ("05311234567", "+865311234567"),
        ("4006001234", "+864006001234"),
        ("400-600-1234", "+864006001234"),
        ("+864006001234", "+864006001234"),
        ("8008101234", "+868008101234"),
        ("+442071234567", "+442071234567"),
        ("00442071234567", "+442071234567"),
        ("+44 (0)20 7123 4567", "+442071234567"),
        ("+85212345678", "+85212345678"),
    ],
)
def test_parse_forms_of_one_number_give_its_e164(text: str, e164: str) -> None:
    """Every way of writing a number ends in the same one."""
    assert PhoneNumber.parse(text).e164 == e164


@pytest.mark.parametrize(
    ("text", "kind", "national", "dial_digits"),
    [
        ("+8613901710001", NumberKind.MOBILE, "13901710001", "13901710001"),
        ("+861062000001", NumberKind.FIXED, "1062000001", "01062000001"),
        ("+865311234567", NumberKind.FIXED, "5311234567", "05311234567"),
        ("+864006001234", NumberKind.SERVICE, "4006001234", "4006001234"),
        ("8008101234", NumberKind.SERVICE, "8008101234", "8008101234"),
        ("+442071234567", NumberKind.FOREIGN, "442071234567", "00442071234567"),
        ("62000001", NumberKind.UNPLACED, "62000001", "62000001"),
        ("10086", NumberKind.UNPLACED, "10086", "10086"),
        ("+8695588", NumberKind.UNPLACED, "95588", "95588"),
        ("anonymous", NumberKind.UNKNOWN, "", ""),
    ],
)
def test_number_of_each_kind_is_dialled_in_its_form(
    text: str, kind: NumberKind, national: str, dial_digits: str
) -> None:
    """A trunk gets the trunk zero for fixed lines, 00 for foreign ones, and plain digits else."""
    number = PhoneNumber.parse(text)
    assert (number.kind, number.national, number.dial_digits) == (kind, national, dial_digits)


def test_mobile_that_looks_like_an_ip_dial_code_stays_whole() -> None:
    """17951... with eleven digits is a mobile; only behind a longer string is it a prefix."""
    assert PhoneNumber.parse("17951123456").e164 == "+8617951123456"
    assert PhoneNumber.parse("017951123456").e164 == "+8617951123456"


def test_unplaced_number_has_text_and_no_e164() -> None:
    """A local number is known, is stored as its digits, and is not given a wrong country form."""
    number = PhoneNumber.parse("6200-0001")
    assert number
    assert (number.text, number.e164) == ("62000001", "")


@pytest.mark.parametrize("text", HOSTILE)
def test_parse_hostile_text_is_unknown(text: str) -> None:
    """What is not a number is the unknown number, which is falsy and writes as nothing."""
    number = PhoneNumber.parse(text)
    assert number == PhoneNumber.unknown()
    assert not number
    assert not number.is_known
    assert (str(number), number.e164, number.dial_digits) == ("", "", "")


def test_parse_nothing_is_unknown() -> None:
    """A caller without a number at all is unknown."""
    assert PhoneNumber.parse(None) == PhoneNumber.unknown()


@given(st.text(max_size=90) | st.text("+0123456789 -.()", max_size=24))
@example("+8600860000")
@example("1795117951123456789012")
def test_parse_any_text_is_unknown_or_digits(text: str) -> None:
    """No text raises, and what can reach a dial string or a header is digits."""
    number = PhoneNumber.parse(text)
    assert number.is_known == bool(number) == bool(number.text)
    for digits in (number.national, number.dial_digits, number.text.removeprefix("+")):
        assert digits == "" or (digits.isascii() and digits.isdigit())
        assert len(digits) <= 17


@given(
    st.from_regex(r"\A(\+|00|\+86|0086|86|0|17951|017951|12593)?[0-9]{0,16}\Z")
    | st.text("0189+67", max_size=20)
)
def test_parse_its_own_text_gives_the_same_number(text: str) -> None:
    """The normal form is its own normal form, so stored numbers compare."""
    number = PhoneNumber.parse(text)
    assert PhoneNumber.parse(number.text) == number


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("0142345678", "FR", "+33142345678"),
        ("00442071234567", "FR", "+442071234567"),
        ("+8613901710001", "FR", "+8613901710001"),
        ("0612345678", "IT", "+390612345678"),
        ("3111", "FR", "3111"),
    ],
)
def test_parse_elsewhere_reads_national_forms(text: str, country: str, expected: str) -> None:
    """A tenant outside China writes numbers as his country does (D12)."""
    assert PhoneNumber.parse(text, country).text == expected


@given(st.text("0123456789", max_size=20), st.sampled_from(["FR", "GB", "US", "IT", "XX", ""]))
def test_parse_elsewhere_any_digits_never_raises(text: str, country: str) -> None:
    """No digits and no country code raise either."""
    number = PhoneNumber.parse(text, country)
    assert number.text.removeprefix("+").isdigit() == number.is_known


@pytest.mark.parametrize("text", ["01062000001", "13901710001", "95588", "1001", "+33142345678"])
def test_require_a_number_gives_what_parse_gives(text: str) -> None:
    """Configuration takes the same forms as callers, short numbers of a PBX too."""
    assert PhoneNumber.require(text) == PhoneNumber.parse(text)


@pytest.mark.parametrize("text", ["", "anonymous", "12", "138x", "4006001234\n"])
def test_require_no_number_says_what_to_write(text: str) -> None:
    """A mistake in a configuration is refused and the message shows it and the way out."""
    with pytest.raises(InvalidInput, match="write digits, such as") as refused:
        PhoneNumber.require(text)
    assert repr(text) in str(refused.value)


def test_require_a_local_number_asks_for_its_area_code() -> None:
    """A line without its area code would be dialled wrongly from anywhere else."""
    with pytest.raises(InvalidInput, match="has no area code: write it in full"):
        PhoneNumber.require("62000001")
