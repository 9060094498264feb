"""Promises a caller that he is called back; run by flows.conversation.

What keeps the promise is flows.calling_back.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from callctl import clock
from callctl.callbacks import line_or_group, refusal
from callctl.callbacks.store import PLACE_EXPIRES_SECONDS
from callctl.directory.answering import Group
from callctl.errors import InvalidInput
from callctl.flows import phrases
from callctl.flows.waiting import serving_lines
from callctl.routing import PromiseCallback

if TYPE_CHECKING:
    from callctl.flows.conversation import Conversation


async def promise(conversation: "Conversation", step: PromiseCallback) -> None:
    """Promise the answered caller a callback, if he can be called; the call ends with it.

    Who leaves a queue keeps his place. The promise is durable before he hears it; raises
    DatabaseUnavailable when it can't be, HungUp when he goes.
    """
    call, record, did = conversation.call, conversation.record, conversation.did
    why = refusal(did, call.caller, record.area, clock.now())
    group_name: str | None = None
    line: str | None = None
    if not why:
        try:
            origin = step.group.name if step.group else record.group_name
            group_name, line = line_or_group(did, origin)
        except InvalidInput as error:
            why = str(error)
    if why:
        record.reason = "no_callback"
        record.note("callback", matched=False, why=why)
        await call.play(phrases.CALLBACK_REFUSED, conversation.language)
        return
    await _note(conversation, step.group, group_name, line)
    record.reason = "callback_promised"
    await call.play(phrases.CALLBACK_PROMISED, conversation.language)


async def _note(
    conversation: "Conversation", queue_left: Group | None, group_name: str | None, line: str | None
) -> None:
    """Make the promise durable: one that he has already is enough."""
    call, record = conversation.call, conversation.record
    request = await conversation.desk.callbacks.ask(
        conversation.did,
        call.caller,
        call_id=call.call_id,
        group_name=group_name,
        line=line,
        by="caller",
        is_promised=True,
        keeps_place=queue_left is not None,
    )
    if request is None:
        record.note("callback", matched=True, why="he is to be called back already")
        return
    if queue_left is not None:
        await _keep_place(conversation, queue_left)
    record.note("callback", matched=True, why=f"callback {request.id}")


async def _keep_place(conversation: "Conversation", group: Group) -> None:
    call, record, now = conversation.call, conversation.record, clock.now()
    await conversation.desk.queues.keep_for_callback(
        conversation.did,
        group,
        call.call_id,
        caller=call.caller.text,
        is_vip=record.is_vip and group.queue is not None and group.queue.is_vip_first,
        line_ids=serving_lines(group, record.area),
        entered_at=record.queued_at or now,
        until=now + timedelta(seconds=PLACE_EXPIRES_SECONDS),
    )
