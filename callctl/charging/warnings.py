"""When the tenant's side is warned that the paid time ends. Pure; used by charging.charge.

A warning at each of the account's `warn_seconds` before the end, each once; then, where there is
time for it, the announcement that this is the end. None of it for an account that wants none.
"""

from dataclasses import dataclass, field

FINAL_SECONDS = 3.0  # before the end: the final announcement and its way to the telephone
_FINAL_SECONDS_MIN = 2.2  # with less it could not be heard to its end
_LOOK_SECONDS = 0.25  # at most so often are the accounts looked at before a warning


@dataclass(frozen=True, slots=True)
class Advance:
    """What `Charge.advance` brought: more paid time, and what is to be said.

    `warning_seconds`: a warning, so many seconds before the end; `is_final`: the announcement that
    this is the end. `shrink_to`: the timers are to be set to so many paid seconds in all, and then
    `Charge.shrink` called.
    """

    is_extended: bool = False
    warning_seconds: int | None = None
    is_final: bool = False
    shrink_to: int | None = None


@dataclass(slots=True)
class Warnings:
    """The warnings of one call; `next_look` is on clock.monotonic()."""

    warn_seconds: tuple[int, ...]
    next_look: float = 0.0
    _given: set[int] = field(default_factory=set)
    _is_final_given: bool = False

    def dues(self, seconds_left: float, now: float) -> list[float]:
        """In how many seconds the accounts have to be looked at, for each warning to come."""
        return [max(seconds_left - one, self.next_look - now) for one in self._to_come()]

    def is_look_due(self, seconds_left: float, now: float) -> bool:
        """Whether a warning may be due."""
        return now >= self.next_look and any(seconds_left <= one for one in self._to_come())

    def advance(self, end_seconds: float, now: float) -> Advance:
        """What to say, when the end is so many seconds away."""
        coming = self._to_come()
        due = [one for one in coming if end_seconds <= one]
        gaps = [end_seconds - one for one in coming if one not in due]
        self.next_look = now + max(_LOOK_SECONDS, min(gaps, default=0.0) / 2)
        if FINAL_SECONDS in due:
            self._is_final_given = True  # what would come after it can't be heard any more
            return Advance(is_final=end_seconds >= _FINAL_SECONDS_MIN)
        warnings = [one for one in self.warn_seconds if one in due]
        self._given.update(warnings)
        return Advance(warning_seconds=min(warnings, default=None))

    def extended(self, seconds_left: float) -> None:
        """The call goes on after all: its end will be announced again."""
        if seconds_left > 2 * FINAL_SECONDS:
            self._is_final_given = False

    def _to_come(self) -> list[float]:
        if self._is_final_given or not self.warn_seconds:
            return []
        return [*(one for one in self.warn_seconds if one not in self._given), FINAL_SECONDS]
