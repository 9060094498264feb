"""What lines and queues do at a moment: kept by queues, read by routing."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LineState:
    """What a line does now. Times are aware UTC datetimes.

    live_calls      calls that ring or talk on it, on any switch
    call_count      answered ones of the local day
    last_call_at    end of the last answered one
    rested_until    it failed again and again
    wraps_up_until  its rest after a call that came from a queue
    """

    live_calls: int = 0
    call_count: int = 0
    last_call_at: datetime | None = None
    rested_until: datetime | None = None
    wraps_up_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueueState:
    """How many wait in a group's queue, and how long one who came now would."""

    length: int = 0
    estimate_seconds: int = 0
