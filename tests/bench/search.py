"""The search for the highest rate a side holds; pure, driven by tests.bench.__main__."""

from dataclasses import dataclass, field

_DOUBTS_MAX = 3  # of a try on a quiet machine two, else one


@dataclass(slots=True)
class RateSearch:
    """Steps up coarsely until a rate is not held, then halves the gap down to `fine`.

    A rate is refused when it was not held twice, or three times while the machine was disturbed;
    it is held if any try was. `is_sure` says that no refusal rests on disturbed tries alone.
    """

    start: int
    coarse: int
    fine: int
    most: int
    held: int = 0
    refused: int | None = None
    _seen_quiet: set[int] = field(default_factory=set)
    _doubts: dict[int, int] = field(default_factory=dict)

    def next_rate(self) -> int | None:
        """The rate to try next; None when the answer is known."""
        if self.refused is None:
            rate = self.held + self.coarse if self.held else self.start
            return rate if rate <= self.most else None
        gap = self.refused - self.held
        if gap <= self.fine:
            return None
        return self.held + max(self.fine, gap // 2 // self.fine * self.fine)

    def note(self, rate: int, *, is_held: bool, is_quiet: bool = True) -> None:
        """Take the outcome of one try."""
        if is_held:
            self.held = max(self.held, rate)
            return
        if is_quiet:
            self._seen_quiet.add(rate)
        self._doubts[rate] = self._doubts.get(rate, 0) + (2 if is_quiet else 1)
        if self._doubts[rate] >= _DOUBTS_MAX:
            self.refused = rate if self.refused is None else min(self.refused, rate)

    @property
    def is_sure(self) -> bool:
        """Whether the search came to its end, and by a refusal on a quiet machine."""
        if self.next_rate() is not None:
            return False
        return self.refused is None or self.refused in self._seen_quiet
