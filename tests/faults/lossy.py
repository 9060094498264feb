"""What becomes of Asterisk's events on their way through tests/faults/proxy.py, by a seed."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from callctl import clock

LENGTH_2, LENGTH_8 = 126, 127  # a frame's length is in so many bytes more
_HELD_SECONDS_MAX = 0.5
_NEVER = 1_000_000


@dataclass(frozen=True, slots=True)
class Harm:
    """Which share of the events suffers what; types in `spared` never do, or all but `only`."""

    dropped: float = 0.0
    doubled: float = 0.0
    reordered: float = 0.0
    delayed: float = 0.0
    delay_seconds_max: float = 1.0
    again_seconds_max: float = 8.0  # until one that is doubled comes again
    window: int = 5  # so many events may overtake one
    spared: frozenset[str] = frozenset()
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class _Fate:
    """What becomes of one event."""

    is_dropped: bool = False
    again_seconds: float | None = None  # until it comes once more
    overtaken_by: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Held:
    """An event that others may overtake."""

    frame: bytes
    due: float  # clock.monotonic(); it goes then, however few have overtaken it
    left: int


class Dice:
    """Throws for each event; `done` counts what came of it, by name."""

    def __init__(self, dice: random.Random, done: Counter[str]) -> None:
        self._dice = dice
        self._done = done
        self.harm = Harm()

    def throw(self, frame: bytes) -> _Fate:
        """What the dice say of an event."""
        kind = orjson.loads(_payload(frame)).get("type", "")
        harm, dice = self.harm, self._dice
        chances = [dice.random() for _ in range(4)]  # always so many: what is spared moves nothing
        if kind in harm.spared or (harm.only is not None and kind not in harm.only):
            return _Fate()
        fate = _Fate(
            is_dropped=chances[0] < harm.dropped,
            again_seconds=dice.uniform(0, harm.again_seconds_max)
            if chances[1] < harm.doubled
            else None,
            overtaken_by=dice.randint(1, harm.window) if chances[2] < harm.reordered else 0,
            seconds=dice.uniform(0, harm.delay_seconds_max) if chances[3] < harm.delayed else 0.0,
        )
        self._count(kind, fate)
        return fate

    def _count(self, kind: str, fate: _Fate) -> None:
        self._done["events"] += 1
        if fate.is_dropped:
            self._done["dropped"] += 1
            self._done[f"dropped {kind}"] += 1
            return
        self._done["doubled"] += fate.again_seconds is not None
        self._done["reordered"] += fate.overtaken_by > 0
        self._done["delayed"] += fate.seconds > 0


class Delivery:
    """The events of one socket, which `write` gives to the switch."""

    def __init__(self, dice: Dice, write: Callable[[bytes], None]) -> None:
        self._dice = dice
        self._write = write
        self._held: list[_Held] = []

    def take(self, frame: bytes) -> None:
        """One has come from Asterisk."""
        fate = self._dice.throw(frame)
        if fate.is_dropped:
            return
        now = clock.monotonic()
        if fate.again_seconds is not None:
            self._held.append(_Held(frame, now + fate.again_seconds, _NEVER))
        if fate.overtaken_by or fate.seconds:
            due = now + (fate.seconds or _HELD_SECONDS_MAX)
            self._held.append(_Held(frame, due, fate.overtaken_by or _NEVER))
            return
        self._write(frame)
        self._overtake()

    def _overtake(self) -> None:
        """One more event has gone before those that are held."""
        for held in self._held:
            held.left -= 1
        self.let_go()

    def let_go(self) -> None:
        """Give away those that have been held for long enough."""
        now = clock.monotonic()
        going = [held for held in self._held if held.left <= 0 or held.due <= now]
        self._held = [held for held in self._held if held not in going]
        for held in going:
            self._write(held.frame)


def _payload(frame: bytes) -> bytes:
    return frame[{LENGTH_2: 4, LENGTH_8: 10}.get(frame[1] & 0x7F, 2) :]
