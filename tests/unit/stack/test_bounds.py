"""The deadlines of the container with Asterisk, with a program of the test's as its engine."""

import asyncio
from pathlib import Path

import pytest

from callctl.errors import StackFailed
from callctl.stack import asterisk as asterisk_module
from callctl.stack.asterisk import Asterisk
from callctl.stack.ports import Ports
from tests.plugins.database import free_port

_SOON, _SECONDS_MAX = 0.1, 10.0
_DEAF = "trap '' TERM; echo started; exec sleep 60"  # hears no request to end


@pytest.fixture
def asterisk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asterisk:
    """One that is not started, whose engine does nothing."""
    for name in ("_STOP_SECONDS", "_KILL_SECONDS", "_ENGINE_SECONDS"):
        monkeypatch.setattr(asterisk_module, name, _SOON)
    (tmp_path / "var").mkdir()
    (tmp_path / "asterisk-conf" / "sounds").mkdir(parents=True)
    made = Asterisk(tmp_path / "var", Ports.at(free_port()), root=tmp_path, name="bounds")
    _engine(tmp_path, "exit 0")
    return made


def _engine(root: Path, script: str) -> None:
    path = root / "engine"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    (root / "var" / "container-command").write_text(str(path))


async def test_an_engine_that_does_not_end_is_given_up(asterisk: Asterisk, tmp_path: Path) -> None:
    """A question to it has a deadline, and says what it was."""
    _engine(tmp_path, "exec sleep 60")
    async with asyncio.timeout(_SECONDS_MAX):
        with pytest.raises(StackFailed, match=r"exec of callctl-bounds-\w+ did not end"):
            await asterisk.cli("core show channels")


async def test_an_asterisk_that_does_not_end_is_ended(asterisk: Asterisk) -> None:
    """Each way of ending it has its time; when the engine can't, we end what we have started."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", _DEAF, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    asterisk._process = process
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            await asterisk.stop()
        assert process.returncode == -9
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("log", ["", asterisk_module._READY])
async def test_an_asterisk_that_does_not_start_is_ended(
    asterisk: Asterisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str
) -> None:
    """Neither one that never says that it is ready, nor one whose ARI takes calls and is silent."""
    monkeypatch.setattr(asterisk_module, "_ENGINE_SECONDS", _SECONDS_MAX)
    monkeypatch.setattr(Asterisk, "_require_free_ports", lambda _: None)
    _engine(tmp_path, f"[ $1 = rm ] || [ $1 = kill ] || {{ echo '{log}'; exec sleep 60; }}")
    writers = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", asterisk.ports.ari)
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            with pytest.raises(StackFailed, match="did not start in time"):
                await asterisk.start(deadline_seconds=_SOON)
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await server.wait_closed()
    assert asterisk._process is None
