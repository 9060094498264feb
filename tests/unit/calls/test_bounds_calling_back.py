"""How long a line waits at most for the caller who is called back, on an Asterisk in memory."""

import asyncio
import uuid

import orjson
import pytest

from callctl.calls import (
    Call,
    CallerToRing,
    Leg,
    asking,
    calling_back,
    dialling,
    ring_caller,
    tell_line,
)
from callctl.values.hangup import Disposition
from tests.unit.asterisk_double import CALLER, AsteriskDouble, call_through

_SOON = 0.05
_TO_RING = CallerToRing("PJSIP/1@carrier", 0)


@pytest.fixture
def asterisk(monkeypatch: pytest.MonkeyPatch) -> AsteriskDouble:
    """One that is looked at soon when it tells nothing."""
    monkeypatch.setattr(asking, "_EVENT_SECONDS_MAX", _SOON)
    return AsteriskDouble()


@pytest.fixture
def call(asterisk: AsteriskDouble) -> Call:
    """A callback: a line has taken it, and its caller has no channel yet."""
    made = call_through(asterisk)
    del asterisk.channels[CALLER]
    made.a_leg.is_in_stasis, made.is_callback = False, True
    line = Leg(uuid.uuid4(), "l1", "b", "", "a", made.clock.now(), is_taken=True)
    made.legs.append(line)
    asterisk.channels["l1"] = "Up"
    return made


async def _given_up(call: Call) -> None:
    async with asyncio.timeout(5):
        await ring_caller(call, call.legs[1], _TO_RING)


async def test_a_caller_whose_channel_never_comes_is_given_up(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He is not rung, and what Asterisk has made is ended."""
    monkeypatch.setattr(calling_back, "_STASIS_SECONDS_MAX", 2 * _SOON)
    asterisk.deaf = {"StasisStart"}
    await _given_up(call)
    assert call.a_leg.gave_up_as is Disposition.FAILED
    assert not asterisk.count(f"POST channels/{CALLER}/dial")
    assert CALLER not in asterisk.channels


async def test_a_caller_who_does_not_answer_rings_no_longer(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is free for others; if nobody is there to say so, Asterisk ends it by itself."""
    told: list[int | None] = []
    dial = call.ari.channels.dial

    async def noted(channel_id: str, *, timeout: int | None = None) -> None:  # noqa: ASYNC109
        told.append(timeout)
        await dial(channel_id, timeout=timeout)

    monkeypatch.setattr(call.ari.channels, "dial", noted)
    await _given_up(call)
    assert told == [1]
    variables = orjson.loads(asterisk.bodies["POST channels/create"])["variables"]
    assert float(variables["TIMEOUT(absolute)"]) == dialling.BIRTH_MARGIN_SECONDS
    assert call.a_leg.gave_up_as is Disposition.NO_ANSWER
    assert CALLER not in asterisk.channels


async def test_an_end_that_nobody_tells_of_is_not_waited_for(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller's channel was hung up: the line hears that he was not reached."""
    monkeypatch.setattr(calling_back, "_END_SECONDS_MAX", 2 * _SOON)
    asterisk.deaf = {"ChannelDestroyed"}
    await _given_up(call)
    assert asterisk.count(f"DELETE channels/{CALLER}") == 1


async def test_a_line_is_not_told_for_ever(
    asterisk: AsteriskDouble, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt that never ends does not keep the callback from its end."""
    monkeypatch.setattr(calling_back, "_TOLD_SECONDS_MAX", _SOON)
    line = call.legs[1]
    call.bridge.take_up([line])
    async with asyncio.timeout(5):
        await tell_line(call, line, "callctl/unavailable", "zh")
    assert asterisk.playing
