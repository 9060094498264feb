"""The SIP agents against each other: what the other tests trust them to do and to hear."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.agents import (
    AgentFailure,
    Answers,
    Busy,
    Caller,
    Carrier,
    NoAnswer,
    Rejects,
    Unreachable,
    sip,
)

LINE = "01062000001"


@pytest_asyncio.fixture
async def carrier() -> AsyncIterator[Carrier]:
    """A carrier on a free port."""
    async with Carrier() as carrier:
        yield carrier


@pytest_asyncio.fixture
async def caller() -> AsyncIterator[Caller]:
    """A caller on a free port."""
    async with Caller() as caller:
        yield caller


@pytest.mark.parametrize("codec", ["alaw", "ulaw"])
async def test_answered_call_both_sides_hear_each_other(carrier: Carrier, codec: str) -> None:
    """Each side hears the other's tone, in either codec, and both tell the same end."""
    carrier.line(LINE, Answers(voice_hz=470))
    async with Caller(codecs=(codec,), voice_hz=910) as caller:
        call = await caller.call(
            LINE, server=carrier.address, from_number="01062001234", display_name="Wang"
        )
        await call.ringing()
        await call.answered()
        await call.hears(470)
        received = await carrier.called(LINE)
        await received.hears(910)
        assert (received.from_number, received.display_name) == ("01062001234", "Wang")
        assert received.sip_call_id == call.sip_call_id
        outcome = await call.hang_up()
        assert (outcome.status, outcome.ended_by) == (200, "us")
        theirs = await received.ended()
        assert (theirs.status, theirs.cause, theirs.ended_by) == (200, 16, "them")


async def test_early_media_is_heard_before_the_answer(carrier: Carrier, caller: Caller) -> None:
    """A 183 with a tone is early media, and the voice comes only after the answer."""
    carrier.line(LINE, Answers(after_seconds=0.5, early_media_hz=450, voice_hz=700))
    call = await caller.call(LINE, server=carrier.address, from_number="1")
    await call.early_media()
    await call.hears(450)
    assert call.answered_at is None
    await call.answered()
    await call.hears(700)
    (ringback,), (voice,) = call.heard(450), call.heard(700)
    assert call.answered_at is not None
    assert ringback.started_at < call.answered_at < voice.started_at
    assert 0.3 < ringback.seconds < 0.7


async def test_line_hangs_up_after_its_seconds(carrier: Carrier, caller: Caller) -> None:
    """A line told to hang up after half a second does, and the caller learns the cause."""
    carrier.line(LINE, Answers(after_seconds=0, hang_up_after_seconds=0.5))
    call = await caller.call(LINE, server=carrier.address, from_number="1")
    outcome = await call.ended()
    assert (outcome.status, outcome.cause, outcome.ended_by) == (200, 16, "them")
    assert outcome.talk_seconds == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(
    ("behaviour", "status", "cause"),
    [(Busy(), 486, 17), (Unreachable(), 503, None), (Rejects(403, cause=21), 403, 21)],
)
async def test_refused_call_tells_status_and_cause(
    carrier: Carrier, caller: Caller, behaviour: Rejects, status: int, cause: int | None
) -> None:
    """A refusal arrives with its status and its Q.850 cause, and waiting for more fails at once."""
    carrier.line(LINE, behaviour)
    call = await caller.call(LINE, server=carrier.address, from_number="1")
    outcome = await call.ended()
    assert (outcome.status, outcome.cause, outcome.ended_by) == (status, cause, "them")
    await (await carrier.called(LINE)).acknowledged()
    with pytest.raises(AgentFailure, match=f"received {status}"):
        await call.answered(seconds=60)


async def test_unknown_line_is_not_found(carrier: Carrier, caller: Caller) -> None:
    """A number nobody gave a behaviour answers 404."""
    call = await caller.call("999", server=carrier.address, from_number="1")
    assert (await call.ended()).status == 404


async def test_behaviours_of_a_line_are_used_in_turn(carrier: Carrier, caller: Caller) -> None:
    """Busy first, answering from then on."""
    carrier.line(LINE, Busy(), Answers(after_seconds=0))
    statuses: list[int] = []
    for _ in range(3):
        call = await caller.call(LINE, server=carrier.address, from_number="1")
        await carrier.called(LINE, nth=len(statuses))
        if not statuses:
            statuses.append((await call.ended()).status)
            continue
        await call.answered()
        statuses.append((await call.hang_up()).status)
    assert statuses == [486, 200, 200]


async def test_caller_cancels_while_it_rings(carrier: Carrier, caller: Caller) -> None:
    """Hanging up before the answer is a CANCEL: 487 for one side, cancelled for the other."""
    carrier.line(LINE, NoAnswer())
    call = await caller.call(LINE, server=carrier.address, from_number="1")
    await call.ringing()
    outcome = await call.hang_up()
    assert (outcome.status, outcome.ended_by, outcome.talk_seconds) == (487, "us", None)
    received = await carrier.called(LINE)
    assert (await received.ended()).ended_by == "them"
    assert received.timeline.at("received CANCEL") is not None


async def test_cancel_before_any_answer_waits_for_the_first(
    carrier: Carrier, caller: Caller
) -> None:
    """Hanging up in the instant of the call still ends it."""
    carrier.line(LINE, NoAnswer())
    call = await caller.call(LINE, server=carrier.address, from_number="1")
    assert (await call.hang_up()).status == 487


async def test_digits_arrive_in_order(carrier: Carrier, caller: Caller) -> None:
    """DTMF digits, a doubled one among them, arrive once each in both directions."""
    carrier.line(LINE, Answers(after_seconds=0))
    call = await caller.call(LINE, server=carrier.address, from_number="1")
    await call.answered()
    received = await carrier.called(LINE)
    await call.send_dtmf("1223#")
    await received.receives_digits("1223#")
    await received.send_dtmf("*9")
    await call.receives_digits("*9")
    assert (received.digits, call.digits) == ("1223#", "*9")


async def test_failure_message_tells_the_story(carrier: Carrier, caller: Caller) -> None:
    """A wait in vain names what was waited for, the SIP events and the tones heard."""
    carrier.line(LINE, Answers(after_seconds=0, voice_hz=440))
    call = await caller.call(LINE, server=carrier.address, from_number="1")
    await call.hears(440)
    with pytest.raises(AgentFailure) as failure:
        await call.hears(1400, seconds=0.1)
    story = str(failure.value)
    assert all(word in story for word in ("1400 Hz", "sent INVITE", "received 200", "440 Hz for"))


async def test_twenty_calls_at_once_hear_their_own_line(carrier: Carrier, caller: Caller) -> None:
    """Twenty calls in one process: every caller hears the tone of its line and no other."""
    count = 20
    for n in range(count):
        carrier.line(f"4000{n:02}", Answers(after_seconds=0.1, voice_hz=400 + 50 * n))

    async def talk(n: int) -> None:
        number, server = f"4000{n:02}", carrier.address
        call = await caller.call(
            number, server=server, from_number=f"1380000{n:04}", voice_hz=420 + 50 * n
        )
        await call.answered()
        received = await carrier.called(number)
        await asyncio.gather(
            call.hears(400 + 50 * n, lasting=0.5), received.hears(420 + 50 * n, lasting=0.5)
        )
        assert {tone.hz for tone in call.tones} == {400 + 50 * n}
        assert (await call.hang_up()).status == 200
        await received.ended()

    await asyncio.gather(*(talk(n) for n in range(count)))


async def test_repeated_invite_is_one_call_and_gets_the_same_answer(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over UDP an INVITE may come twice: the line is called once, both get the refusal."""
    monkeypatch.setattr(sip, "T1_SECONDS", 30.0)  # no refusal is repeated by itself
    carrier.line(LINE, Busy())
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.setblocking(False)
        here = "{}:{}".format(*sender.getsockname())
        invite = (
            f"INVITE sip:{LINE}@127.0.0.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {here};branch=z9hG4bK-twice;rport\r\n"
            f"From: <sip:1@{here}>;tag=a\r\nTo: <sip:{LINE}@127.0.0.1>\r\n"
            f"Call-ID: twice\r\nCSeq: 1 INVITE\r\nContact: <sip:1@{here}>\r\n\r\n"
        ).encode()
        async with asyncio.timeout(5):
            for _ in range(2):
                await loop.sock_sendto(sender, invite, carrier.address)
                answer = b"SIP/2.0 100 "
                while answer.startswith(b"SIP/2.0 100 "):
                    answer = await loop.sock_recv(sender, 4096)
                assert answer.startswith(b"SIP/2.0 486 ")
        ack = invite.replace(b"INVITE sip", b"ACK sip").replace(b"1 INVITE", b"1 ACK")
        await loop.sock_sendto(sender, ack, carrier.address)
    assert len(carrier.calls_to(LINE)) == 1
