"""Feeding the watchdog, with a listener in systemd's place."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from callctl.app import ready, watchdog

SECONDS = 0.3


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that NOTIFY_SOCKET names; the watchdog waits for 0.3 s."""
    name = f"callctl-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("\0" + name)
        bound.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        monkeypatch.setenv("WATCHDOG_USEC", str(int(SECONDS * 1_000_000)))
        yield bound


@asynccontextmanager
async def _feeding(is_well: list[bool]) -> AsyncIterator[None]:
    task = asyncio.create_task(watchdog.feed(lambda _: is_well[-1]))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _fed(listener: socket.socket, seconds: float = 2.0) -> bytes:
    async with asyncio.timeout(seconds):
        return await asyncio.get_running_loop().sock_recv(listener, 100)


def _waiting(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.recv(100)
        except BlockingIOError:
            return count
        count += 1


async def test_fed_again_and_again_while_all_is_well(listener: socket.socket) -> None:
    """WATCHDOG=1 comes several times within what systemd waits for."""
    async with _feeding([True]):
        assert [await _fed(listener, SECONDS) for _ in range(5)] == [b"WATCHDOG=1"] * 5


async def test_a_loop_that_stands_feeds_nothing(listener: socket.socket) -> None:
    """While something blocks the loop nothing is sent."""
    async with _feeding([True]):
        await _fed(listener)
        _waiting(listener)
        threading.Event().wait(2 * SECONDS)  # as a call that never returns
        assert _waiting(listener) == 0
        await _fed(listener)


async def test_not_fed_while_it_is_not_well(listener: socket.socket) -> None:
    """Nothing is sent until it is well again."""
    is_well = [False]
    async with _feeding(is_well):
        with pytest.raises(TimeoutError):
            await _fed(listener, 2 * SECONDS)
        is_well.append(True)
        assert await _fed(listener) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("name", "value"), [("WATCHDOG_USEC", ""), ("WATCHDOG_USEC", "soon"), ("WATCHDOG_PID", "1")]
)
async def test_nothing_is_fed_where_nobody_waits(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Without a time, or when another process is meant, feeding ends at once."""
    monkeypatch.setenv(name, value)
    async with asyncio.timeout(1):
        await watchdog.feed()
    assert _waiting(listener) == 0


def test_a_listener_that_does_not_read_stops_nobody(listener: socket.socket) -> None:
    """Its queue full, sending returns at once."""
    for _ in range(10_000):
        ready.notify("WATCHDOG=1")
    assert _waiting(listener) < 10_000


def test_who_is_ready_says_no_more_what_it_waits_for(listener: socket.socket) -> None:
    """What systemctl shows is the last status that it was told, while the process lives."""
    ready.notify("STATUS=waiting for PostgreSQL")
    ready.tell_ready()
    told = [listener.recv(100).splitlines() for _ in range(2)]
    assert told[1] == [b"READY=1", b"STATUS="]
