"""When a caller who waits looks at the lines again."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from callctl.directory.answering import Queue
from callctl.flows import waiting
from callctl.values.line_state import LineState
from tests.unit.routing import samples


async def test_who_looks_a_moment_too_early_looks_again_at_once() -> None:
    """The naps' clock and the wall clock part by a little: by one a line's wrap-up is not over."""
    group = samples.group("support", samples.line("one"))
    over = samples.NOON
    states = {"one": LineState(wraps_up_until=over)}
    early = samples.facts(
        samples.did("group:support", group), at=over - timedelta(microseconds=200), lines=states
    )
    told = iter([early])
    naps: list[float] = []

    async def until(_holds: Callable[[], bool], seconds: float) -> bool:
        naps.append(seconds)
        return True

    call: Any = SimpleNamespace(until=until, a_leg=SimpleNamespace(is_gone=False))
    conversation: Any = SimpleNamespace(call=call, facts=lambda: next(told))
    place: Any = SimpleNamespace(is_changed=True, is_blocked=False)
    queue = Queue(10, 600, "callctl/music", announce_seconds=None)
    found = waiting._Waiting(conversation, group, queue, place, is_back=False)
    assert await found._ring_in_turn() is None
    await found._nap(600.0)
    assert 0.0 <= naps[0] < 0.001
