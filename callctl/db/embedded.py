"""A PostgreSQL server of our own: made, started and stopped by callctl; used by stack and tests.

`async with EmbeddedPostgres(var_dir, port) as server:` gives `server.dsn`. The server listens on
127.0.0.1 and on a unix socket, asks for a generated password (SCRAM), and dies with the process
that started it, even by kill -9. Data stays in `var_dir`/pg; its log is var_dir/log/postgresql.log.
"""

import asyncio
import ctypes
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

import asyncpg

from callctl import clock
from callctl.db import binaries
from callctl.errors import StackFailed

_DATABASE = "callctl"
_READY_SECONDS_MAX = 60  # recovery after a crash takes its time
_DATABASE_SECONDS_MAX = 30  # of which files are copied
_STOP_SECONDS_MAX = 20
_POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1

# Sane for 2 cores and 1 GB beside Asterisk: small pages of work, steady checkpoints, no surprises.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "max_parallel_workers_per_gather": "0",  # a report must not take both cores from the calls
    "jit": "off",
    "random_page_cost": "1.1",
    "wal_level": "minimal",  # nobody replicates from the embedded server
    "max_wal_senders": "0",
    "min_wal_size": "512MB",  # a file used again costs no commit its making
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "autovacuum_naptime": "20s",
    "client_connection_check_interval": "2s",  # a statement ends soon after its client
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
    "log_checkpoints": "off",
}
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "min_wal_size": "80MB",
    "max_wal_size": "128MB",
}


class EmbeddedPostgres:
    """One server over `var_dir`/pg on `port`; `durable=False` trades safety for speed, in tests.

    `start` raises ToolMissing (no PostgreSQL found) or StackFailed (it did not come up; the
    message holds the end of its log).
    """

    def __init__(
        self, var_dir: Path, port: int, *, durable: bool = True, pg_bin: Path | None = None
    ) -> None:
        self.port = port
        self._var_dir = var_dir.absolute()
        self._log = self._var_dir / "log" / "postgresql.log"
        self._durable = durable
        self._pg_bin = pg_bin
        self._user = binaries.server_user()
        self._home = self._var_dir / "pg"
        self._password = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """The URL of the database `callctl`, with its password; known once started."""
        return self.dsn_of(_DATABASE)

    def dsn_of(self, database: str) -> str:
        """The URL of another database on this server."""
        socket_dir = binaries.socket_dir_of(self._home)
        where = f"host={socket_dir or '127.0.0.1'}&port={self.port}"
        return f"postgresql://callctl:{self._password}@/{database}?{where}&sslmode=disable"

    @property
    def process_id(self) -> int:
        """The postmaster's process id."""
        if self._process is None:
            raise StackFailed("PostgreSQL has not been started")
        return self._process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, *, fresh: bool = False) -> None:
        """Create the data folder if there is none, start the server, wait until it answers.

        With `fresh` everything in an older data folder is lost.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._home = binaries.home_of(self._var_dir, self._user)
        data = self._home / "data"
        if fresh:
            await self._clear_old_owner(data)
            await asyncio.to_thread(shutil.rmtree, data, ignore_errors=True)
        version = data / "PG_VERSION"
        major = int(version.read_text().strip()) if version.exists() else None
        programs = binaries.find_binaries(self._user, self._pg_bin, major)
        self._password = self._read_password(fresh=major is None)
        if major is None:
            await asyncio.to_thread(self._create_data, programs, data)
        await self._clear_old_owner(data)
        self._process = self._launch(programs, data)
        try:
            await self._wait_ready(data)
            await self._ensure_database()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the server: orderly within 20 s, else at once (which recovers at the next start)."""
        process, self._process = self._process, None
        if process is None:
            return
        for ask in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(ask)
            try:
                await asyncio.to_thread(process.wait, _STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                continue
            return

    def _read_password(self, *, fresh: bool) -> str:
        path = self._home / "password"
        if fresh:
            path.unlink(missing_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(16))
            if self._user is not None:
                os.chown(path, self._user.uid, self._user.gid)
        try:
            return path.read_text()
        except OSError as error:
            raise StackFailed(
                f"{path} can't be read ({error.strerror}): start callctl as the user who made it, "
                "or remove this instance's folder (make clean) to begin anew"
            ) from error

    def _create_data(self, programs: binaries.Binaries, data: Path) -> None:
        """Run initdb in a folder of another name, so that half a data folder never looks whole."""
        partial = data.with_name("data.new")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
        answer = binaries.run_as(
            self._user,
            [
                *(programs.folder / "initdb", "-D", partial, "--username=callctl"),
                *("--auth=scram-sha-256", f"--pwfile={self._home / 'password'}"),
                *("--encoding=UTF8", "--no-locale", "--no-instructions"),
                *([] if self._durable else ["--no-sync"]),
            ],
            seconds=_READY_SECONDS_MAX,
        )
        if answer.returncode != 0:
            raise StackFailed(f"initdb failed: {answer.stderr.strip() or answer.stdout.strip()}")
        partial.rename(data)

    async def _clear_old_owner(self, data: Path) -> None:
        """Wait for the server of a killed parent to go; drop the pid file of one long gone."""
        pid_file = data / "postmaster.pid"
        until = clock.monotonic() + _STOP_SECONDS_MAX
        while (pid := _pid_in(pid_file)) is not None and _is_server_of(pid, data):
            if clock.monotonic() > until:
                raise StackFailed(f"{data} is in use by process {pid}: stop that callctl first")
            await clock.sleep(_POLL_SECONDS)
        pid_file.unlink(missing_ok=True)

    def _launch(self, programs: binaries.Binaries, data: Path) -> subprocess.Popen[bytes]:
        """Start the server. Called in the main thread: the kernel's death signal is per thread."""
        settings = _SETTINGS | ({} if self._durable else _NOT_DURABLE)
        settings["port"] = str(self.port)
        settings["unix_socket_directories"] = str(binaries.socket_dir_of(self._home) or "")
        flags = [f"--{name}={value}" for name, value in settings.items()]
        owner = {} if self._user is None else {"user": self._user.uid, "group": self._user.gid}
        parent = os.getpid()
        prctl = ctypes.CDLL(None).prctl

        def die_with_parent() -> None:
            prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT))
            if os.getppid() != parent:
                os._exit(1)

        with self._log.open("ab") as log:
            return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
                [programs.folder / "postgres", "-D", data, *flags],
                **owner,
                **({} if self._user is None else {"extra_groups": []}),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for callctl, which stops us in order
                preexec_fn=die_with_parent,  # noqa: PLW1509 - only a system call, no Python locks
            )

    async def _wait_ready(self, data: Path) -> None:
        until = clock.monotonic() + _READY_SECONDS_MAX
        while not _is_ready(data / "postmaster.pid", self.process_id):
            if self._process is None or self._process.poll() is not None:
                raise StackFailed(f"PostgreSQL did not start; {self._log} ends:\n{self._log_end()}")
            if clock.monotonic() > until:
                raise StackFailed(f"PostgreSQL not ready in {_READY_SECONDS_MAX} s: {self._log}")
            await clock.sleep(_POLL_SECONDS)

    async def _ensure_database(self) -> None:
        try:
            async with asyncio.timeout(_DATABASE_SECONDS_MAX):
                await self._create_database()
        except TimeoutError as error:
            raise StackFailed(
                f"PostgreSQL made no database in {_DATABASE_SECONDS_MAX} s: {self._log}"
            ) from error

    async def _create_database(self) -> None:
        connection = await asyncpg.connect(self.dsn_of("postgres"), timeout=_DATABASE_SECONDS_MAX)
        try:
            await connection.execute(f"CREATE DATABASE {_DATABASE}")
        except asyncpg.DuplicateDatabaseError:
            pass
        finally:
            await connection.close(timeout=5)

    def _log_end(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-8:]
        return "\n".join(lines)


def _pid_in(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _is_server_of(pid: int, data: Path) -> bool:
    """Whether process `pid` is a PostgreSQL over `data`, not a later bearer of the number."""
    try:
        return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _is_ready(pid_file: Path, pid: int) -> bool:
    """Whether the server has written `ready` in line 8 of its pid file."""
    try:
        lines = pid_file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
