"""How often each caller has called a number in the last minute (A23); used by flows.desk."""

from collections import OrderedDict, deque

_WINDOW_SECONDS = 60.0
_CALLERS_MAX = 100_000  # the longest silent are forgotten first
_CALLS_MAX = 1000  # more in a minute are not told apart


class CallerRates:
    """Counts the calls of this switch; times are clock.monotonic()."""

    def __init__(self) -> None:
        self._calls: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def count(self, did: str, caller: str, now: float) -> int:
        """Calls of `caller` to `did` in the minute that ends now, with the one that is new."""
        calls = self._calls.setdefault((did, caller), deque(maxlen=_CALLS_MAX))
        self._calls.move_to_end((did, caller))
        while calls and calls[0] <= now - _WINDOW_SECONDS:
            calls.popleft()
        calls.append(now)
        if len(self._calls) > _CALLERS_MAX:
            self._calls.popitem(last=False)
        return len(calls)
