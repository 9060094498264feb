"""Child processes of a stack: started, watched, stopped; used by stack.run.

Each child dies with its parent, even by kill -9, and writes all it says to one log file.
"""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from callctl import clock
from callctl.errors import StackFailed

_LOG_LINES_SHOWN = 12
_NOTICE_BYTES_MAX = 1024
_LOOK_SECONDS = 0.1


class Child:
    """One child process; `name` is what people see. `start` may follow `stop` or `kill`."""

    def __init__(self, name: str, command: Sequence[str], log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._command = tuple(command)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; raises StackFailed when it does not run."""
        if self._process is None or self._process.returncode is not None:
            raise StackFailed(f"{self.name} is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(
        self, environment: Mapping[str, str], *, deadline_seconds: float = 30.0
    ) -> None:
        """Start it with `environment` over our own; return when it says that it is ready.

        It says so by sd_notify (callctl.app.ready). Raises StackFailed when it ends or is late.
        """
        if self.is_running:
            raise StackFailed(f"{self.name} is running already")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        address = f"callctl-{os.getpid()}-{secrets.token_hex(8)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.setblocking(False)
            notify.bind("\0" + address)
            await self._spawn({**os.environ, **environment, "NOTIFY_SOCKET": "@" + address})
            try:
                await self._wait_until_ready(notify, deadline_seconds)
            except BaseException:
                await self.kill()
                raise

    async def _spawn(self, environment: Mapping[str, str]) -> None:
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "TERM", *self._command),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, who stop the children in order
            )

    async def _wait_until_ready(self, notify: socket.socket, deadline_seconds: float) -> None:
        assert self._process is not None  # noqa: S101 - just spawned
        ended = asyncio.ensure_future(self._process.wait())
        ready = asyncio.ensure_future(_told_ready(notify))
        try:
            await asyncio.wait(
                (ended, ready), timeout=deadline_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if ended.done():
                raise StackFailed(self.obituary())
            if not ready.done():
                raise StackFailed(
                    f"{self.name} not ready in {deadline_seconds:.0f} s:\n{log_end(self.log_path)}"
                )
        finally:
            ended.cancel()
            ready.cancel()

    async def stop(
        self, signum: signal.Signals = signal.SIGTERM, *, deadline_seconds: float = 20.0
    ) -> int | None:
        """Ask it to end, then make it; returns its exit code, None when it did not run."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.returncode is None:
            process.send_signal(signum)
        try:
            async with asyncio.timeout(deadline_seconds):
                return await process.wait()
        except TimeoutError:
            process.kill()
            return await process.wait()

    async def wait(self) -> None:
        """Return when it has ended, at once when it does not run."""
        if self._process is not None:
            await self._process.wait()

    async def ended_by_itself(self) -> None:
        """Return when it has ended though nobody stopped it; `start` may follow a stop."""
        while True:
            process = self._process
            if process is not None:
                await process.wait()
                if self._process is process:
                    return
            await clock.sleep(_LOOK_SECONDS)

    async def kill(self) -> None:
        """End it at once, as kill -9 does."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def obituary(self) -> str:
        """What to tell people about its unexpected end."""
        code = None if self._process is None else self._process.returncode
        return f"{self.name} ended unexpectedly (exit code {code}):\n{log_end(self.log_path)}"


async def _told_ready(notify: socket.socket) -> None:
    """Wait for READY=1; other news, of why it is not, may come before."""
    loop = asyncio.get_running_loop()
    while b"READY=1" not in (await loop.sock_recv(notify, _NOTICE_BYTES_MAX)).splitlines():
        continue


def log_end(path: Path) -> str:
    """The last lines of a log, and where the rest is."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return "\n".join([*lines[-_LOG_LINES_SHOWN:], f"(all of it: {path})"])


async def wait_until_ended(process_id: int) -> None:
    """Return when the process, ours or not, has ended; at once when there is none."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
