"""Doctor's judgement of dialplans and of Asterisk's own listings."""

import pytest

from callctl.cli.check_asterisk import (
    is_loopback,
    judge_ami_binding,
    judge_http_binding,
    judge_modules,
    judge_overload,
    judge_trunk,
    judge_version,
)
from callctl.cli.check_dialplan import check_dialplan, read_dialplan
from callctl.cli.findings import Status

_GOOD = (
    ("from-carrier", "_X.", "Set", "TIMEOUT(absolute)=120"),
    ("from-carrier", "_X.", "Stasis", "callctl,inbound,1"),
    ("from-carrier", "_X.", "GotoIf", '$["${STASISSTATUS}" = "FAILED"]?away,s,1'),
)


# What was dialled and the Call-ID, looked at before anything else.
_TEXT = (
    ("from-carrier", "_X.", "GotoIf", "$[${LEN(${EXTEN})} != ${LEN(${FILTER(0-9,${EXTEN})})}]?no"),
    ("from-carrier", "_X.", "GotoIf", "$[${LEN(${FILTER(x,${CHANNEL(pjsip,call-id)})})} != 1]?no"),
)


def _judge(*steps: tuple[str, ...], text: tuple[tuple[str, ...], ...] = _TEXT) -> dict[str, Status]:
    events = []
    for context, *rest in (*text, *steps):
        event = {"event": "ListDialplan", "context": context}
        if len(rest) == 1:
            event |= {"includecontext": rest[0]}
        else:
            event |= dict(zip(("extension", "application", "appdata"), rest, strict=True))
        events.append(event)
    findings = check_dialplan(read_dialplan(events), "callctl")
    return {f.name: f.status for f in findings if f.status is not Status.OK}


def test_our_own_dialplan_has_nothing_wrong() -> None:
    """A limit before Stasis, a fallback after it."""
    assert _judge(*_GOOD) == {}


def test_no_limit_before_stasis_fails() -> None:
    """A limit that is set after Stasis is too late."""
    assert _judge(_GOOD[1], _GOOD[0], _GOOD[2]) == {"first limit (from-carrier,_X.)": Status.FAIL}


@pytest.mark.parametrize("data", ["TIMEOUT(absolute)=0", "TIMEOUT(digit)=5", "X=1"])
def test_what_is_no_limit_fails(data: str) -> None:
    """Another Set, or the value that takes a limit off, is none."""
    steps = (("from-carrier", "_X.", "Set", data), *_GOOD[1:])

    assert _judge(*steps) == {"first limit (from-carrier,_X.)": Status.FAIL}


def test_no_fallback_is_a_warning() -> None:
    """A dialplan that ends after Stasis leaves callers without a word."""
    assert _judge(*_GOOD[:2]) == {"fallback (from-carrier,_X.)": Status.WARN}


@pytest.mark.parametrize("text", [(), _TEXT[:1], _TEXT[1:]])
def test_text_that_is_not_looked_at_is_a_warning(text: tuple[tuple[str, ...], ...]) -> None:
    """What was dialled by an open pattern, and the Call-ID, can keep ARI from telling anything."""
    assert _judge(*_GOOD, text=text) == {"dialled text (from-carrier,_X.)": Status.WARN}


def test_pattern_of_fixed_length_needs_no_look_at_what_was_dialled() -> None:
    """Only digits match _400XXXXXXX."""
    steps = [(step[0], "_400XXXXXXX", *step[2:]) for step in (_TEXT[1], *_GOOD)]

    assert _judge(*steps, text=()) == {}


@pytest.mark.parametrize("extension", ["e", "T"])
def test_extension_that_goes_on_fails(extension: str) -> None:
    """An e or T that does anything but hang up takes the limit off."""
    assert _judge(*_GOOD, ("from-carrier", extension, "Wait", "1")) == {"limits hold": Status.FAIL}


def test_extension_that_hangs_up_is_well() -> None:
    """An e that only hangs up keeps the promise."""
    assert _judge(*_GOOD, ("from-carrier", "e", "Hangup", "")) == {}


def test_included_extension_fails_and_a_strangers_warns() -> None:
    """What a context includes is its own; a context apart is only worth a word."""
    stranger = ("misc", "e", "Wait", "1")

    assert _judge(*_GOOD, stranger) == {"limits hold": Status.WARN}
    assert _judge(*_GOOD, stranger, ("from-carrier", "misc")) == {"limits hold": Status.FAIL}


@pytest.mark.parametrize("pattern", ["_.", "_!", "_[A-Za-z]", "_[T]", "_e", "_-.", "_[0-9a-f]"])
def test_pattern_that_takes_e_or_t_fails(pattern: str) -> None:
    """A pattern that matches the letter is as bad as the extension of its name."""
    assert _judge(*_GOOD, ("from-carrier", pattern, "Wait", "1")) == {"limits hold": Status.FAIL}


@pytest.mark.parametrize(
    "pattern", ["_X.", "_X!", "_+X.", "_*X.", "_[0-9].", "_E", "_ee", "i", "s"]
)
def test_pattern_of_digits_is_well(pattern: str) -> None:
    """Patterns that begin with a digit or a sign match neither letter."""
    assert _judge(*_GOOD, ("from-carrier", pattern, "Wait", "1")) == {}


@pytest.mark.parametrize(
    "jump",
    [
        ("Goto", "misc,s,1"),
        ("GotoIf", "$[1]?misc,s,1:other,s,1"),
        ("Gosub", "misc,s,1(x)"),
        ("GosubIf", "$[${DIALPLAN_EXISTS(misc,s,1)}]?misc,s,1"),
        ("Set", "CHANNEL(hangup_handler_push)=misc,s,1"),
        ("ExecIf", "$[1]?Gosub(misc,s,1)"),
    ],
)
def test_extension_where_a_call_jumps_to_fails(jump: tuple[str, str]) -> None:
    """A hook's e takes the limit off as well as the entry's own."""
    found = _judge(_GOOD[0], ("from-carrier", "_X.", *jump), *_GOOD[1:], ("misc", "e", "Wait", "1"))

    assert found == {"limits hold": Status.FAIL}


def test_name_that_is_part_of_another_is_no_jump() -> None:
    """[misc] is not reached by a jump to [my-misc]."""
    jump = ("from-carrier", "_X.", "Goto", "my-misc,s,1")

    assert _judge(*_GOOD, jump, ("misc", "e", "Wait", "1")) == {"limits hold": Status.WARN}


@pytest.mark.parametrize("value", ["0", "", "-1", "abc", "1e3", "14401", "nan"])
def test_hook_that_sets_no_limit_fails(value: str) -> None:
    """Each of these values takes the limit off, wherever it is set."""
    hook = (
        ("callctl-before", "s", "Set", f"TIMEOUT(absolute)={value}"),
        ("callctl-before", "s", "Return", ""),
    )
    found = _judge(("from-carrier", "_X.", "Gosub", "callctl-before,s,1"), *_GOOD, *hook)

    assert found == {"limits hold": Status.FAIL}


def test_last_limit_before_stasis_counts() -> None:
    """A limit that is taken off again before Stasis is none."""
    again = ("from-carrier", "_X.", "Set", "TIMEOUT(absolute)=0")

    assert _judge(_GOOD[0], again, *_GOOD[1:]) == {"first limit (from-carrier,_X.)": Status.FAIL}


@pytest.mark.parametrize("name", ["callctl-before", "callctl-after"])
def test_hook_that_does_not_return_fails(name: str) -> None:
    """A hook without a Return ends every call; one that jumps to a Return is well."""
    jump = (name, "s", "Goto", "mine,s,1")

    assert _judge(*_GOOD, (name, "s", "NoOp", "")) == {f"hook {name}": Status.FAIL}
    assert _judge(*_GOOD, (name, "s", "Return", "")) == {}
    assert _judge(*_GOOD, jump, ("mine", "s", "Return", "")) == {}
    assert _judge(*_GOOD, (name, "_X.", "Return", "")) == {f"hook {name}": Status.WARN}


_AGI = ("agi", "_X.", "AGI", "agi://127.0.0.1:4573/route?did=${FILTER(0-9,${EXTEN})},x")


@pytest.mark.parametrize(
    "before",
    [(), (("agi", "_X.", "Set", "AGISIGHUP=yes"),), (("agi", "_Y", "Set", "AGISIGHUP=no"),)],
)
def test_look_up_without_agisighup_is_a_warning(before: tuple[tuple[str, ...], ...]) -> None:
    """A hang-up in the middle of a look-up must not put its replies out of step."""
    assert _judge(*_GOOD, *before, _AGI) == {"look-up (agi,_X.)": Status.WARN}
    assert _judge(*_GOOD, *before, ("agi", "_X.", "Set", "AGISIGHUP=no"), _AGI) == {}


def test_look_up_of_unfiltered_text_is_a_warning() -> None:
    """What a caller dials may hold another question; AGI of others is not ours to judge."""
    quiet = ("agi", "_X.", "Set", "AGISIGHUP=no")

    raw = ("agi", "_X.", "AGI", "agi://127.0.0.1/screen?did=${EXTEN}")
    assert _judge(*_GOOD, quiet, raw) == {"look-up (agi,_X.)": Status.WARN}
    assert _judge(*_GOOD, ("agi", "_X.", "AGI", "agi://10.0.0.1/billing?did=${EXTEN}")) == {}


def test_dialplan_without_stasis_fails() -> None:
    """Without an entry no call reaches callctl."""
    assert _judge(("other", "_X.", "Dial", "PJSIP/1")) == {"dialplan entry": Status.FAIL}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("22.10.1+dfsg+~cs6.17.60671434-1", Status.OK),
        ("23.0.0", Status.OK),
        ("22.10.0", Status.FAIL),
        ("20.15.3", Status.FAIL),
        ("GIT-master", Status.FAIL),
    ],
)
def test_version(text: str, status: Status) -> None:
    """22.10.1 is the first that will do."""
    assert judge_version(text).status is status


def test_modules_that_do_not_run_are_named() -> None:
    """A module that is listed as not running is missing as much as one not listed."""
    finding = judge_modules("chan_pjsip.so   PJSIP Channel Driver   0   Not Running   core\n")

    assert finding.status is Status.FAIL
    assert "chan_pjsip" in finding.seen


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:8088", True),
        ("[::1]:8088", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0:8088", False),
        ("[::]:8088", False),
        ("10.0.0.5", False),
        ("", False),
    ],
)
def test_loopback(address: str, expected: bool) -> None:
    """Only addresses of this machine alone are loopback."""
    assert is_loopback(address) is expected


@pytest.mark.parametrize(
    ("value", "status"),
    [("pjsip_only", Status.OK), ("none", Status.OK), ("global", Status.WARN), (None, Status.WARN)],
)
def test_requests_left_unanswered_are_warned_of(value: str | None, status: Status) -> None:
    """By default PJSIP ignores callers while any part of Asterisk has much to do."""
    assert judge_overload(value).status is status


def test_addresses_open_to_the_network_fail() -> None:
    """ARI and AMI on every interface are told."""
    assert judge_http_binding("Server Enabled and Bound to 0.0.0.0:8088").status is Status.FAIL
    assert judge_http_binding("Server Disabled").status is Status.FAIL
    assert judge_ami_binding("  TCP Bindaddress:    0.0.0.0:5038").status is Status.FAIL


def test_trunk_without_endpoint_fails() -> None:
    """A line's trunk must be an endpoint's name, whole."""
    endpoints = [{"objectname": "carrier-2"}, {"event": "EndpointListComplete"}]

    assert judge_trunk("carrier-2", endpoints).status is Status.OK
    assert judge_trunk("carrier", endpoints).status is Status.FAIL
