"""A menu of the switchboard on the real Asterisk: keys, pauses, barge-in, what was typed ahead."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl.cdr import Record
from callctl.directory.answering import Menu
from callctl.errors import HungUp
from callctl.flows import menu as menus
from callctl.flows.conversation import Conversation
from callctl.routing import Ask, NoKey, Pressed
from callctl.stack.asterisk import Asterisk
from tests.agents.prompts import PROMPT_HZ

from .verbs import FINAL, LANGUAGE, WARNING, House, opened

MENU_HZ, WRONG_HZ = PROMPT_HZ[LANGUAGE, "warning"], PROMPT_HZ[LANGUAGE, "final"]


@pytest.fixture
async def house(asterisk: Asterisk) -> AsyncIterator[House]:
    """Telephones and calls around the session's Asterisk."""
    async with opened(asterisk) as house:
        yield house


def _menu(**changes: Any) -> Menu:
    values: dict[str, Any] = {"wait_seconds": 1, "digit_seconds": 1, "wrong_prompt": FINAL}
    return Menu(name="main", keys={}, **({"prompt": WARNING} | values | changes))


def _conversation(call: Any) -> Conversation:
    """As much of one as a menu looks at."""
    record = Record(revision_id=1)
    return cast(Conversation, SimpleNamespace(call=call, record=record, language=LANGUAGE))


async def test_a_key_leads_out_of_the_prompt(house: House) -> None:
    """With barge-in a key ends the prompt and is the answer, and the trace has it."""
    call, placed = await house.answered()
    conversation = _conversation(call)
    asking = asyncio.create_task(menus.ask(conversation, Ask(_menu())))
    await placed.hears(MENU_HZ)
    await placed.send_dtmf("2")
    async with asyncio.timeout(0.5):
        assert await asking == Pressed("2")
    assert conversation.record.trace == [{"rule": "menu main", "matched": True, "why": "pressed 2"}]
    await house.released(call)


async def test_what_is_typed_ahead_is_the_answer_of_the_next_menu(house: House) -> None:
    """Who knows the menus types on: each takes its key, and nothing more is played."""
    call, placed = await house.answered()
    await placed.send_dtmf("31")
    conversation = _conversation(call)
    async with asyncio.timeout(0.5):
        assert await menus.ask(conversation, Ask(_menu())) == Pressed("3")
        assert await menus.ask(conversation, Ask(_menu())) == Pressed("1")
    assert not placed.heard(MENU_HZ)
    await house.released(call)


async def test_without_barge_in_only_keys_after_the_prompt_count(house: House) -> None:
    """Where a key does not end the prompt, what was pressed during it is forgotten."""
    call, placed = await house.answered()
    asking = asyncio.create_task(
        menus.ask(_conversation(call), Ask(_menu(prompt=FINAL, is_barge_in=False)))
    )
    await placed.hears(WRONG_HZ)
    await placed.send_dtmf("7")
    assert await asking == NoKey()
    await house.released(call)


async def test_a_wrong_key_is_told_and_the_rest_of_it_forgotten(house: House) -> None:
    """After a wrong key its prompt comes first, then the menu; no key is NoKey after the wait."""
    call, placed = await house.answered()
    await placed.send_dtmf("99")
    conversation = _conversation(call)
    outcome = await menus.ask(conversation, Ask(_menu(), is_wrong=True))
    assert outcome == NoKey()
    [wrong], [asked] = placed.heard(WRONG_HZ), placed.heard(MENU_HZ)
    assert wrong.ended_at <= asked.started_at
    assert conversation.record.trace[-1]["why"] == "no key within 1 s"
    await house.released(call)


async def test_an_extension_ends_by_its_length_a_pause_or_a_hash(house: House) -> None:
    """Digits that follow each other are one answer, up to the longest extension."""
    call, placed = await house.answered()
    step = Ask(_menu(), digits_max=4)
    for typed, answer in (("8001", "8001"), ("80", "80"), ("80#", "80")):
        asking = asyncio.create_task(menus.ask(_conversation(call), step))
        await placed.send_dtmf(typed)
        async with asyncio.timeout(2):
            assert await asking == Pressed(answer)
    await house.released(call)


async def test_the_caller_goes_while_he_is_asked(house: House) -> None:
    """A caller who hangs up in a menu ends it at once."""
    call, placed = await house.answered()
    asking = asyncio.create_task(menus.ask(_conversation(call), Ask(_menu(wait_seconds=60))))
    await placed.hears(MENU_HZ)
    await placed.hang_up()
    with pytest.raises(HungUp):
        async with asyncio.timeout(1):
            await asking
    await house.released(call)
