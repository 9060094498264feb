"""What one switch knows of one line; used by queues.line_book."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from callctl.values.line_state import LineState


@dataclass(slots=True)
class KnownLine:
    """A line's state: its own calls counted here, all else as it was last read.

    own, others   calls of this switch, and seats of other switches
    version       of what was read; 0: nothing yet
    timezone      of its tenant; "" until read
    hold_seconds  how long a call holds it, wrap-up included; None: no call yet
    """

    state: LineState = field(default_factory=LineState)
    version: int = 0
    own: int = 0
    others: int = 0
    timezone: str = ""
    hold_seconds: float | None = None
    rested_why: str = ""

    def count(self, step: int) -> None:
        """One call of this switch more (1) or less (-1)."""
        self.own += step
        self.state = replace(self.state, live_calls=self.own + self.others)

    def begin_day(self) -> None:
        """No call was answered today yet."""
        self.state = replace(self.state, call_count=0)

    def is_rested(self, at: datetime) -> bool:
        """Whether it rests then."""
        until = self.state.rested_until
        return until is not None and until > at

    def learn(self, row: Mapping[str, Any]) -> bool:
        """Take over a row of read_line_states unless it is older; whether anything changed."""
        if row["version"] < self.version:
            return False
        self.version = row["version"]
        self.others = row["others"]
        self.timezone = row["timezone"]
        self.hold_seconds = row["hold_seconds"]
        self.rested_why = row["rested_why"]
        before = self.state
        self.state = LineState(
            live_calls=self.own + self.others,
            call_count=row["call_count"],
            last_call_at=row["last_call_at"],
            rested_until=row["rested_until"],
            wraps_up_until=row["wraps_up_until"],
        )
        return self.state != before
