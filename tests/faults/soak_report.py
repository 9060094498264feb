"""What a soak measures: the switch's memory and descriptors, calls and their CDRs; the report."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, ClassVar

import psutil

from callctl.ari.keep_alive import (
    CONNECTIONS_MAX,
    PULSE_CONNECTIONS_MAX,
    URGENT_CONNECTIONS_MAX,
)
from callctl.errors import StackFailed
from tests.agents import PlacedCall
from tests.faults.harms import Scene

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60
_MEGABYTE = 1_000_000
LONG_LIFE_SECONDS = 480.0
GROWTH_MB_MAX = 8.0  # of a long life's last quarter over its second: a call in memory is 30 kB
IDLE_DESCRIPTORS_MAX = 40  # pool, listeners, log, metrics, ARI
DESCRIPTORS_MAX = (  # with all the connections to ARI that there may be
    IDLE_DESCRIPTORS_MAX + CONNECTIONS_MAX + URGENT_CONNECTIONS_MAX + PULSE_CONNECTIONS_MAX
)

HarmDone = tuple[str, float, float]  # its name, its seconds, seconds from its end to the next call


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment; `life` is the process id of the switch then."""

    at_seconds: float
    life: int
    held: int
    switch_mb: float
    descriptors: int
    asterisk_mb: float


@dataclass
class Placed:
    """The calls that were placed and have ended, by Call-ID, against their CDRs."""

    QUERY: ClassVar[str] = "SELECT sip_call_id FROM cdrs"

    answered: set[str] = field(default_factory=set)
    others: dict[str, int | None] = field(default_factory=dict)  # the status of each; None: none
    with_cdr: int = 0
    without_cdr: Counter[int | None] = field(default_factory=Counter)

    def note(self, call: PlacedCall) -> None:
        """It has ended."""
        if call.answered_at is not None:
            self.answered.add(call.sip_call_id)
        else:
            told = call.outcome if call.outcome and call.outcome.ended_by == "them" else None
            self.others[call.sip_call_id] = told.status if told else None

    def compare(self, cdrs: Iterable[Any]) -> None:
        """Fails unless each answered call has one CDR, and any other at most one."""
        found = Counter(row["sip_call_id"] for row in cdrs)
        missing = self.answered - set(found)
        assert not missing, f"{len(missing)} answered calls without a CDR: {list(missing)[:5]}"
        doubled = [one for one, count in found.items() if count > 1]
        assert not doubled, f"several CDRs of one call: {doubled[:5]}"
        strange = set(found) - self.answered - set(self.others)
        assert not strange, f"CDRs of calls that nobody placed: {list(strange)[:5]}"
        self.with_cdr = len(found)
        self.without_cdr = Counter(self.others[one] for one in set(self.others) - set(found))
        refused = set(self.others.values()) - {None, 503}
        assert not refused, f"callers were told {refused}: nobody else would serve them then"


@dataclass
class Samples:
    """All moments so far; those at which the switch did not run are left out."""

    taken: list[Sample] = field(default_factory=list)

    async def take(self, at_seconds: float, it: Scene, held: int) -> None:
        """Measure now."""
        try:
            switch = psutil.Process(it.switch.pid)
            memory, descriptors = switch.memory_info().rss, switch.num_fds()
            asterisk = psutil.Process(await it.site.asterisk.pid()).memory_info().rss
        except (StackFailed, psutil.Error):
            return
        self.taken.append(
            Sample(
                *(at_seconds, switch.pid, held, memory / _MEGABYTE, descriptors),
                asterisk_mb=asterisk / _MEGABYTE,
            )
        )

    def is_idle(self) -> bool:
        """Whether no more descriptors are open than without calls."""
        return self.taken[-1].descriptors <= IDLE_DESCRIPTORS_MAX

    def require_no_growth(self) -> None:
        """Fails when memory grew over a long life of the switch, or descriptors over any."""
        for life, own in self._lives().items():
            most = max(one.descriptors for one in own)
            assert most <= DESCRIPTORS_MAX, f"switch {life} had {most} descriptors"
            grown = growth_mb(own)
            assert grown <= GROWTH_MB_MAX, f"switch {life} grew by {grown:.1f} MB"

    def line(self, outcomes: Counter[str], harms: Sequence[HarmDone]) -> str:
        """How it goes."""
        if not self.taken:
            return "nothing runs yet"
        now = self.taken[-1]
        told = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
        name, seconds, back = harms[-1] if harms else ("nothing yet", 0.0, 0.0)
        return (
            f"{now.at_seconds:7.0f} s  held {now.held}  new: {told or 'none'}"
            f"  last: {name} {seconds:.1f} s, back {back:.1f} s"
            f"  switch {now.switch_mb:.0f} MB {now.descriptors} fds"
            f"  Asterisk {now.asterisk_mb:.0f} MB"
        )

    def table(self, outcomes: Counter[str], harms: Sequence[HarmDone], placed: Placed) -> list[str]:
        """The final report."""
        lines = ["", f"new calls: {dict(outcomes)}"]
        lines += [
            f"calls ended: {len(placed.answered)} answered, {len(placed.others)} not",
            f"CDRs: {placed.with_cdr}; none, by what was told: {dict(placed.without_cdr)}",
            f"harms: {len(harms)}",
        ]
        for name in sorted({harm[0] for harm in harms}):
            backs = [back for one, _, back in harms if one == name]
            lines.append(f"  {name:<18} {len(backs):>4} times, back in {max(backs):.1f} s at most")
        lines += ["", "lives of the switch     minutes   MB in its 2nd quarter, its last      fds"]
        for life, own in self._lives().items():
            minutes = (own[-1].at_seconds - own[0].at_seconds) / 60
            second, last = _quarters(own)
            most = max(one.descriptors for one in own)
            lines.append(
                f"  {life:<20} {minutes:>8.1f} {second:>23.1f} {last:>14.1f}"
                f" {own[-1].descriptors:>4}, at most {most}"
            )
        lines += [
            "",
            f"switch MB    {_spark([one.switch_mb for one in self.taken])}",
            f"switch fds   {_spark([float(one.descriptors) for one in self.taken])}",
            f"Asterisk MB  {_spark([one.asterisk_mb for one in self.taken])}",
            f"held calls   {_spark([float(one.held) for one in self.taken])}",
        ]
        return lines

    def _lives(self) -> dict[int, list[Sample]]:
        lives: dict[int, list[Sample]] = {}
        for one in self.taken:
            lives.setdefault(one.life, []).append(one)
        return lives


def growth_mb(life: Sequence[Sample]) -> float:
    """How much more memory a life took at its end than after its warm-up; 0 for a short one."""
    if life[-1].at_seconds - life[0].at_seconds < LONG_LIFE_SECONDS:
        return 0.0
    second, last = _quarters(life)
    return last - second


def _quarters(life: Sequence[Sample]) -> tuple[float, float]:
    """The mean memory of the second and of the last quarter."""
    quarter = max(1, len(life) // 4)
    second = life[quarter : 2 * quarter] or life
    return fmean(one.switch_mb for one in second), fmean(one.switch_mb for one in life[-quarter:])


def _spark(values: Sequence[float]) -> str:
    if not values:
        return ""
    step = max(1, -(-len(values) // _WIDTH))
    shown = [max(values[start : start + step]) for start in range(0, len(values), step)]
    low, high = min(values), max(values)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    bars = "".join(_BARS[round((value - low) * scale)] for value in shown)
    return f"{bars}  {low:.0f} to {high:.0f}"
