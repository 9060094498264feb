"""From when to when a leg is charged: ringback mode and menu mode (ambiguity 22)."""

import uuid
from datetime import UTC, datetime, timedelta

from callctl.calls import Leg
from callctl.calls.charged_time import charge_begin, charged_milliseconds

SETUP = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def _leg(side: str, answered_after: float | None, ended_after: float | None = None) -> Leg:
    leg = Leg(uuid.uuid4(), f"channel-{side}", side, "", None, SETUP)
    leg.is_taken = side == "b"
    if answered_after is not None:
        leg.answered_at = SETUP + timedelta(seconds=answered_after)
        leg.answered_monotonic = 100.0 + answered_after
    if ended_after is not None:
        leg.hung_up_at = SETUP + timedelta(seconds=ended_after)
    return leg


def test_ringback_mode_charges_both_from_when_both_talk() -> None:
    """Who was answered first waits for the other; alone nobody is charged."""
    caller, line = _leg("a", 3.1), _leg("b", 3.0)
    for leg in (caller, line):
        begin = charge_begin(caller, line, leg, is_menu=False)
        assert begin is not None
        assert (begin.at, begin.monotonic) == (SETUP + timedelta(seconds=3.1), 103.1)
    assert charge_begin(caller, None, caller, is_menu=False) is None
    assert charge_begin(caller, _leg("b", None), caller, is_menu=False) is None


def test_menu_mode_charges_the_caller_from_his_answer() -> None:
    """The caller from his own answer, with or without a line; the line from its own."""
    caller, line = _leg("a", 1.0), _leg("b", 9.0)
    alone = charge_begin(caller, None, caller, is_menu=True)
    talking = charge_begin(caller, line, caller, is_menu=True)
    of_line = charge_begin(caller, line, line, is_menu=True)
    assert alone is not None
    assert alone == talking
    assert alone.at == SETUP + timedelta(seconds=1)
    assert of_line is not None
    assert of_line.at == SETUP + timedelta(seconds=9)


def test_a_line_that_confirms_is_charged_from_then_on() -> None:
    """The time in which who answered was told of the call and looked for his key costs nothing."""
    caller, line = _leg("a", 1.0), _leg("b", 9.0)
    line.taken_at = SETUP + timedelta(seconds=13.5)
    begin = charge_begin(caller, line, line, is_menu=True)
    assert begin is not None
    assert (begin.at, begin.monotonic) == (SETUP + timedelta(seconds=13.5), 113.5)


def test_a_line_that_was_not_taken_is_not_charged() -> None:
    """An answer alone makes no party of a line."""
    caller, line = _leg("a", 3.0), _leg("b", 9.0)
    line.is_taken = False
    assert charge_begin(caller, line, line, is_menu=True) is None
    assert charge_begin(caller, line, caller, is_menu=False) is None


def test_the_first_end_ends_the_time_of_all() -> None:
    """Each leg's time runs from its own begin to the first end of any, a millisecond at least."""
    caller, line = _leg("a", 1.0, ended_after=12.5), _leg("b", 9.0, ended_after=12.25)
    begins = {
        leg.leg_id: begin
        for leg in (caller, line)
        if (begin := charge_begin(caller, line, leg, is_menu=True))
    }
    times = charged_milliseconds(begins, [caller, line], SETUP)
    assert times == {caller.leg_id: 11_250, line.leg_id: 3_250}

    line.hung_up_at = caller.answered_at
    assert min(charged_milliseconds(begins, [caller, line], SETUP).values()) == 1
