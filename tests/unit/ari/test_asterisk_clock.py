"""Asterisk's clock, told from its events' stamps: what is a step, and what is only late."""

from datetime import UTC, datetime, timedelta

import pytest

from callctl import clock
from callctl.ari.asterisk_clock import AsteriskClock

WALL = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


class Time:
    """Time in the test's hand; both clocks go with it until Asterisk's is stepped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        monkeypatch.setattr(clock, "now", lambda: WALL + timedelta(seconds=self.seconds))
        monkeypatch.setattr(clock, "monotonic", lambda: 500.0 + self.seconds)
        self.asterisk = AsteriskClock()
        self.step = 0.0

    def stamp(self, age_seconds: float = 0.0) -> datetime:
        """What Asterisk writes on an event of so long ago."""
        return WALL + timedelta(seconds=self.seconds + self.step - age_seconds)

    def hear(self, after: float, age_seconds: float = 0.0) -> None:
        self.seconds += after
        self.asterisk.hear(self.stamp(age_seconds))


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """A clock that was right at the start."""
    return Time(monkeypatch)


@pytest.mark.parametrize("step", [3600.0, -3600.0, 12.0, -12.0, 2.5])
def test_a_step_is_seen_with_the_first_event_after_it(time: Time, step: float) -> None:
    """By how much it was, and from then on moments are right again."""
    time.hear(1.0)
    time.step = step
    time.hear(0.5)
    assert time.asterisk.stepped_seconds == pytest.approx(step, abs=0.6)
    assert time.asterisk.monotonic_of(time.stamp()) == pytest.approx(501.5)


def test_a_step_back_that_looks_like_lateness_is_seen_by_what_was_asked_for(time: Time) -> None:
    """An event that we asked for was not made before that."""
    time.hear(1.0)
    time.step = -5.0
    time.hear(0.5)
    assert time.asterisk.stepped_seconds == 0.0
    time.seconds += 1.0
    time.asterisk.hear(time.stamp(), asked=clock.monotonic() - 0.01)
    assert time.asterisk.stepped_seconds == pytest.approx(-5.0)


def test_late_and_reordered_events_are_no_steps(time: Time) -> None:
    """A frozen process gets old events; a connection may deliver one some seconds after others."""
    time.hear(1.0)
    for number in range(60):  # a minute asleep, read at once
        time.hear(60.0 if number == 0 else 0.0, age_seconds=60.0 - number)
    for age_seconds in (0.0, 4.0, 0.5, 3.0, 0.0):
        time.hear(0.1, age_seconds)
    assert time.asterisk.stepped_seconds == 0.0
    assert time.asterisk.monotonic_of(time.stamp(60.0)) == pytest.approx(501.5)
