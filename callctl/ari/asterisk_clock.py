"""Asterisk's wall clock beside ours that never steps; kept by the client, used by exchange.

Events are stamped by a clock that may be stepped: by hand, by NTP, by a machine that slept. But no
event comes before it happened, nor long after others that happened later. A stamp that says so
shows a step, and calls that were there before it go on on the clock that they began with.
"""

from datetime import datetime

import structlog

from callctl import clock

STEP_SECONDS_MIN = 2.0  # less is taken as it is told
_DISORDER_SECONDS_MAX = 10.0  # the canary has a connection that delays events more than this ended
_SOON_SECONDS = 0.5  # clocks that drift apart are put right by so much
_log = structlog.get_logger()


class AsteriskClock:
    """What is known of it; `stepped_seconds` is by how much it was stepped forward so far."""

    def __init__(self) -> None:
        self.stepped_seconds = 0.0
        self._ahead_seconds = clock.now().timestamp() - clock.monotonic()
        self._latest = float("-inf")  # the latest event, on clock.monotonic()

    def hear(self, at: datetime, *, asked: float = float("-inf")) -> None:
        """An event stamped `at` has come; it was not made before `asked`, on clock.monotonic()."""
        now, moment = clock.monotonic(), self.monotonic_of(at)
        earliest = max(self._latest - _DISORDER_SECONDS_MAX, asked - _SOON_SECONDS)
        if not earliest <= moment <= now:
            self._set(at.timestamp() - now)
            moment = now
        self._latest = max(self._latest, moment)

    def monotonic_of(self, at: datetime) -> float:
        """A moment of Asterisk's clock, as it goes now, on clock.monotonic()."""
        return at.timestamp() - self._ahead_seconds

    def unix_seconds(self) -> float:
        """What it shows now, in seconds since 1970."""
        return clock.monotonic() + self._ahead_seconds

    def _set(self, ahead_seconds: float) -> None:
        step, self._ahead_seconds = ahead_seconds - self._ahead_seconds, ahead_seconds
        if abs(step) >= STEP_SECONDS_MIN:
            self.stepped_seconds += step
            _log.warning("asterisk_clock_stepped", seconds=round(step, 1))
