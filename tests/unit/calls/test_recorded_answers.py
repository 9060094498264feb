"""Answers that no event told of, and that Asterisk's own record tells: when they were."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from callctl import clock
from callctl.calls import Call, LineToRing, asking
from callctl.errors import HungUp
from callctl.exchange import reconciling
from callctl.exchange.reconciling import Inquiry
from callctl.exchange.witness import Witness
from callctl.values.ids import channel_id
from tests.unit.asterisk_double import CALLER, AsteriskDouble, call_through, until

_SOON = 0.05


@pytest.fixture
def asterisk(monkeypatch: pytest.MonkeyPatch) -> AsteriskDouble:
    """An Asterisk that is asked soon."""
    monkeypatch.setattr(asking, "_EVENT_SECONDS_MAX", _SOON)
    monkeypatch.setattr(asking, "_LOOK_SECONDS", _SOON)
    return AsteriskDouble()


@pytest.fixture
def call(asterisk: AsteriskDouble) -> Call:
    """A caller's call."""
    return call_through(asterisk)


async def test_an_answer_that_shows_at_the_end_only_is_asked_for(
    asterisk: AsteriskDouble, call: Call, tmp_path: Path
) -> None:
    """A line's event of its end says that it was answered: Asterisk's own record says when."""
    record = tmp_path / "legs.csv"
    line = LineToRing(uuid.uuid4(), "a", "01062000401", "PJSIP/1@carrier", 5, False)
    call.inquiry = Inquiry(call.ari, record)
    dialled = asyncio.create_task(call.dial(line))
    channel = channel_id(line.leg_id)
    await until(lambda: asterisk.count(f"POST channels/{channel}/dial") == 1)
    asterisk.deaf = {"ChannelStateChange"}
    asterisk.answer(channel)
    at = clock.now().timestamp()
    record.write_text(f"ANSWER,{at:.6f},{channel},{CALLER},{call.call_id},PJSIP/x-1,\n")
    asterisk.end(CALLER)
    with pytest.raises(HungUp):
        await dialled
    leg = call.legs[1]
    leg.answered_at = leg.answered_monotonic = None  # nobody has asked until now
    await call.release()
    assert leg.answered_at is not None
    assert leg.answered_at.timestamp() == pytest.approx(at, abs=0.1)


async def test_an_answer_that_is_recorded_late_is_waited_for(
    asterisk: AsteriskDouble, call: Call, tmp_path: Path
) -> None:
    """A busy Asterisk tells of it late, and writes it late: he is charged from it all the same."""
    record = tmp_path / "legs.csv"
    record.write_text("")
    inquiry = Inquiry(call.ari, record)
    asterisk.deaf = {"ChannelStateChange"}
    at = clock.now().timestamp() - 1.0
    asterisk.answer(CALLER)
    asked = asyncio.create_task(inquiry.ask(call, call.a_leg))
    await until(lambda: asterisk.count(f"GET channels/{CALLER}") == 1)
    await asyncio.wait([asked], timeout=_SOON)
    assert call.a_leg.answered_at is None
    record.write_text(f"ANSWER,{at:.6f},{CALLER},{CALLER},{call.call_id},PJSIP/x-1,\n")
    await asked
    assert call.a_leg.answered_at is not None
    assert call.a_leg.answered_at.timestamp() == pytest.approx(at, abs=0.1)


async def test_an_end_that_is_recorded_late_is_waited_for(
    asterisk: AsteriskDouble, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leg is gone, and neither event nor record tells when: not yet, with so much to do."""
    monkeypatch.setattr(reconciling, "_RECORD_RETRY_SECONDS", 0.02)
    record, readings = tmp_path / "legs.csv", 0
    at = clock.now().timestamp()
    plain = Witness.read

    def read(path: Path | None, *words: Any, **more: Any) -> Witness:
        nonlocal readings
        readings += 1
        if readings > reconciling._RECORD_TRIES + 1:
            told = f"HANGUP,{at + 9:.6f},{CALLER},{CALLER},{call.call_id},PJSIP/x-1,\n"
            record.write_text(told)
        return plain(path, *words, **more)

    record.write_text("")
    monkeypatch.setattr(Witness, "read", read)
    asterisk.deaf = {"ChannelDestroyed"}
    asterisk.end(CALLER)
    await Inquiry(call.ari, record).ask(call, call.a_leg)
    assert call.a_leg.destroyed_at is not None
    assert call.a_leg.destroyed_at.timestamp() == pytest.approx(at + 9, abs=0.1)
