"""Named crash points: where this process may be made to end as by kill -9; for the fault tests.

Each command to Asterisk and each statement to PostgreSQL is one before it is sent and one after it
was answered: "ari POST channels/*/answer before", "db apply_requests after". Armed by app with
CALLCTL_CRASH_AT=NAME:N the process ends at the Nth time that it comes by NAME.
"""

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

_AT = re.compile(r"(?P<name>[^:]+):(?P<number>[1-9]\d{0,5})", re.ASCII)
_ID = re.compile(r"/[^/?]*\d[^/?]*")  # every id of ours, and of Asterisk's, has a digit


class _Trap:
    """What is armed; nothing in a process that serves."""

    name = ""
    left = 0
    passed_path: Path | None = None


def arm(at: str | None, passed_path: Path | None) -> None:
    """End at the Nth time by the point NAME of "NAME:N"; add each name passed to `passed_path`."""
    match = _AT.fullmatch(at) if at else None
    if match is not None:
        _Trap.name, _Trap.left = match["name"], int(match["number"])
    _Trap.passed_path = passed_path


def is_armed() -> bool:
    """Whether points are looked at."""
    return bool(_Trap.left) or _Trap.passed_path is not None


def point(name: str) -> None:
    """The process comes by this point; it may be its last act."""
    if _Trap.passed_path is not None:
        with suppress(OSError), _Trap.passed_path.open("a", encoding="utf-8") as lines:
            lines.write(name + "\n")
    if name == _Trap.name:
        _Trap.left -= 1
        if _Trap.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def command_name(method: str, target: str) -> str:
    """The name of a command to Asterisk, without its ids: "ari POST channels/*/dial"."""
    path = target.partition("?")[0].removeprefix("/ari/")
    return f"ari {method} {_ID.sub('/*', path)}"
