"""The SIP agents on both sides of a real Asterisk that only dials: no callctl in between."""

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from callctl import clock
from callctl.stack.asterisk import Asterisk
from tests.agents import Answers, Busy, Caller, Carrier, NoAnswer, Rejects, Unreachable

LINE = "01062000001"
PLAIN_DIAL_IP = "127.0.0.2"  # calls from here take the dialplan's plain Dial()


@pytest_asyncio.fixture
async def carrier(asterisk: Asterisk) -> AsyncIterator[Carrier]:
    """The trunk's far end, where this Asterisk sends its calls."""
    async with Carrier(asterisk.ports.carrier) as carrier:
        yield carrier


@pytest_asyncio.fixture
async def caller() -> AsyncIterator[Caller]:
    """A caller whose calls are dialled straight on to the trunk."""
    async with Caller(local_ip=PLAIN_DIAL_IP) as caller:
        yield caller


async def test_dialled_call_has_audio_and_digits_both_ways(
    asterisk: Asterisk, carrier: Carrier, caller: Caller
) -> None:
    """Ringing, answer, both voices, digits, and the cause of the hang-up pass through Asterisk."""
    carrier.line(LINE, Answers(voice_hz=470))
    call = await caller.call(
        LINE, server=("127.0.0.1", asterisk.ports.sip), from_number="13800138000"
    )
    await call.ringing()
    received = await carrier.called(LINE)
    await call.answered()
    await asyncio.gather(call.hears(470), received.hears(caller.voice_hz))
    await call.send_dtmf("12")
    await received.receives_digits("12")
    await received.hang_up()
    outcome = await call.ended()
    assert (outcome.status, outcome.cause, outcome.ended_by) == (200, 16, "them")
    assert received.from_number == "13800138000"


async def test_early_media_passes_before_the_answer(
    asterisk: Asterisk, carrier: Carrier, caller: Caller
) -> None:
    """The line's 183 tone reaches the caller while the call is not yet answered."""
    carrier.line(LINE, Answers(early_media_hz=510, after_seconds=0.5, voice_hz=470))
    call = await caller.call(LINE, server=("127.0.0.1", asterisk.ports.sip), from_number="1")
    await call.early_media()
    ringback = await call.hears(510)
    await call.answered()
    assert call.answered_at is not None
    assert ringback.started_at < call.answered_at
    await call.hears(470)


@pytest.mark.parametrize(
    ("behaviour", "answer"),
    [
        (Busy(), (486, 17)),
        (Unreachable(404), (404, 1)),
        (Unreachable(), (503, 34)),
        (Rejects(403, cause=21), (403, 21)),
    ],
)
async def test_refusal_reaches_the_caller(
    asterisk: Asterisk,
    carrier: Carrier,
    caller: Caller,
    behaviour: Rejects,
    answer: tuple[int, int],
) -> None:
    """The line's refusal arrives as status and Q.850 cause."""
    carrier.line(LINE, behaviour)
    call = await caller.call(LINE, server=("127.0.0.1", asterisk.ports.sip), from_number="1")
    outcome = await call.ended()
    assert (outcome.status, outcome.cause) == answer


async def test_cancel_reaches_the_line(
    asterisk: Asterisk, carrier: Carrier, caller: Caller
) -> None:
    """The caller gives up: 487 here, CANCEL there."""
    carrier.line(LINE, NoAnswer())
    call = await caller.call(LINE, server=("127.0.0.1", asterisk.ports.sip), from_number="1")
    await call.ringing()
    assert (await call.hang_up()).status == 487
    assert (await (await carrier.called(LINE)).ended()).status == 487


async def test_twenty_calls_talk_at_once_and_leave_the_machine_to_others(
    asterisk: Asterisk, carrier: Carrier, caller: Caller
) -> None:
    """Twenty talking calls, forty agents' ends, hear their own line on less than half a core."""
    me = psutil.Process()
    count, talk_seconds = 20, 2.0

    async def talk(n: int) -> None:
        line, voice_hz = f"0106200{n:04}", 700 + 50 * n
        carrier.line(line, Answers(after_seconds=0.1, voice_hz=voice_hz))
        server = ("127.0.0.1", asterisk.ports.sip)
        call = await caller.call(line, server=server, from_number=f"138000{n:05}")
        await call.answered()
        received = await carrier.called(line)
        await asyncio.gather(
            call.hears(voice_hz, seconds=10, lasting=talk_seconds),
            received.hears(caller.voice_hz, seconds=10, lasting=talk_seconds),
        )
        assert {tone.hz for tone in call.tones} == {voice_hz}
        await call.hang_up()
        await received.ended()

    cpu_before, started_at = sum(me.cpu_times()[:2]), clock.monotonic()
    await asyncio.gather(*(talk(n) for n in range(count)))
    cpu_seconds = sum(me.cpu_times()[:2]) - cpu_before
    print(f"{cpu_seconds:.2f} s of CPU in {clock.monotonic() - started_at:.2f} s")
    assert cpu_seconds < 0.5 * (clock.monotonic() - started_at)
