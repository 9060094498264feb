"""Which rows somebody else is known to keep locked, and for how long; used by the ledger's teller.

Learnt from requests that wait for them.
"""

from collections.abc import Iterable

from callctl import clock

_MET_SECONDS = 0.25  # the ledger's lock_timeout: a lock that is looked at now was met so long ago
_KNOWN_SECONDS = 15.0  # a lock that nobody has looked at for longer may have gone
_KNOWN_MAX = 10_000


class KnownLocks:
    """By the rows' keys. One is forgotten when it is seen free, or when a request for it passed."""

    def __init__(self) -> None:
        self._locks: dict[int, tuple[float, float]] = {}  # met and last seen at

    def seen(self, keys: Iterable[int]) -> None:
        """These are locked at this moment."""
        now = clock.monotonic()
        for key in keys:
            met_at, seen_at = self._locks.pop(key, (0.0, 0.0))
            is_known = now - seen_at < _KNOWN_SECONDS
            self._locks[key] = (met_at if is_known else now - _MET_SECONDS), now
        while len(self._locks) > _KNOWN_MAX:
            del self._locks[next(iter(self._locks))]

    def passed(self, keys: Iterable[int]) -> None:
        """Nobody keeps these locked."""
        if self._locks:
            for key in keys:
                self._locks.pop(key, None)

    def seconds(self, keys: Iterable[int]) -> float:
        """How long one of these has been locked, the longest; 0 when none is known to be."""
        now, longest = clock.monotonic(), 0.0
        for key in keys:
            met_at, seen_at = self._locks.get(key, (now, now))
            if now - seen_at < _KNOWN_SECONDS:
                longest = max(longest, now - met_at)
        return longest
