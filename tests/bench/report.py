"""What the bench found: the table for people, .bench/calls.json for programs."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import orjson
import psutil
from rich.console import Console
from rich.table import Table

from tests.bench.run import Found, Plan
from tests.bench.trace import SETUP_MS_MAX

_PARTS = {
    "asterisk": "Asterisk",
    "callctl": "callctl switch",
    "postgresql": "PostgreSQL",
    "web": "callctl web",
}
_SIPP = "sipp"


def as_json(found: dict[str, Found], plan: Plan, machine: dict[str, Any]) -> dict[str, Any]:
    """The content of .bench/calls.json; milliseconds have three decimals."""
    sides = {name: _side(side, plan) for name, side in found.items()}
    steps = [step for side in found.values() for step, _ in side.rounds]
    return {
        **sides,
        "ratios": _ratios(sides["plain"], sides["callctl"]),
        "machine": {**machine, "was_quiet": all(step.is_quiet for step in steps)},
    }


def _side(found: Found, plan: Plan) -> dict[str, Any]:
    used = found.cpu_ms_per_call
    cpu = {part: round(used.get(part, 0.0), 3) for part in _PARTS}
    return {
        "calls_per_second": found.calls_per_second,
        "calls_per_second_is_sure": found.is_sure,
        "setup_ms_p50": round(found.setup_ms_p50, 3),
        "setup_ms_p99": round(found.setup_ms_p99, 3),
        "cpu_ms_per_call": cpu,
        "cpu_ms_per_call_total": round(sum(cpu.values()), 3),
        "sipp_cpu_ms_per_call": round(used.get(_SIPP, 0.0), 3),
        "setup_and_cpu_at_calls_per_second": plan.latency_rate,
        "steps": [
            {
                "purpose": step.purpose,
                "rate": step.rate,
                "calls": step.wanted,
                "failed": step.failed,
                "repeated_invites": step.repeated,
                "setup_ms_p50": round(step.p50, 3),
                "setup_ms_p99": round(step.p99, 3),
                "others_share": round(step.others_share, 3),
                "stolen_share": round(step.stolen_share, 3),
                "is_quiet": step.is_quiet,
                "is_held": not why,
                "why_not": why,
            }
            for step, why in found.steps
        ],
    }


def _ratios(plain: dict[str, Any], callctl: dict[str, Any]) -> dict[str, float]:
    """What callctl is to plain; setup as the difference in milliseconds too."""
    return {
        "calls_per_second": _ratio(callctl["calls_per_second"], plain["calls_per_second"]),
        "setup_ms_p50": _ratio(callctl["setup_ms_p50"], plain["setup_ms_p50"]),
        "setup_ms_p99": _ratio(callctl["setup_ms_p99"], plain["setup_ms_p99"]),
        "setup_ms_p50_more": round(callctl["setup_ms_p50"] - plain["setup_ms_p50"], 3),
        "cpu_ms_per_call": _ratio(callctl["cpu_ms_per_call_total"], plain["cpu_ms_per_call_total"]),
    }


def _ratio(ours: float, theirs: float) -> float:
    return round(ours / theirs, 3) if theirs else 0.0


def machine(versions: dict[str, str]) -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "kernel": platform.release(),
        "python": platform.python_version(),
        **versions,
        "load_before": round(os.getloadavg()[0], 2),
    }


def sipp_version() -> str:
    """As SIPp says it: v3.6.1-..."""
    said = subprocess.run(["sipp", "-v"], capture_output=True, text=True, check=False).stdout
    return next((word.strip(".") for word in said.split() if word.startswith("v")), "unknown")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the figures, whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    partial.replace(path)


def show(console: Console, content: dict[str, Any]) -> None:
    """The table for people."""
    plain, callctl, ratios = content["plain"], content["callctl"], content["ratios"]
    rate = plain["setup_and_cpu_at_calls_per_second"]
    table = Table(title="callctl with live charging against plain Dial()", title_justify="left")
    table.add_column("")
    for heading in ("plain Dial()", "callctl", "ratio"):
        table.add_column(heading, justify="right")
    rows: list[tuple[str, str, float | int | None]] = [
        ("calls/s held", "calls_per_second", ratios["calls_per_second"]),
        (f"INVITE to 200 at {rate}/s, p50 ms", "setup_ms_p50", ratios["setup_ms_p50"]),
        (f"INVITE to 200 at {rate}/s, p99 ms", "setup_ms_p99", ratios["setup_ms_p99"]),
    ]
    if not (plain["calls_per_second_is_sure"] and callctl["calls_per_second_is_sure"]):
        console.print(
            "[yellow]calls/s held: at least; a refusal rests on a disturbed machine, "
            "so their ratio says nothing",
            soft_wrap=True,
        )
    for title, key, ratio in rows:
        table.add_row(title, _number(plain[key]), _number(callctl[key]), f"{ratio:.2f}")
    table.add_section()
    for part, title in _PARTS.items():
        ours, theirs = callctl["cpu_ms_per_call"][part], plain["cpu_ms_per_call"][part]
        shown = f"{_ratio(ours, theirs):.2f}" if part == "asterisk" else ""
        table.add_row(f"CPU ms a call at {rate}/s, {title}", _number(theirs), _number(ours), shown)
    key = "cpu_ms_per_call_total"
    table.add_row(
        "  all of these",
        _number(plain[key]),
        _number(callctl[key]),
        f"{ratios['cpu_ms_per_call']:.2f}",
    )
    key = "sipp_cpu_ms_per_call"
    table.add_row("  SIPp, not in the sum", _number(plain[key]), _number(callctl[key]), "")
    console.print(table)
    console.print(
        f"held: no call failed, all begun in time, setup p99 at most {SETUP_MS_MAX:.0f} ms, "
        "the last call ended in time",
        style="dim",
        soft_wrap=True,
    )


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2f}"
