"""How the switch process ends: who told it to, and what of its works has failed."""

import asyncio
import os
import signal

import pytest

from callctl import clock
from callctl.app import switch
from callctl.errors import AriRefused, AriReplaced, CallctlError, Superseded


@pytest.mark.parametrize(
    ("error", "is_superseded"),
    [(Superseded(), True), (AriReplaced("taken"), True), (AriRefused("no"), False), (None, False)],
)
async def test_superseded_is_who_was_replaced(
    error: CallctlError | None, is_superseded: bool
) -> None:
    """By the lease or by Asterisk: then his calls are another's; any other failure is a failure."""

    async def work() -> None:
        if error is not None:
            raise error

    running = [asyncio.create_task(asyncio.Event().wait()), asyncio.create_task(work())]
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    assert switch._is_superseded(running) is is_superseded  # type: ignore[arg-type]
    if error is None:
        await switch._end(running)  # type: ignore[arg-type]
    else:
        with pytest.raises(type(error)):
            await switch._end(running)  # type: ignore[arg-type]
    assert all(task.done() for task in running)


@pytest.mark.parametrize(
    ("signals", "hands_over"),
    [
        ([signal.SIGTERM], True),
        ([signal.SIGINT], False),
        ([signal.SIGTERM, signal.SIGINT], False),
        ([signal.SIGTERM, signal.SIGTERM], False),
    ],
)
async def test_a_signal_says_what_becomes_of_the_calls(
    signals: list[signal.Signals], hands_over: bool
) -> None:
    """They go on for the next run, or end; who asks twice wants them ended."""
    stop = switch._Stop()
    try:
        async with asyncio.timeout(2):
            for one in signals:
                os.kill(os.getpid(), one)
            await stop.wish.wait()
            while stop.hands_over is not hands_over:
                await clock.sleep(0.005)
    finally:
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(one)
