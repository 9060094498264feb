"""What a soak takes for a leak of the switch."""

import pytest

from tests.faults.soak_report import DESCRIPTORS_MAX, GROWTH_MB_MAX, Sample, Samples

_EVERY_SECONDS = 5.0


def _samples(seconds: float, mb_a_second: float = 0.0, descriptors: int = 40) -> Samples:
    count = int(seconds / _EVERY_SECONDS) + 1
    ats = [n * _EVERY_SECONDS for n in range(count)]
    return Samples([Sample(at, 7, 100, 100 + at * mb_a_second, descriptors, 100.0) for at in ats])


def test_memory_that_grows_with_each_call_is_a_leak() -> None:
    """30 kB a second, as a call that is not forgotten takes, over 15 minutes."""
    _samples(900).require_no_growth()
    with pytest.raises(AssertionError, match="grew by"):
        _samples(900, mb_a_second=0.03).require_no_growth()


def test_a_short_life_tells_nothing() -> None:
    """It warms up."""
    _samples(120, mb_a_second=2 * GROWTH_MB_MAX / 120).require_no_growth()


def test_descriptors_that_are_not_closed_are_a_leak() -> None:
    """Whatever the length of the life."""
    _samples(60, descriptors=DESCRIPTORS_MAX).require_no_growth()
    with pytest.raises(AssertionError, match="descriptors"):
        _samples(60, descriptors=DESCRIPTORS_MAX + 1).require_no_growth()
