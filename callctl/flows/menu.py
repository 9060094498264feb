"""A menu of the switchboard: plays its prompt and reads a key; called by flows.conversation."""

from typing import TYPE_CHECKING

from callctl.routing import Ask, NoKey, Pressed

if TYPE_CHECKING:
    from callctl.flows.conversation import Conversation

ANY_KEY = "0123456789*#"


async def ask(conversation: "Conversation", step: Ask) -> Pressed | NoKey:
    """What the answered caller pressed, once he heard the menu (A15-A18); raises HungUp.

    Where a key ends the prompt, what he typed ahead counts; else only what comes after it.
    """
    call, menu, language = conversation.call, step.menu, conversation.language
    stop_keys = ANY_KEY if menu.is_barge_in else ""
    if step.is_wrong:
        call.clear_digits()  # the rest of what was wrong
        if menu.wrong_prompt is not None:
            await call.play(menu.wrong_prompt, language, stop_keys=stop_keys)
    await call.play(menu.prompt, language, stop_keys=stop_keys)
    if not menu.is_barge_in:
        call.clear_digits()
    digits = await call.read_digits(
        digits_max=step.digits_max,
        first_seconds=menu.wait_seconds,
        between_seconds=menu.digit_seconds,
    )
    why = f"pressed {digits}" if digits else f"no key within {menu.wait_seconds} s"
    conversation.record.note(f"menu {menu.name}", matched=bool(digits), why=why)
    return Pressed(digits) if digits else NoKey()
