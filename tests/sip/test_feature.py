"""Feature codes on real calls: from the INVITE for *22*... to the next caller's treatment."""

import asyncio

from callctl.db.pool import Database
from callctl.directory.manual_switch import ManualSwitches
from callctl.values.schedule import ManualSwitch
from callctl.views import Cdr
from tests.agents import Answers, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.demo.calls import HEADQUARTERS, HOTLINE
from tests.demo.world import World, eventually

_DID, _CUSTOMER, _LINE = "4007654321", "01062001234", HOTLINE[1]
_CLOSED_HZ = PROMPT_HZ["", "number-closed"]
_OPENED_HZ = PROMPT_HZ["", "number-opened"]
_REFUSED_HZ = PROMPT_HZ["", "code-refused"]


async def _dial(world: World, code: str, caller: str, hz: int) -> tuple[PlacedCall, Cdr]:
    """Dial a code and hear what is said about it, unanswered, to its end."""
    call = await world.call(code, caller)
    await call.early_media()
    await call.hears(hz)
    outcome = await call.ended()
    assert call.answered_at is None
    assert outcome.ended_by == "them"
    return call, await world.cdr(call)


async def _position(database: Database) -> ManualSwitch | None:
    found = (await ManualSwitches(database).positions()).get(_DID)
    return found.position if found else None


async def test_line_closes_and_opens_its_number(world: World) -> None:
    """*22* confirms and the next caller is refused; *21* and he is put through; each has a CDR."""
    _, closed = await _dial(world, f"*22*{_DID}", _LINE, _CLOSED_HZ)
    assert (closed.ended_by, closed.tenant, closed.cost_micros) == ("switched_closed", "acme", 0)
    assert "to closed" in closed.trace[-1]["why"]

    async def is_refused() -> bool | None:
        call = await world.call(_DID, _CUSTOMER)
        await call.ended()
        return True if (await world.cdr(call)).ended_by == "closed" else None

    await eventually(is_refused, "the number to be closed", 3.0)
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440))
    _, opened = await _dial(world, f"*21*{_DID}#", _LINE, _OPENED_HZ)
    assert opened.ended_by == "switched_open"

    async def is_answered() -> bool | None:
        call = await world.call(_DID, _CUSTOMER)
        await call.ringing()
        outcome = await call.hang_up()
        return True if outcome.status in {200, 487} else None

    await eventually(is_answered, "the number to be open", 3.0)
    assert (await ManualSwitches(world.database).positions())[_DID].changed_by == "+861062000012"
    await world.nothing_left()


async def test_others_hear_that_it_is_refused(world: World) -> None:
    """Whatever is wrong, the caller hears the same words and nothing is switched."""
    cases = (
        (f"*22*{_DID}", "13800138000"),
        (f"*22*{_DID}", "anonymous"),
        ("*22*4009999999", HEADQUARTERS),
        ("*22*4000000000", HEADQUARTERS),
        ("*99*1", _LINE),
        (f"*22*{_DID}*471108*", _LINE),
    )
    dialled = (_dial(world, code, caller, _REFUSED_HZ) for code, caller in cases)
    for call, cdr in await asyncio.gather(*dialled):
        assert call.outcome is not None
        assert (call.outcome.status, call.outcome.cause) == (403, 21)
        assert (cdr.ended_by, cdr.disposition, cdr.cost_micros) == ("code_refused", "rejected", 0)
    assert await _position(world.database) is None
    await world.nothing_left()


async def test_guessing_is_bounded(world: World) -> None:
    """After five codes within a minute a right one is refused, too."""
    for _ in range(5):
        await _dial(world, "*22*4009999999", _LINE, _REFUSED_HZ)
    _, cdr = await _dial(world, f"*22*{_DID}", _LINE, _REFUSED_HZ)

    assert cdr.trace[-1]["why"] == "6 codes within a minute"
    assert await _position(world.database) is None
