"""What a switch remembers of lines and queues: never older than what it knew, and whose turn."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from callctl.queues.line_memory import KnownLine
from callctl.queues.places import Order, Place, PlaceRow, PlaceState

_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def _row(version: int, **changes: Any) -> dict[str, Any]:
    return {
        "version": version,
        "timezone": "Asia/Shanghai",
        "call_count": 0,
        "last_call_at": None,
        "rested_until": None,
        "rested_why": "",
        "wraps_up_until": None,
        "hold_seconds": None,
        "others": 0,
    } | changes


def test_a_line_is_not_forgotten_what_is_newer() -> None:
    """What was read before our own change, and comes after it, changes nothing."""
    line = KnownLine()
    line.count(1)
    assert line.learn(_row(7, call_count=3, others=1))
    assert not line.learn(_row(6, call_count=2))
    assert (line.state.call_count, line.state.live_calls) == (3, 2)
    assert not line.learn(_row(7, call_count=3, others=1))


def test_a_queue_is_read_again_when_something_newer_is_known() -> None:
    """A look from before our own change is refused, one from after it taken."""
    order = Order("t", "support")
    order.put(5, _place(0, is_vip=False, lines=frozenset({1})))
    assert not order.replace_all(4, [])
    assert len(order.rows) == 1
    assert order.replace_all(5, [])
    assert not order.rows


def _place(second: int, *, is_vip: bool, lines: frozenset[int], state: str = "waiting") -> PlaceRow:
    at = _DAY + timedelta(seconds=second)
    return PlaceRow(uuid.uuid4(), "4001234567", "support", "", is_vip, at, lines, PlaceState(state))


_places = st.builds(
    _place,
    st.integers(0, 5),
    is_vip=st.booleans(),
    lines=st.frozensets(st.integers(1, 4), max_size=4),
    state=st.sampled_from(list(PlaceState)),
)


@given(st.lists(_places, max_size=12))
def test_who_may_be_next_is_who_nobody_blocks(rows: list[PlaceRow]) -> None:
    """Blocked is who has somebody waiting before him who can use every line that he can."""
    order = Order("t", "support")
    order.replace_all(1, rows)
    waiting = sorted((row for row in rows if row.state != "ringing"), key=lambda row: row.key)
    assert order.pending == waiting
    for row in rows:
        before = [one for one in waiting if one.key < row.key]
        is_blocked = any(one.line_ids >= row.line_ids for one in before)
        place = Place(row, None, order, lambda: None, lambda *_: 0)  # type: ignore[arg-type]
        assert place.is_blocked is is_blocked
        assert place.position == len(before) + 1
        if row.state != "ringing":
            assert (row in order.unblocked) is not is_blocked
