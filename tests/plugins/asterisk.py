"""The session's Asterisk: one for all tests that need one, started with the first of them."""

import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from callctl.stack.asterisk import Asterisk
from callctl.stack.ports import Ports
from tests.agents.prompts import write_tones

ROOT = Path(__file__).resolve().parents[2]
PORT_BASE = 26000
_PORT_BASES = (PORT_BASE, 12000, 14000, 16000, 18000, 20000, 22000, 24000, 28000)  # one a session


@contextmanager
def place() -> Iterator[tuple[Path, Ports]]:
    """A folder and ports that no other session of tests uses now; kept by a lock on the folder."""
    for base in _PORT_BASES:
        folder = ROOT / "var" / f"tests-{base}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield folder, Ports.at(base)
            return
    pytest.fail(f"{len(_PORT_BASES)} sessions of tests run already in {ROOT}")


@pytest_asyncio.fixture(scope="session")
async def asterisk() -> AsyncIterator[Asterisk]:
    """A booted Asterisk with the project's own configuration; calls from 127.0.0.2 go on.

    Its spoken prompts are tones: tests.agents.prompts.
    """
    with place() as (folder, ports):
        tones = folder / "tones"
        write_tones(tones)
        made = Asterisk(folder, ports, root=ROOT, name=folder.name, bench=True, prompts=tones)
        async with made as running:
            yield running
