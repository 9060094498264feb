"""From SIPp's trace of its messages to what became of each call; used by tests.bench.sipp.

The trace (-trace_shortmsg) has one line per message with the time in microseconds, taken when the
message was sent or received. SIPp's own response times have whole milliseconds only.
"""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

SETUP_MS_MAX = 200.0
"""Setup p99 beyond which a rate is not held: calls queue (and at 500 ms INVITEs are repeated)."""
_DISTURBANCE_MAX = 0.10
_PACE_MIN = 0.97  # of the rate asked for: below it SIPp itself could not keep the pace
_TAIL_SECONDS_MAX = 1.5  # from the last INVITE to the last call's end, talk included


@dataclass(slots=True)
class CallSeen:
    """One call as SIPp saw it; times are seconds since the epoch."""

    invited_at: float
    invites: int = 1
    answered_at: float | None = None
    ended_at: float | None = None
    refused_with: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it was answered and its BYE confirmed."""
        return self.answered_at is not None and self.ended_at is not None


@dataclass(slots=True)
class Step:
    """Calls placed at one rate: the trace, and how SIPp left."""

    rate: int
    wanted: int
    calls: dict[str, CallSeen]
    exit_code: int
    purpose: str = ""
    sipp_cpu_seconds: float = 0.0
    others_share: float = 0.0  # of all processors, taken by programs that are not ours
    stolen_share: float = 0.0  # of all processors, taken by the host's other machines
    setups_ms: list[float] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the times from INVITE to 200."""
        self.setups_ms = sorted(
            (call.answered_at - call.invited_at) * 1000
            for call in self.calls.values()
            if call.answered_at is not None
        )

    @property
    def failed(self) -> int:
        """Calls that were not answered or not ended in order."""
        return self.wanted - sum(call.is_whole for call in self.calls.values())

    @property
    def repeated(self) -> int:
        """INVITEs that SIPp had to send again."""
        return sum(call.invites - 1 for call in self.calls.values())

    @property
    def p50(self) -> float:
        """Median from INVITE to 200, milliseconds."""
        return percentile(self.setups_ms, 50)

    @property
    def p99(self) -> float:
        """99 of 100 calls were answered within this, milliseconds."""
        return percentile(self.setups_ms, 99)

    @property
    def pace(self) -> float:
        """Calls a second that SIPp began."""
        begun = [call.invited_at for call in self.calls.values()]
        span = max(begun) - min(begun) if begun else 0.0
        return (len(begun) - 1) / span if span else 0.0

    @property
    def tail_seconds(self) -> float:
        """From the last INVITE to the end of the last call."""
        begun = max((call.invited_at for call in self.calls.values()), default=0.0)
        return max(
            (call.ended_at - begun for call in self.calls.values() if call.ended_at), default=0.0
        )

    @property
    def is_quiet(self) -> bool:
        """Whether the processors were ours, but for a tenth."""
        return self.others_share + self.stolen_share <= _DISTURBANCE_MAX

    def why_not_held(self) -> str:
        """What speaks against "this rate is held"; empty when nothing does."""
        if self.failed:
            return f"{self.failed} calls failed"
        if self.exit_code != 0:
            return f"SIPp ended with {self.exit_code}"
        if self.pace < _PACE_MIN * self.rate:
            return f"only {self.pace:.0f} calls/s begun"
        if self.p99 > SETUP_MS_MAX:
            return f"queueing: setup p99 {self.p99:.0f} ms"
        if self.tail_seconds > _TAIL_SECONDS_MAX:
            return f"the last calls ended {self.tail_seconds:.1f} s late"
        return ""


def percentile(ordered: list[float], percent: int) -> float:
    """The nearest-rank percentile of sorted values; 0.0 of none."""
    if not ordered:
        return 0.0
    if percent == 50:
        return statistics.median(ordered)
    return ordered[ceil(len(ordered) * percent / 100) - 1]


def read_trace(lines: Iterable[str]) -> dict[str, CallSeen]:
    """Every call of a trace by its Call-ID."""
    calls: dict[str, CallSeen] = {}
    for line in lines:
        parts = line.rstrip("\n").split("\t")
        if len(parts) == 7:
            _, _, at, direction, call_id, cseq, first_line = parts
            _take(calls, call_id, float(at), direction, cseq.rpartition(" ")[2], first_line)
    return calls


def _take(
    calls: dict[str, CallSeen], call_id: str, at: float, direction: str, method: str, first: str
) -> None:
    call = calls.get(call_id)
    if direction == "S":
        if first.startswith("INVITE "):
            if call is None:
                calls[call_id] = CallSeen(at)
            else:
                call.invites += 1
        return
    if call is None or not first.startswith("SIP/2.0 "):
        return
    status = int(first[8:11])
    if method == "INVITE" and status == 200:
        call.answered_at = call.answered_at or at
    elif method == "INVITE" and status >= 300:
        call.refused_with, call.ended_at = status, call.ended_at or at
    elif method == "BYE" and status == 200:
        call.ended_at = call.ended_at or at
