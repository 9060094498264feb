"""What comes in from outside and must not get through: hostile caller ids, unknown numbers."""

from contextlib import suppress

import pytest

from callctl.calls import CallerIdPresented
from callctl.errors import AriRefused
from tests.agents import Answers
from tests.demo.calls import HEADQUARTERS
from tests.demo.world import World, eventually

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

    sent = bytes(rung.invite).decode()
    assert not any(word in sent for word in ("Evil", "SHELL", "OR 1", "script", "PJSIP"))
    cdr = await world.cdr(call)
    assert (cdr.caller, cdr.area, cdr.line) == ("", "unknown", "headquarters")
    await world.nothing_left()


@pytest.mark.parametrize(
    ("number", "name", "shown"),
    [
        ("13901710001", "Zhang San", None),
        ("+8613901710001", "张三", None),
        (None, None, CallerIdPresented("", "")),
        ("", "Zhang San", CallerIdPresented("", "Zhang San")),
        ("138\r\nX-Evil: 1", "", CallerIdPresented("", "")),
        ("138", "x\r\nX-Evil: 1", CallerIdPresented("138", "xX-Evil: 1")),
        ("138", "a\u202eb", CallerIdPresented("138", "ab")),
        ("138", '"<sip:evil@evil>\\', CallerIdPresented("138", "sip:evil@evil")),
        ("138", "n" * 61, CallerIdPresented("138", "n" * 60)),
    ],
)
def test_caller_id_presented_is_printable(
    number: str | None, name: str | None, shown: CallerIdPresented | None
) -> None:
    """Only digits pass as a number, only printable characters as a name (R18)."""
    assert shown == CallerIdPresented.instead_of(number, name)


@pytest.mark.parametrize("dialled", ["400%ff%fe", "+86400%ff", "*21*%ff", "4001234567,1,1", "4%00"])
async def test_dialled_text_that_is_no_number_is_refused(world: World, dialled: str) -> None:
    """It does not get as far as ARI, which could list no channel while one has such text."""
    call = await world.call(dialled, "01062001234")
    outcome = await call.ended()

    async def is_gone() -> bool | None:
        """A list that fails is one with such a channel in it."""
        with suppress(AriRefused):
            return None if await world.ari.channels.list() else True
        return None

    assert outcome.status in {404, 484}
    await eventually(is_gone, "a list without channels", 2.0)
    await world.nothing_left()


async def test_number_that_is_not_ours_is_refused(world: World) -> None:
    """A call to a number nobody provisioned is refused as unallocated, with a CDR."""
    call = await world.call("4000000000", "01062001234")
    outcome = await call.ended()

    assert (outcome.status, outcome.cause) == (404, 1)
    cdr = await world.cdr(call)
    assert (cdr.ended_by, cdr.did, cdr.tenant) == ("unknown_number", "4000000000", None)
    await world.nothing_left()


@pytest.mark.parametrize(
    "diverting", ["01062000001", "+861062000001", "8602162000002", "4001234567"]
)
async def test_call_that_a_line_sends_back_is_refused(world: World, diverting: str) -> None:
    """A line that forwards to its own number makes no loop: Diversion tells who sent the call."""
    call = await world.caller.call(
        "4001234567",
        server=("127.0.0.1", world.sip_port),
        from_number="01062001234",
        headers={"Diversion": f'"x" <sip:{diverting}@carrier.example>;reason=no-answer'},
    )
    await call.ended()

    cdr = await world.cdr(call)
    assert (cdr.ended_by, cdr.line, cdr.cost_micros) == ("loop", None, 0)
    await world.nothing_left()


@pytest.mark.parametrize(
    "diverting", ["13800138000", "x%0d%0aX-Evil:%201", "$%7bSHELL(id)%7d", "%3cscript%3e"]
)
async def test_diversion_of_others_is_not_passed_on(world: World, diverting: str) -> None:
    """A call that somebody else diverted is put through, and none of his text goes out."""
    world.carrier.line(HEADQUARTERS, Answers(voice_hz=440))
    call = await world.caller.call(
        "4001234567",
        server=("127.0.0.1", world.sip_port),
        from_number="anonymous",
        headers={"Diversion": f"<sip:{diverting}@carrier.example>;reason=unknown"},
    )
    await call.answered()
    rung = await world.carrier.called(HEADQUARTERS)
    await call.hang_up()

    assert rung.invite.get_header("Diversion") is None
    assert not any(
        word in bytes(rung.invite).decode() for word in ("Evil", "SHELL", "script", "1380013")
    )
    await world.nothing_left()
