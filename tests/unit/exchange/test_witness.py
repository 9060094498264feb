"""Asterisk's own record, in which ids of channels may repeat."""

import asyncio
import uuid
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl.ari.asterisk_clock import AsteriskClock
from callctl.calls import CallClock, Leg
from callctl.exchange.reconciling import _RECORD_TRIES, Inquiry, Seen
from callctl.exchange.witness import Witness

CHANNEL = "1795626874.0"
BEFORE, AFTER = uuid.uuid4(), uuid.uuid4()


def _file(folder: Path, *events: tuple[str, int, str, uuid.UUID | None]) -> Path:
    path = folder / "legs.csv"
    told = [
        f"{event},{second}.000000,{channel},{CHANNEL},{call_id or ''},PJSIP/carrier,\n"
        for event, second, channel, call_id in events
    ]
    path.write_text("".join(told))
    return path


def _at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def test_another_call_on_the_same_channel_id_tells_nothing(tmp_path: Path) -> None:
    """The end of a later call is not that of one whose Asterisk was killed, nor are its lines."""
    line = f"l{uuid.uuid4().hex}"
    path = _file(
        tmp_path,
        ("ANSWER", 10, CHANNEL, BEFORE),
        ("ANSWER", 50, line, AFTER),
        ("ANSWER", 51, CHANNEL, AFTER),
        ("HANGUP", 90, CHANNEL, AFTER),
    )
    before = Witness.read(path, [(CHANNEL, BEFORE)])
    after = Witness.read(path, [(CHANNEL, AFTER)])
    assert (before.answered_at(CHANNEL), before.hung_up_at(CHANNEL)) == (_at(10), None)
    assert before.answered_with(CHANNEL) == []
    assert (after.answered_at(CHANNEL), after.hung_up_at(CHANNEL)) == (_at(51), _at(90))
    assert after.answered_with(CHANNEL) == [line]


def test_a_channel_id_of_two_calls_tells_nothing(tmp_path: Path) -> None:
    """Whoever asks for both at once is told of neither."""
    path = _file(tmp_path, ("ANSWER", 10, CHANNEL, BEFORE), ("HANGUP", 20, CHANNEL, BEFORE))
    both = Witness.read(path, [(CHANNEL, BEFORE), (CHANNEL, AFTER)])
    assert both.answered_at(CHANNEL) is None
    assert both.hung_up_at(CHANNEL) is None


def test_a_line_without_its_call_is_taken_by_its_channel(tmp_path: Path) -> None:
    """A dialplan may not tell the call, and lines of before have no field for it."""
    path = _file(tmp_path, ("ANSWER", 10, CHANNEL, None), ("HANGUP", 20, CHANNEL, None))
    with path.open("a") as file:
        file.write("ANSWER,30.000000,1.2,1.2,PJSIP/carrier,\n")
    witness = Witness.read(path, [(CHANNEL, BEFORE), ("1.2", AFTER)])
    assert (witness.answered_at(CHANNEL), witness.hung_up_at(CHANNEL)) == (_at(10), _at(20))
    assert witness.answered_at("1.2") == _at(30)


async def test_many_who_ask_share_a_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred legs whose ends nobody told: the record is read for all of them, and for each."""
    calls = {f"1795626874.{number}": uuid.uuid4() for number in range(100)}
    lines = [f"HANGUP,{20 + n}.000000,{one},{one},{calls[one]},x,\n" for n, one in enumerate(calls)]
    (tmp_path / "legs.csv").write_text("".join(lines))
    readings: list[int] = []

    def read(path: Path | None, ids: set[tuple[str, uuid.UUID]], *, last_bytes: int) -> Witness:
        readings.append(len(ids))
        return plain(path, ids, last_bytes=last_bytes)

    plain = Witness.read
    monkeypatch.setattr(Witness, "read", read)
    inquiry = Inquiry(cast(Any, SimpleNamespace(clock=AsteriskClock())), tmp_path / "legs.csv")
    legs = [_leg(one) for one in calls]
    asked = [inquiry.believe([_gone(calls[leg.channel_id], leg)]) for leg in legs]
    another = _leg(CHANNEL)  # of another call, on the first one's channel id
    await asyncio.gather(*asked, inquiry.believe([_gone(AFTER, another)]))
    assert [leg.destroyed_at for leg in legs] == [_at(20 + number) for number in range(100)]
    assert another.destroyed_at != _at(20)
    assert len(readings) <= 2 + _RECORD_TRIES
    assert sum(readings) <= 101 + _RECORD_TRIES


def _leg(channel: str) -> Leg:
    return Leg(uuid.uuid4(), channel, "a", "", None, setup_at=_at(5))


def _gone(call_id: uuid.UUID, leg: Leg) -> Seen:
    """A leg that Asterisk has no more, of a call that the test has no other need of."""
    call = SimpleNamespace(
        call_id=call_id, wake=lambda: None, clock=CallClock.since(_at(5), AsteriskClock())
    )
    return Seen(cast(Any, call), leg, None)
