"""When the tenant's side is warned, by the seconds that are left."""

from callctl.charging.warnings import FINAL_SECONDS, Advance, Warnings

NOW = 1000.0


def test_each_warning_comes_once_and_the_end_last() -> None:
    """At its moment each, then the announcement of the end, and nothing after it."""
    warnings = Warnings((60, 15, 2))
    said = [warnings.advance(end, NOW) for end in (90.0, 59.9, 59.0, 14.9, FINAL_SECONDS, 1.9)]

    assert said == [
        Advance(),
        Advance(warning_seconds=60),
        Advance(),
        Advance(warning_seconds=15),
        Advance(is_final=True),
        Advance(),
    ]
    assert warnings.dues(1.9, NOW) == []
    assert not warnings.is_look_due(1.9, NOW + 10)


def test_an_end_too_near_is_not_announced() -> None:
    """The last announcement is made only where it can be heard to its end."""
    assert Warnings((60,)).advance(1.0, NOW) == Advance()


def test_without_warning_seconds_nothing_is_said() -> None:
    """An account that wants no warnings hears no announcement of the end either."""
    warnings = Warnings(())
    assert not warnings.is_look_due(1.0, NOW)
    assert warnings.dues(1.0, NOW) == []


def test_the_end_is_announced_again_when_the_call_went_on() -> None:
    """After a top-up the next end is announced too; a second of more time is no top-up."""
    warnings = Warnings((60,))
    assert warnings.advance(FINAL_SECONDS, NOW).is_final
    warnings.extended(4.0)
    assert not warnings.is_look_due(FINAL_SECONDS, NOW + 10)
    warnings.extended(100.0)
    assert warnings.is_look_due(FINAL_SECONDS, NOW + 10)
    assert warnings.advance(FINAL_SECONDS, NOW + 10).is_final


def test_a_look_is_not_repeated_at_once() -> None:
    """While a warning is still far the accounts are looked at again only half-way to it."""
    warnings = Warnings((60,))
    warnings.advance(100.0, NOW)
    assert warnings.next_look == NOW + 20.0
    assert not warnings.is_look_due(50.0, NOW + 19.9)
    assert warnings.is_look_due(50.0, NOW + 20.0)
