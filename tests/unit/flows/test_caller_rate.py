"""How many calls of a caller count, and how many callers are remembered."""

import pytest

from callctl.flows import caller_rate
from callctl.flows.caller_rate import CallerRates

DID, CALLER = "4001234567", "+8613800138000"


def test_calls_of_the_last_minute_count() -> None:
    """The new one is one of them; those of a minute ago and before are not."""
    rates = CallerRates()
    assert [rates.count(DID, CALLER, now) for now in (0.0, 59.9, 60.0, 119.9)] == [1, 2, 2, 2]
    assert rates.count("4007654321", CALLER, 120.0) == 1


def test_a_flood_of_one_caller_is_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than so many in a minute take no more memory."""
    monkeypatch.setattr(caller_rate, "_CALLS_MAX", 3)
    rates = CallerRates()
    assert [rates.count(DID, CALLER, 1.0) for _ in range(5)] == [1, 2, 3, 3, 3]


def test_a_flood_of_callers_is_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one who has been silent for longest is forgotten, not who called just now."""
    monkeypatch.setattr(caller_rate, "_CALLERS_MAX", 2)
    rates = CallerRates()
    for caller in ("1", "2", "1", "3"):
        rates.count(DID, caller, 1.0)
    assert rates.count(DID, "1", 1.0) == 3
    assert rates.count(DID, "2", 1.0) == 1
