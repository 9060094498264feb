"""What comes in from outside and must not get through: hostile caller ids, unknown numbers."""

import pytest

from callctl.calls import CallerIdPresented
from tests.agents import Answers
from tests.demo.calls import HEADQUARTERS
from tests.demo.world import World

HOSTILE = (
    "138%0d%0aX-Evil:%201",
    "a'%20OR%201=1;--",
    "%24%7bSHELL(id)%7d",
    "138&PJSIP%2fevil",
    "%3cscript%3e",
)


@pytest.mark.parametrize("number", HOSTILE)
async def test_hostile_caller_number_reaches_nobody(world: World, number: str) -> None:
    """It is an unknown caller: the default line rings, and none of the text goes out (R17)."""
    world.carrier.line(HEADQUARTERS, Answers(voice_hz=440))
    call = await world.caller.call(
        "4001234567",
        server=("127.0.0.1", world.sip_port),
        from_number=number,
        display_name="x\\u202e\\x00evil",
    )
    await call.answered()
    rung = await world.carrier.called(HEADQUARTERS)
    await call.hang_up()

    sent = str(rung.invite)
    assert not any(word in sent for word in ("Evil", "SHELL", "OR 1", "script", "PJSIP"))
    cdr = await world.cdr(call)
    assert (cdr.caller, cdr.area, cdr.line) == ("", "unknown", "headquarters")
    await world.nothing_left()


@pytest.mark.parametrize(
    ("number", "name", "shown"),
    [
        ("13901710001", "Zhang San", None),
        ("+8613901710001", "张三", None),
        (None, None, None),
        ("138\r\nX-Evil: 1", "", CallerIdPresented("", "")),
        ("138", "x\r\nX-Evil: 1", CallerIdPresented("138", "xX-Evil: 1")),
        ("138", "a\u202eb", CallerIdPresented("138", "ab")),
        ("138", "n" * 61, CallerIdPresented("138", "n" * 60)),
    ],
)
def test_caller_id_presented_is_printable(
    number: str | None, name: str | None, shown: CallerIdPresented | None
) -> None:
    """Only digits pass as a number, only printable characters as a name (R18)."""
    assert shown == CallerIdPresented.instead_of(number, name)


async def test_number_that_is_not_ours_is_refused(world: World) -> None:
    """A call to a number nobody provisioned is refused as unallocated, with a CDR."""
    call = await world.call("4000000000", "01062001234")
    outcome = await call.ended()

    assert (outcome.status, outcome.cause) == (404, 1)
    cdr = await world.cdr(call)
    assert (cdr.ended_by, cdr.did, cdr.tenant) == ("unknown_number", "4000000000", None)
    await world.nothing_left()
