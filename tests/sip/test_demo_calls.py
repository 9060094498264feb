"""The demo's calls on the real Asterisk, each with three witnesses: SIP side, CDR, ledger."""

from collections.abc import Awaitable, Callable

import pytest

from tests.demo.calls import DEMO_CALLS
from tests.demo.world import World


@pytest.mark.parametrize("demo_call", DEMO_CALLS, ids=lambda call: call.__name__)
async def test_demo_call(world: World, demo_call: Callable[[World], Awaitable[None]]) -> None:
    """Every call of the demo does what it has to, by all three witnesses."""
    await demo_call(world)
