"""Takes a voicemail: greeting, beep, and what the caller says; called by flows.conversation."""

from typing import TYPE_CHECKING

from callctl import clock
from callctl.directory.answering import Voicemail
from callctl.errors import HungUp
from callctl.flows import phrases
from callctl.routing import Step, TakeMessage
from callctl.voicemail import NewVoicemail

if TYPE_CHECKING:
    from callctl.flows.conversation import Conversation

_SILENCE_SECONDS = 5  # after which the message is over


async def take_message(conversation: "Conversation", box: Voicemail) -> None:
    """Let the answered caller leave a message; a hang-up while he speaks leaves it too.

    Raises HungUp when he goes before the beep, DatabaseError when it can't be kept.
    """
    call, desk = conversation.call, conversation.desk
    await call.play(box.greeting, conversation.language)
    voicemail = _new(conversation, box)
    await desk.voicemails.begin(voicemail, clock.now())
    try:
        await call.play(phrases.BEEP, conversation.language)
        await call.record_message(
            voicemail.name, seconds_max=box.seconds_max, silence_seconds=_SILENCE_SECONDS
        )
    except HungUp:
        await _end(conversation, voicemail)
        raise
    await _thank(conversation, voicemail)


async def take_up(conversation: "Conversation", step: Step) -> bool:
    """The message that the caller was leaving when an earlier run of the switch ended.

    Asterisk has gone on recording it. False when nothing was said: he is asked anew.
    """
    if not isinstance(step, TakeMessage):
        return False
    voicemail = _new(conversation, step.box)
    try:
        await conversation.call.go_on_recording(voicemail.name, seconds_max=step.box.seconds_max)
    except HungUp:
        await _end(conversation, voicemail)
        raise
    return await _thank(conversation, voicemail)


async def _thank(conversation: "Conversation", voicemail: NewVoicemail) -> bool:
    is_kept = await _end(conversation, voicemail)
    if is_kept:
        await conversation.call.play(phrases.MESSAGE_SAVED, conversation.language)
    return is_kept


async def _end(conversation: "Conversation", voicemail: NewVoicemail) -> bool:
    """Keep what was said.

    Not when the call is handed over, or after a fault: then Asterisk may still be writing, and
    the message is kept later (Voicemails.end_lost).
    """
    seconds = await conversation.desk.voicemails.end(voicemail)
    why = f"{seconds:.1f} s" if seconds else "nothing was said"
    conversation.record.note(f"voicemail {voicemail.box}", matched=bool(seconds), why=why)
    return bool(seconds)


def _new(conversation: "Conversation", box: Voicemail) -> NewVoicemail:
    call, tenant = conversation.call, conversation.did.tenant
    return NewVoicemail(
        call_id=call.call_id,
        tenant=tenant.name,
        did=conversation.did.number,
        box=box.name,
        caller=call.caller.text,
        area=str(conversation.record.area),
        language=tenant.language,
        timezone=tenant.timezone,
        email=box.email,
        seconds_max=box.seconds_max,
        days_kept=tenant.recording_days,
    )
