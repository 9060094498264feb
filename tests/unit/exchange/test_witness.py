"""Asterisk's own record, in which ids of channels may repeat."""

import uuid
from datetime import UTC, datetime
from pathlib import Path

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
