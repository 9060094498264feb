"""A call whose caller was answered is sent again to where it was when its switch ended."""

from callctl.routing import Ask, Journey, Pressed, Ring, Wait
from tests.unit.routing.samples import facts
from tests.unit.routing.test_journey import SUPPORT, WAITING, number


def test_waiting_is_resumed() -> None:
    """A Wait for who waited before; where the queue is gone, the group as for a new call."""
    journey = Journey(is_vip=True)
    step = journey.resume_waiting(WAITING, facts(number("group:waiting"))).step
    assert step == Wait(WAITING, True, "the caller was waiting already")

    assert isinstance(journey.resume_waiting(SUPPORT, facts(number("menu:main"))).step, Ring)


def test_a_call_is_resumed_where_it_was_sent_last() -> None:
    """At its last target, told by the journey before; from the start when it had none yet."""
    before, now = Journey(is_vip=False), facts(number("menu:main"))
    assert before.target is None
    before.begin(now)
    assert str(before.target) == "menu:main"
    before.after(Pressed("1"), now)
    assert str(before.target) == "group:support"
    assert isinstance(Journey(is_vip=False).resume(before.target, now).step, Ring)
    assert isinstance(Journey(is_vip=False).resume(None, now).step, Ask)
