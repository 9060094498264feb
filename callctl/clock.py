"""The only place that asks what time it is; everything else asks here, so tests can.

Called by every layer above. Nothing else may use `time`, `datetime.now` or `asyncio.sleep`
(tests/tidy holds it).
"""

import asyncio
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def now() -> datetime:
    """The wall clock: an aware UTC datetime."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on a clock that never steps; only differences mean anything."""
    return time.monotonic()


@cache
def boot() -> str:
    """The name of this boot of the machine: all its processes have one monotonic clock."""
    return _BOOT.read_text(encoding="ascii").strip()


async def sleep(seconds: float) -> None:
    """Wait; only for pacing (retries, polling the outside), never in place of an event."""
    await asyncio.sleep(seconds)
