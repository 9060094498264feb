"""Feeds systemd's watchdog while this process is of use; run by app.switch and app.web.

A loop that stands still feeds nothing by itself. Beyond that `is_well` says whether a process in
its place could do better. Without WATCHDOG_USEC in the environment nothing is fed.
"""

import os
from collections.abc import Callable

import structlog

from callctl import clock
from callctl.app.ready import notify

_FEEDS = 3  # within the time that systemd waits: one may come late
_log = structlog.get_logger()


async def feed(is_well: Callable[[float], bool] = lambda _seconds: True) -> None:
    """Feed until cancelled, as long as `is_well(seconds)`: how long systemd waits for a feed."""
    seconds = _watchdog_seconds()
    was_well = True
    while seconds:
        is_now_well = is_well(seconds)
        if is_now_well:
            notify("WATCHDOG=1")
        elif was_well:
            _log.error("watchdog_not_fed", restart_seconds=seconds)
        was_well = is_now_well
        await clock.sleep(seconds / _FEEDS)


def _watchdog_seconds() -> float:
    """How long whoever started us waits for a feed; 0: for ever, or he means another process."""
    wanted = os.environ.get("WATCHDOG_PID", "")
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if wanted not in {"", str(os.getpid())} or not microseconds.isdecimal():
        return 0.0
    return int(microseconds) / 1_000_000
