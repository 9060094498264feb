"""What a soak measures: memory and descriptors of the switch, a line now and then, the report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from callctl.errors import StackFailed
from tests.faults.harms import Scene

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60
_MEGABYTE = 1_000_000


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

    def line(self, outcomes: Counter[str], harm: tuple[str, float, float]) -> str:
        """How it goes."""
        if not self.taken:
            return "nothing runs yet"
        now = self.taken[-1]
        told = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
        name, seconds, back = harm
        return (
            f"{now.at_seconds:7.0f} s  held {now.held}  new: {told or 'none'}"
            f"  last: {name} {seconds:.1f} s, back {back:.1f} s"
            f"  switch {now.switch_mb:.0f} MB {now.descriptors} fds"
            f"  Asterisk {now.asterisk_mb:.0f} MB"
        )

    def table(self, outcomes: Counter[str], harms: Sequence[tuple[str, float, float]]) -> list[str]:
        """The final report."""
        lines = ["", f"new calls: {dict(outcomes)}", f"harms: {len(harms)}"]
        for name in sorted({harm[0] for harm in harms}):
            backs = [back for one, _, back in harms if one == name]
            lines.append(f"  {name:<16} {len(backs):>4} times, back in {max(backs):.1f} s at most")
        lines += ["", "lives of the switch     minutes    MB after warm-up    at the end     fds"]
        for life in dict.fromkeys(one.life for one in self.taken):
            own = [one for one in self.taken if one.life == life]
            first, last = own[len(own) // 4], own[-1]
            minutes = (own[-1].at_seconds - own[0].at_seconds) / 60
            lines.append(
                f"  {life:<20} {minutes:>8.1f} {first.switch_mb:>18.1f} {last.switch_mb:>13.1f}"
                f" {first.descriptors:>5}-{last.descriptors}"
            )
        lines += [
            "",
            f"switch MB    {_spark([one.switch_mb for one in self.taken])}",
            f"switch fds   {_spark([float(one.descriptors) for one in self.taken])}",
            f"Asterisk MB  {_spark([one.asterisk_mb for one in self.taken])}",
            f"held calls   {_spark([float(one.held) for one in self.taken])}",
        ]
        return lines


def _spark(values: Sequence[float]) -> str:
    if not values:
        return ""
    step = max(1, -(-len(values) // _WIDTH))
    shown = [max(values[start : start + step]) for start in range(0, len(values), step)]
    low, high = min(values), max(values)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    bars = "".join(_BARS[round((value - low) * scale)] for value in shown)
    return f"{bars}  {low:.0f} to {high:.0f}"
