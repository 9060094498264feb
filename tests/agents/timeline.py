"""What happened to one call, when, and waiting for it: every agent call keeps one timeline."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from callctl import clock


class AgentFailure(AssertionError):
    """What a test waited for did not happen; the message carries the call's timeline."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One entry: monotonic time and words such as `received 180`."""

    at: float
    what: str


class Timeline:
    """The entries of one call in order, and the tests that wait for the next one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: list[Happened] = []
        self._waiting: list[asyncio.Future[None]] = []

    def note(self, what: str) -> None:
        """Add an entry and wake whoever waits."""
        self.entries.append(Happened(clock.monotonic(), what))
        self.wake()

    def wake(self) -> None:
        """Let every waiter look again, for changes that are no entry (audio)."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def at(self, what: str) -> float | None:
        """Monotonic time of the first entry that starts with these words, or None."""
        return next((entry.at for entry in self.entries if entry.what.startswith(what)), None)

    def __str__(self) -> str:
        """One line per entry, seconds since the first."""
        if not self.entries:
            return f"timeline of {self.name}: nothing happened"
        start = self.entries[0].at
        lines = [f"  +{entry.at - start:7.3f} s  {entry.what}" for entry in self.entries]
        return "\n".join([f"timeline of {self.name}:", *lines])

    async def until(
        self,
        ready: Callable[[], bool],
        *,
        what: str,
        seconds: float,
        hopeless: Callable[[], str | None] = lambda: None,
        more: Callable[[], str] = str,
    ) -> None:
        """Wait until `ready()`, at most `seconds`; fail at once when `hopeless()` says why."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not ready():
            why = hopeless()
            if why is not None:
                raise AgentFailure(f"waiting for {what}: {why}\n{self}\n{more()}".rstrip())
            future = loop.create_future()
            self._waiting.append(future)
            try:
                async with asyncio.timeout_at(deadline):
                    await future
            except TimeoutError:
                raise AgentFailure(
                    f"waited {seconds} s in vain for {what}\n{self}\n{more()}".rstrip()
                ) from None
