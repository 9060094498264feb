"""Records a talk if its number or its line is recorded; called by flows.conversation."""

import asyncio
from typing import TYPE_CHECKING

import structlog

from callctl import clock
from callctl.calls import Leg
from callctl.errors import CallctlError
from callctl.recording import NewRecording

if TYPE_CHECKING:
    from callctl.flows.conversation import Conversation

_NOTED_SECONDS_MAX = 1.0  # the talk's paid time is not kept meanwhile
_log = structlog.get_logger()


async def start(conversation: "Conversation", leg: Leg) -> None:
    """Record both voices until the talk with `leg` ends, if that is wanted.

    A talk that can't be recorded goes on; the log and the trace say so.
    """
    why = _wanted(conversation, leg)
    if not why:
        return
    call, did = conversation.call, conversation.did
    talk = NewRecording(
        call_id=call.call_id,
        leg_id=leg.leg_id,
        tenant=did.tenant.name,
        did=did.number,
        line=leg.line,
        started_at=clock.now(),
        days_kept=did.tenant.recording_days,
    )
    try:
        async with asyncio.timeout(_NOTED_SECONDS_MAX):
            name = await conversation.desk.recordings.begin(talk)
        await call.start_recording(name)
    except (CallctlError, TimeoutError) as error:
        told = str(error) or "the database did not answer in time"
        conversation.record.note("recording", matched=False, why=told)
        _log.warning("not_recorded", error=told)
    else:
        conversation.record.note("recording", matched=True, why=why)


def _wanted(conversation: "Conversation", leg: Leg) -> str:
    """Why the talk is recorded; "" when it is not."""
    did = conversation.did
    if did.is_recorded:
        return f"{did.number} is recorded"
    line = did.answering.lines.get(leg.line or "")
    return f"line {line.name} is recorded" if line is not None and line.is_recorded else ""
