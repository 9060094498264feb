"""The clock of one call: Asterisk's as it was when the call began, and never stepped since.

Made with the call. All times of a call are on it, so that what is charged and what its CDR says
is right whatever becomes of the wall clock meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from callctl import clock
from callctl.ari.asterisk_clock import STEP_SECONDS_MIN, AsteriskClock


class Moment(NamedTuple):
    """A moment twice: on the call's clock, and on clock.monotonic()."""

    at: datetime
    monotonic: float


@dataclass(frozen=True, slots=True)
class CallClock:
    """`stepped_seconds` is Asterisk's clock's at the call's begin: later steps are taken off."""

    began_at: datetime
    began_monotonic: float
    stepped_seconds: float = 0.0

    @classmethod
    def since(cls, began_at: datetime, asterisk: AsteriskClock) -> Self:
        """Of a call that began at `began_at`, a moment ago."""
        began = min(asterisk.monotonic_of(began_at), clock.monotonic())
        return cls(began_at, began, asterisk.stepped_seconds)

    @classmethod
    def recalled(cls, row: Mapping[str, Any], asterisk: AsteriskClock) -> Self:
        """As an earlier run of the switch had it; `row` is of `remembered`."""
        began_at = datetime.fromisoformat(row["began_at"])
        now, age_seconds = clock.monotonic(), (clock.now() - began_at).total_seconds()
        if row["boot"] == clock.boot():
            began = row["began_monotonic"]
        else:  # its monotonic clock was another one
            began = now - max(0.0, age_seconds)
        stepped = age_seconds - (now - began)
        is_stepped = abs(stepped) >= STEP_SECONDS_MIN
        return cls(began_at, began, asterisk.stepped_seconds - (stepped if is_stepped else 0.0))

    def remembered(self) -> dict[str, Any]:
        """As JSON, for a later run of the switch."""
        return {
            "began_at": self.began_at,
            "began_monotonic": self.began_monotonic,
            "boot": clock.boot(),
        }

    def now(self) -> datetime:
        """What it shows."""
        return self.began_at + timedelta(seconds=clock.monotonic() - self.began_monotonic)

    def monotonic_of(self, at: datetime) -> float:
        """A moment of this clock on clock.monotonic(); nothing has happened later than now."""
        return min(self.began_monotonic + (at - self.began_at).total_seconds(), clock.monotonic())

    def moment(self, at: datetime, asterisk: AsteriskClock) -> Moment:
        """What Asterisk's clock calls `at`."""
        own = at - timedelta(seconds=self.stepped_since(asterisk))
        return Moment(own, self.monotonic_of(own))

    def stepped_since(self, asterisk: AsteriskClock) -> float:
        """By how many seconds Asterisk's clock was stepped since the call began; 0.0 for none."""
        return asterisk.stepped_seconds - self.stepped_seconds
