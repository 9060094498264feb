"""How long the fault tests are: short in CI, long with `make faults`; and their seed."""

import os
import random

import pytest

IS_LONG = os.environ.get("CALLCTL_FAULTS") == "long"
SEED = int(
    os.environ.get("CALLCTL_FAULTS_SEED")
    # The same in all workers of a run; chance itself where there are none.
    or random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).randrange(1, 10**6)
)
"""The same seed makes the same choices: CALLCTL_FAULTS_SEED=n make faults."""
SECONDS_MAX = 3600 if IS_LONG else 240
"""For pytest.mark.timeout of a test whose numbers differ much."""
alone_when_long = [pytest.mark.alone] if IS_LONG else []
"""The `pytestmark` of tests that in CI are small enough to run beside others."""
_ONLY = os.environ.get("CALLCTL_FAULTS_ONLY", "")


def pick(short: int, long: int) -> int:
    """One number in CI, another with `make faults`."""
    return long if IS_LONG else short


def chance(name: str) -> random.Random:
    """A source of choices of this name's own: what other tests choose does not move it."""
    return random.Random(f"{SEED} {name}")


def is_wanted(subtest: str) -> bool:
    """Whether this part of a test is to be run: CALLCTL_FAULTS_ONLY, if given, is in its name."""
    return _ONLY in subtest
