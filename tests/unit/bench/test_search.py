"""The bench's search for the highest rate held, and its reading of SIPp's trace."""

import pytest

from tests.bench.search import RateSearch
from tests.bench.trace import SETUP_MS_MAX, CallSeen, Step, read_trace


@pytest.mark.parametrize("limit", [10, 49, 50, 100, 147, 155, 210, 399, 1000])
def test_search_finds_the_rate_to_ten_calls_a_second(limit: int) -> None:
    """Whatever a side can hold, the search ends at most one fine step below it."""
    search = RateSearch(start=100, coarse=50, fine=10, most=400)
    tries = 0
    while (rate := search.next_rate()) is not None:
        search.note(rate, is_held=rate <= limit)
        tries += 1
        assert tries < 30
    expected = min(limit, 400)
    assert expected - 10 < search.held <= expected


def test_search_gives_a_rate_a_second_try() -> None:
    """One bad try is a neighbour's noise: the rate counts as held when the second try holds."""
    search = RateSearch(start=100, coarse=50, fine=10, most=100)
    search.note(100, is_held=False)
    assert search.next_rate() == 100
    search.note(100, is_held=True)
    assert (search.held, search.next_rate()) == (100, None)


def test_search_gives_a_disturbed_rate_a_third_try() -> None:
    """While others use the machine, two bad tries prove nothing."""
    search = RateSearch(start=100, coarse=50, fine=10, most=400)
    for _ in range(2):
        search.note(100, is_held=False, is_quiet=False)
        assert search.next_rate() == 100
    search.note(100, is_held=False, is_quiet=False)
    assert search.refused == 100


def test_search_is_sure_only_of_a_quiet_refusal() -> None:
    """A bound found while others used the machine is no finding."""
    for is_quiet in (True, False):
        search = RateSearch(start=100, coarse=50, fine=10, most=400)
        while (rate := search.next_rate()) is not None:
            assert not search.is_sure
            search.note(rate, is_held=rate <= 150, is_quiet=is_quiet)
        assert search.held == 150
        assert search.is_sure == is_quiet


def _line(at: float, direction: str, call_id: str, cseq: str, first: str) -> str:
    return f"2026-01-01\t00:00:00\t{at:.6f}\t{direction}\t{call_id}\tCSeq:{cseq}\t{first}\n"


def test_trace_tells_whole_calls_from_failed_ones() -> None:
    """Setup is INVITE to 200 in microseconds; a call without its BYE's answer has failed."""
    whole = [
        _line(10.0, "S", "1", "1 INVITE", "INVITE sip:1 SIP/2.0"),
        _line(10.001, "R", "1", "1 INVITE", "SIP/2.0 100 Trying"),
        _line(10.004321, "R", "1", "1 INVITE", "SIP/2.0 200 OK"),
        _line(10.2, "S", "1", "2 BYE", "BYE sip:1 SIP/2.0"),
        _line(10.21, "R", "1", "2 BYE", "SIP/2.0 200 OK"),
    ]
    refused = [
        _line(10.1, "S", "2", "1 INVITE", "INVITE sip:1 SIP/2.0"),
        _line(10.6, "S", "2", "1 INVITE", "INVITE sip:1 SIP/2.0"),
        _line(10.7, "R", "2", "1 INVITE", "SIP/2.0 503 Service Unavailable"),
    ]
    step = Step(10, 2, read_trace([*whole, *refused]), exit_code=1)
    assert step.setups_ms == pytest.approx([4.321])
    assert (step.failed, step.repeated) == (1, 1)
    assert (step.calls["2"].refused_with, step.calls["2"].ended_at) == (503, 10.7)
    assert step.why_not_held() == "1 calls failed"


def _even(rate: int, setup_seconds: float, calls: int = 100) -> Step:
    begun = [index / rate for index in range(calls)]
    seen = {
        str(at): CallSeen(at, answered_at=at + setup_seconds, ended_at=at + setup_seconds + 0.2)
        for at in begun
    }
    return Step(rate, calls, seen, exit_code=0)


def test_a_rate_with_queueing_is_not_held() -> None:
    """No call need fail: late answers, a slow pace or late ends are enough."""
    assert _even(50, 0.01).why_not_held() == ""
    assert "queueing" in _even(50, (SETUP_MS_MAX + 1) / 1000).why_not_held()
    slow = _even(40, 0.01)
    slow.rate = 50
    assert "only 40 calls/s begun" in slow.why_not_held()
    late = _even(50, 0.01)
    next(reversed(late.calls.values())).ended_at = 9.0
    assert "late" in late.why_not_held()
