"""sox as a subprocess within bounds; called by audio.speech (ours) and audio.converting (theirs).

sox is told the format, never left to guess: it would follow playlists. Files of strangers are
read by old C libraries, so it runs with little memory, time and room, and no more than it needs.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence

from callctl.errors import InvalidInput, ToolMissing

_CPU_SECONDS_MAX = 30
_DEADLINE_SECONDS = 60.0
_MEMORY_BYTES_MAX = 1 << 30
_OUTPUT_BYTES_MAX = 64 << 20
_FILES_MAX = 64
_SAID_CHARACTERS_MAX = 160
_BOUNDS = (
    *("prlimit", f"--cpu={_CPU_SECONDS_MAX}", f"--as={_MEMORY_BYTES_MAX}"),
    *(f"--fsize={_OUTPUT_BYTES_MAX}", f"--nofile={_FILES_MAX}", "--core=0"),
)


def require_sox() -> str:
    """Where sox is; raises ToolMissing."""
    found = shutil.which("sox")
    if found is None or shutil.which("prlimit") is None:
        missing = "sox" if found is None else "prlimit (Debian's util-linux)"
        raise ToolMissing(f"{missing} is not installed: apt install sox libsox-fmt-mp3")
    return found


def run_sox(arguments: Sequence[str], data: bytes = b"") -> bytes:
    """Run sox to its end with `data` as its input; what it wrote to its output. Blocks.

    `arguments` are ours from first to last. Raises ToolMissing, and InvalidInput with sox's own
    words when it fails.
    """
    command = [*_BOUNDS, require_sox(), "-V1", "-D", *arguments]
    ended = _ended(command, data, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    if ended.returncode != 0:
        raise InvalidInput(f"sox: {_said(ended.stderr) or f'ended with {ended.returncode}'}")
    return ended.stdout


def readable_formats() -> frozenset[str]:
    """The formats that this machine's sox knows, by sox's names. Blocks.

    Raises ToolMissing, and InvalidInput when it does not tell them.
    """
    ended = _ended([require_sox(), "--help"])
    lines = (ended.stdout + ended.stderr).decode(errors="replace").splitlines()
    heading = "AUDIO FILE FORMATS:"
    found = [line.removeprefix(heading) for line in lines if line.startswith(heading)]
    return frozenset(" ".join(found).split())


def _ended(
    command: Sequence[str], data: bytes = b"", *, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end; raises InvalidInput at the deadline."""
    try:
        return subprocess.run(
            command,
            input=data,
            capture_output=True,
            timeout=_DEADLINE_SECONDS,
            check=False,
            env=env,
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidInput(f"sox did not end within {_DEADLINE_SECONDS:g} s") from error


def _said(stderr: bytes) -> str:
    """The last line of sox's complaint; it may quote the file, which is a stranger's text."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    text = "".join(character for character in lines[-1] if character.isprintable()) if lines else ""
    return text.removeprefix("sox FAIL ").strip()[:_SAID_CHARACTERS_MAX]
