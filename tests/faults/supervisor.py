"""What systemd is to a switch: starts it with a watchdog, and hears what it says of itself."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from callctl import clock

_MESSAGE_BYTES_MAX = 1024


class Supervised:
    """A switch under a watchdog that only listens: it kills nobody."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.fed_at: list[float] = []  # on clock.monotonic()
        self.is_ready = asyncio.Event()
        self._fed = asyncio.Event()

    def hear(self, message: str) -> None:
        """Note what it says."""
        for line in message.splitlines():
            if line == "READY=1":
                self.is_ready.set()
            if line == "WATCHDOG=1":
                self.fed_at.append(clock.monotonic())
                self._fed.set()

    async def fed(self, times: int, *, seconds: float) -> None:
        """Wait until the watchdog was fed so many times from now on."""
        wanted = len(self.fed_at) + times
        async with asyncio.timeout(seconds):
            while len(self.fed_at) < wanted:
                self._fed.clear()
                await self._fed.wait()

    async def starved(self, silence_seconds: float, *, seconds: float) -> None:
        """Wait until nothing was fed for `silence_seconds`; fails when that does not come."""
        async with asyncio.timeout(seconds):
            while True:
                self._fed.clear()
                try:
                    async with asyncio.timeout(silence_seconds):
                        await self._fed.wait()
                except TimeoutError:
                    return


@asynccontextmanager
async def supervised(
    environment: Mapping[str, str], log_path: Path, *, watchdog_seconds: float
) -> AsyncIterator[Supervised]:
    """A switch that is ready; ended with the block."""
    address = f"callctl-{os.getpid()}-{secrets.token_hex(8)}"
    told = {
        "NOTIFY_SOCKET": "@" + address,
        "WATCHDOG_USEC": str(int(watchdog_seconds * 1_000_000)),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, log_path.open("ab") as log:
        listener.setblocking(False)
        listener.bind("\0" + address)
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "callctl", "switch"),
            env={**os.environ, **environment, **told},
            stdout=log,
            stderr=log,
        )
        switch = Supervised(process)
        hearing = asyncio.create_task(_hear(listener, switch))
        try:
            async with asyncio.timeout(30):
                await switch.is_ready.wait()
            yield switch
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
            await process.wait()
            hearing.cancel()


async def _hear(listener: socket.socket, switch: Supervised) -> None:
    loop = asyncio.get_running_loop()
    while True:
        switch.hear((await loop.sock_recv(listener, _MESSAGE_BYTES_MAX)).decode())
