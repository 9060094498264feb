"""From a call that has ended to its CDR, without Asterisk: who ended it."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from callctl.ari.client import AriClient, AriSettings
from callctl.calls import Call, Leg
from callctl.cdr import Record
from callctl.exchange.ending import build_cdr
from callctl.values.phone_number import PhoneNumber

BEGIN = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def _leg(side: str, *, ended_after: float, is_released: bool) -> Leg:
    leg = Leg(uuid.uuid4(), f"channel-{side}", side, "", None, BEGIN)
    leg.answered_at = BEGIN + timedelta(seconds=1)
    leg.hung_up_at = leg.destroyed_at = BEGIN + timedelta(seconds=ended_after)
    leg.is_released, leg.is_rung = is_released, side == "b"
    leg.is_taken = side == "b"
    return leg


@pytest.mark.parametrize(
    ("a_released", "b_released", "b_ended_after", "ended_by"),
    [
        (True, False, 5.0, "line"),  # in the same millisecond as our hang-up of the caller
        (True, False, 5.2, "line"),  # its end was dated after that
        (False, True, 5.0, "caller"),
        (False, True, 4.9, "caller"),
        (False, False, 4.9, "line"),
        (False, False, 5.1, "caller"),
    ],
)
def test_ended_by_is_who_went_by_himself(
    a_released: bool, b_released: bool, b_ended_after: float, ended_by: str
) -> None:
    """The party that callctl had to hang up is not the one who ended the call."""
    a_leg = _leg("a", ended_after=5.0, is_released=a_released)
    call = Call(
        call_id=uuid.uuid4(),
        a_leg=a_leg,
        dialled=PhoneNumber.parse("4001234567"),
        caller=PhoneNumber.parse("13901710001"),
        ari=AriClient(AriSettings("http://127.0.0.1:1", "nobody", "")),
        register=lambda *_: None,
    )
    call.legs.append(_leg("b", ended_after=b_ended_after, is_released=b_released))

    assert build_cdr(call, Record(revision_id=1)).ended_by == ended_by
