"""How a script ends a call that nobody takes: refused unanswered, or told so; used by flows."""

from callctl.calls import Call
from callctl.cdr import Record
from callctl.charging import DATABASE_AWAY
from callctl.flows import phrases
from callctl.routing import End
from callctl.values.hangup import HangupCause

_NOBODY_FREE = frozenset({"no_line", "overflowed"})
UNAVAILABLE = "callctl/unavailable"


async def refuse(call: Call, record: Record, cause: HangupCause, reason: str) -> None:
    """End the call for this reason; one that is not answered with this cause."""
    record.reason = reason
    record.note("end", matched=True, why=f"{reason} (cause {int(cause)})")
    await call.reject(cause)


async def away(call: Call, record: Record, language: str) -> None:
    """PostgreSQL does not answer: the caller hears so, unanswered, and may try again (SIP 503)."""
    record.reason = DATABASE_AWAY
    await call.play_early(UNAVAILABLE, language)
    await refuse(call, record, HangupCause.SWITCH_CONGESTION, DATABASE_AWAY)


async def end(call: Call, record: Record, step: End, language: str) -> None:
    """End the call as routing decided, after the announcement that belongs to it.

    Early media is not charged; a caller who was answered hears that nobody is free.
    """
    prompt = step.announcement
    if prompt is None and call.a_leg.answered_at is not None and step.reason in _NOBODY_FREE:
        prompt = phrases.NOBODY_FREE
    record.reason = step.reason
    if prompt is not None:
        await call.play_early(prompt, language)
    await call.reject(step.cause)
