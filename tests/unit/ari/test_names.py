"""What may become part of a request to Asterisk, and what may not."""

import pytest

from callctl.ari import names
from callctl.errors import InvalidInput


@pytest.mark.parametrize(
    "text",
    ["l0123456789abcdef", "1763820345.7", "callctl-1763820345.7", "l01ab;2"],
)
def test_object_id_of_ours_and_of_asterisk_passes(text: str) -> None:
    """Our ids and those that Asterisk makes itself are allowed."""
    assert names.object_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "..", "../x", "a/b", "a?b", "a#b", "a b", "A1", "a\n", "a%2e", "a" * 200, ";2", "é"],
)
def test_object_id_that_could_change_the_path_is_invalid(text: str) -> None:
    """Nothing that means something in a URL gets into one."""
    with pytest.raises(InvalidInput, match="id"):
        names.object_id(text)


@pytest.mark.parametrize("text", ["", "..", "../x", "a/b", "-a", "A", "a.wav", "a%2e", "a" * 81])
def test_recording_that_could_leave_its_folder_is_invalid(text: str) -> None:
    """The name of a recording is the name of a file, and nothing more."""
    assert names.recording("0a1b-message") == "0a1b-message"
    with pytest.raises(InvalidInput, match="recording"):
        names.recording(text)


@pytest.mark.parametrize(
    "text", ["PJSIP/01012345678@carrier", "PJSIP/+8613800138000@carrier-2", "PJSIP/carrier"]
)
def test_endpoint_on_a_trunk_passes(text: str) -> None:
    """A number on a trunk, and a bare endpoint, are allowed."""
    assert names.endpoint(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "PJSIP/carrier/sip:x@127.0.0.1:5999",
        "PJSIP/1@carrier/sip:x@evil",
        "PJSIP/1&PJSIP/2@carrier",
        "PJSIP/1@carrier\r\nX: y",
        "PJSIP/${SHELL(id)}@carrier",
        "pjsip/1@carrier",
        "SIP/1@carrier",
        "PJSIP/1@Carrier",
        "PJSIP/",
        "Local/1@from-carrier/n",
        "",
    ],
)
def test_endpoint_that_could_go_elsewhere_is_invalid(text: str) -> None:
    """One /sip: would send the call to any address (R19)."""
    with pytest.raises(InvalidInput, match="endpoint"):
        names.endpoint(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "1.000"), (14_400, "14400.000"), (59.9996, "60.000"), (2.5, "2.500")]
)
def test_timeout_seconds_is_a_plain_decimal(seconds: float, text: str) -> None:
    """Asterisk gets digits and a dot, never an exponent."""
    assert names.timeout_seconds(seconds) == text


@pytest.mark.parametrize(
    "seconds", [0, 0.999, -1, 14_400.001, 1e300, float("inf"), float("nan"), -0.0]
)
def test_timeout_seconds_that_could_mean_unlimited_is_invalid(seconds: float) -> None:
    """0, negative numbers and no number at all would remove the limit (R3)."""
    with pytest.raises(InvalidInput, match="hang up instead"):
        names.timeout_seconds(seconds)


@pytest.mark.parametrize("value", ["0", "-1", "abc", "", "nan", "1e3", "0.5", "99999", "12,5", "٣"])
def test_variables_with_an_unsafe_timeout_are_invalid(value: str) -> None:
    """The first timer of a leg is checked like every later one, however its name is written."""
    with pytest.raises(InvalidInput):
        names.variables({"Timeout(Absolute)": value})


def test_variables_pass_unchanged() -> None:
    """Other variables may hold any printable text."""
    values = {"TIMEOUT(absolute)": "30.000", "NOTE": "号码 & more"}
    assert names.variables(values) == values


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\x00", "\x1b[0m", "a\x85b"])
def test_printable_refuses_control_characters(text: str) -> None:
    """A line feed would become a header of its own on the wire (R18)."""
    with pytest.raises(InvalidInput, match="control characters"):
        names.printable("caller id", text)


@pytest.mark.parametrize("text", ["sound:a,sound:b", "sound:", "http:x", "sound:a b", "sound:a\n"])
def test_media_of_another_form_is_invalid(text: str) -> None:
    """One entry is one prompt."""
    with pytest.raises(InvalidInput, match="media"):
        names.media(text)


@pytest.mark.parametrize(
    ("text", "language"), [("zh", "zh"), ("zh-CN", "zh_CN"), ("zh-Hans", "zh_Hans"), ("yue", "yue")]
)
def test_language_is_written_as_asterisk_does(text: str, language: str) -> None:
    """Asterisk knows a region by an underscore only."""
    assert names.language(text) == language


@pytest.mark.parametrize("text", ["", "z", "ZH", "zh_CN", "../en", "zh-", "zh\n"])
def test_language_of_another_form_is_invalid(text: str) -> None:
    """It becomes part of a file's path."""
    with pytest.raises(InvalidInput, match="language"):
        names.language(text)


def test_query_encodes_every_value_and_leaves_none_out() -> None:
    """Values cannot add parameters of their own."""
    query = names.query({"a": "1&b=2#c/ é", "n": 5, "none": None})
    assert query == "?a=1%26b%3D2%23c%2F%20%C3%A9&n=5"
    assert names.query({"none": None}) == ""
