"""Hang-up causes (ITU-T Q.850) and what became of a leg; used from routing to the CDR."""

from enum import IntEnum, StrEnum


class HangupCause(IntEnum):
    """The Q.850 causes that callctl sends or interprets; unknown numbers stay plain integers."""

    UNALLOCATED = 1
    NO_ROUTE = 3
    NORMAL = 16
    BUSY = 17
    NO_USER_RESPONSE = 18
    NO_ANSWER = 19
    REJECTED = 21
    NUMBER_CHANGED = 22
    ANSWERED_ELSEWHERE = 26
    OUT_OF_ORDER = 27
    INVALID_NUMBER = 28
    CONGESTION = 34
    FAILURE = 38
    TEMPORARY_FAILURE = 41
    SWITCH_CONGESTION = 42
    QUOTA_DENIED = 50
    INTERWORKING = 127


class Disposition(StrEnum):
    """What became of a call or a leg, in one word of the trade."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    CONGESTED = "congested"
    FAILED = "failed"
    LOST = "lost"


_DISPOSITION = {
    HangupCause.BUSY: Disposition.BUSY,
    HangupCause.NO_USER_RESPONSE: Disposition.NO_ANSWER,
    HangupCause.NO_ANSWER: Disposition.NO_ANSWER,
    HangupCause.REJECTED: Disposition.REJECTED,
    HangupCause.ANSWERED_ELSEWHERE: Disposition.CANCELLED,
    HangupCause.CONGESTION: Disposition.CONGESTED,
    HangupCause.SWITCH_CONGESTION: Disposition.CONGESTED,
}


def disposition_of(cause: int) -> Disposition:
    """Disposition of a leg that ended unanswered with Q.850 `cause`."""
    return _DISPOSITION.get(cause, Disposition.FAILED)  # type: ignore[call-overload, no-any-return]
