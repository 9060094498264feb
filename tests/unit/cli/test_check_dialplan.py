"""Doctor's judgement of dialplans and of Asterisk's own listings."""

import pytest

from callctl.cli.check_asterisk import (
    is_loopback,
    judge_ami_binding,
    judge_http_binding,
    judge_modules,
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


def _judge(*steps: tuple[str, ...]) -> dict[str, Status]:
    events = []
    for context, *rest in steps:
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
