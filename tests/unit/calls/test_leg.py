"""What a leg notes of its channel's events: digits, answer, and what became of it."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callctl.ari.models import ChannelDtmfReceived
from callctl.calls import Leg, Moment
from callctl.calls.leg import DIGITS_MAX
from callctl.values.hangup import Disposition
from tests.unit.asterisk_double import AsteriskDouble, event

SETUP = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def _leg() -> Leg:
    return Leg(uuid.uuid4(), "l1", "b", "", None, SETUP)


def _digit(digit: str, number: int) -> ChannelDtmfReceived:
    at = SETUP + timedelta(milliseconds=number)
    fields: dict[str, Any] = {"digit": digit, "duration_ms": 100, "timestamp": at}
    return ChannelDtmfReceived.model_construct(**fields)


def test_digits_wait_in_order_up_to_a_bound() -> None:
    """The first 32 digits wait to be read; later ones are counted."""
    leg = _leg()
    for number in range(200):
        leg.take(_digit(str(number % 10), number))
    assert "".join(leg.digits) == ("0123456789" * 4)[:DIGITS_MAX]
    assert leg.dropped_digits == 200 - DIGITS_MAX
    leg.digits.popleft()
    leg.take(_digit("#", 200))
    assert leg.digits[-1] == "#"


def test_a_digit_told_twice_is_one() -> None:
    """The same event again, also after a later one, presses nothing."""
    leg = _leg()
    for number in (1, 1, 2, 1, 2, 3):
        leg.take(_digit(str(number), number))
    assert "".join(leg.digits) == "123"


def _seen(kind: str, after: float, **facts: Any) -> Any:
    """An event of the leg's channel, so many seconds after its setup, which shows it answered."""
    channel = AsteriskDouble().channel("l1") | {"state": "Up"}
    at = SETUP + timedelta(seconds=after)
    return event(kind, channel=channel, **facts).model_copy(update={"timestamp": at})


def test_the_first_telling_of_an_answer_is_it() -> None:
    """Other events that show the leg answered, or the same once more, move nothing."""
    leg = _leg()
    leg.take(_seen("ChannelStateChange", 2))
    answered = leg.answered_at, leg.answered_monotonic
    for kind in ("ChannelStateChange", "StasisStart"):
        leg.take(_seen(kind, 5, **({"args": []} if kind == "StasisStart" else {})))
    assert (leg.answered_at, leg.answered_monotonic) == answered
    assert leg.answered_at == SETUP + timedelta(seconds=2)


def test_an_answer_that_was_asked_for_is_corrected_by_its_event() -> None:
    """The event comes after all, and tells since when: not since one has asked."""
    leg = _leg()
    asked_at = SETUP + timedelta(seconds=3)
    leg.answer(Moment(asked_at, 13.0))
    leg.take(_seen("ChannelStateChange", 2), Moment(SETUP + timedelta(seconds=2), 12.0))
    assert (leg.answered_at, leg.answered_monotonic) == (SETUP + timedelta(seconds=2), 12.0)


def test_the_first_sign_of_an_end_is_it() -> None:
    """Its moment and its cause; what our own hang-up adds comes later."""
    leg = _leg()
    leg.take(_seen("ChannelHangupRequest", 3, cause=17))
    leg.take(_seen("ChannelHangupRequest", 4, cause=16))
    leg.take(_seen("ChannelDestroyed", 5, cause=16, cause_txt=""))
    assert (leg.ended_at, leg.cause) == (SETUP + timedelta(seconds=3), 17)


def test_a_lost_leg_ended_after_its_answer() -> None:
    """Though it is known to have lived only before: a talk is never negative."""
    leg = _leg()
    leg.answer(Moment(SETUP + timedelta(seconds=5), 0.0))
    leg.lose(SETUP + timedelta(seconds=3))
    assert leg.ended_at == leg.answered_at
    unanswered = _leg()
    unanswered.lose(SETUP - timedelta(seconds=3))
    assert unanswered.ended_at == SETUP


@pytest.mark.parametrize(
    ("is_answered", "is_taken", "gave_up_as", "cause", "disposition"),
    [
        (True, True, None, 16, Disposition.ANSWERED),
        (True, False, Disposition.NO_ANSWER, 19, Disposition.NO_ANSWER),
        (True, False, Disposition.CANCELLED, 26, Disposition.CANCELLED),
        (True, False, None, 16, Disposition.CANCELLED),
        (False, False, None, 17, Disposition.BUSY),
        (False, False, None, 26, Disposition.CANCELLED),
        (False, False, None, 0, Disposition.FAILED),
    ],
)
def test_a_line_is_answered_only_if_it_took_the_call(
    is_answered: bool,
    is_taken: bool,
    gave_up_as: Disposition | None,
    cause: int,
    disposition: Disposition,
) -> None:
    """A voicemail's answer, and that of a line which was too late, are none for the CDR."""
    leg = _leg()
    leg.answered_at = SETUP + timedelta(seconds=1) if is_answered else None
    leg.is_taken, leg.gave_up_as, leg.cause = is_taken, gave_up_as, cause
    assert leg.disposition is disposition
