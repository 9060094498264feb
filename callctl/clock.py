"""The only place that asks what time it is; everything else asks here, so tests can.

Called by every layer above. Nothing else may use `time`, `datetime.now` or `asyncio.sleep`
(tests/tidy holds it).
"""

import asyncio
import time
from datetime import UTC, datetime


def now() -> datetime:
    """The wall clock: an aware UTC datetime."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on a clock that never steps; only differences mean anything."""
    return time.monotonic()


async def sleep(seconds: float) -> None:
    """Wait; only for pacing (retries, polling the outside), never in place of an event."""
    await asyncio.sleep(seconds)
