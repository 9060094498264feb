"""CPU time by part, and how busy the machine was with other things; used by tests.bench."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Reading:
    """CPU seconds since each part's start, and of the whole machine since boot.

    `stolen` is what the host gave to other virtual machines while this one wanted to run.
    """

    parts: dict[str, float]
    machine: float
    stolen: float

    def since(self, before: "Reading") -> "Reading":
        """What was used between `before` and this."""
        parts = {name: used - before.parts[name] for name, used in self.parts.items()}
        return Reading(parts, self.machine - before.machine, self.stolen - before.stolen)


class CpuMeter:
    """Reads the CPU time of processes, each with its children, living and ended."""

    def __init__(self, process_ids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in process_ids.items()}
        self.processors = psutil.cpu_count() or 1

    def read(self) -> Reading:
        """CPU seconds used up to now."""
        parts = {name: _tree_seconds(process) for name, process in self._processes.items()}
        times = psutil.cpu_times()
        busy = times.user + times.nice + times.system + times.irq + times.softirq
        return Reading(parts, busy, times.steal)


def _tree_seconds(root: psutil.Process) -> float:
    """User and system time of a process, its ended children and all that live below it."""
    own = root.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in root.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            used = child.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return float(total)
