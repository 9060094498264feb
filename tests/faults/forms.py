"""How long the fault tests are: short in CI, long with `make faults`; and their seed."""

import os
import random

IS_LONG = os.environ.get("CALLCTL_FAULTS") == "long"
SEED = int(os.environ.get("CALLCTL_FAULTS_SEED") or random.SystemRandom().randrange(1, 10**6))
"""The same seed makes the same choices: CALLCTL_FAULTS_SEED=n make faults."""
SECONDS_MAX = 3600 if IS_LONG else 240
"""For pytest.mark.timeout of a test whose numbers differ much."""


def pick(short: int, long: int) -> int:
    """One number in CI, another with `make faults`."""
    return long if IS_LONG else short


def chance(name: str) -> random.Random:
    """A source of choices of this name's own: what other tests choose does not move it."""
    return random.Random(f"{SEED} {name}")
