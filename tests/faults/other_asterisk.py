"""The grounds' Asterisk on a changed configuration for the length of a block."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.site import Grounds

_CLOCK = "long time(long *at) { if (at) *at = 1795626874L; return 1795626874L; }\n"


@asynccontextmanager
async def reconfigured(
    grounds: Grounds,
    folder: Path,
    *,
    options: str = "",
    files: Mapping[str, str] | None = None,
    engine: str = "",
) -> AsyncIterator[None]:
    """Start it again with `options` in asterisk.conf and these site files; then as it was.

    `folder` is a scratch folder for a copy of the configuration; `engine` are more words for the
    command that starts the container.
    """
    asterisk = grounds.asterisk
    root, as_shipped = asterisk._root, dict(asterisk._files)
    copy = folder / "root"
    for name in ("asterisk-conf", "dialplan"):
        shutil.copytree(root / name, copy / name)
    (copy / "var").mkdir()
    command = (root / "var" / "container-command").read_text()
    (copy / "var" / "container-command").write_text(f"{command} {engine}")
    with (copy / "asterisk-conf" / "asterisk.conf").open("a", encoding="utf-8") as conf:
        conf.write(options + "\n")
    await asterisk.kill()
    asterisk._root = copy
    asterisk._files.update(files or {})
    try:
        await asterisk.start()
        yield
    finally:
        await asterisk.kill()
        asterisk._root = root
        asterisk._files.update(as_shipped)
        await asterisk.start()


@asynccontextmanager
async def repeating(grounds: Grounds, folder: Path) -> AsyncIterator[None]:
    """As `reconfigured`, with ids of channels that are the same again after each restart.

    They are made of time()'s second and of a count: that clock stands still, no other does.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler, to make Asterisk's clock of seconds stand still")
    made = folder / "clock.so"
    compiling = await asyncio.create_subprocess_exec(
        *(compiler, "-shared", "-fPIC", "-nostdlib", "-x", "c", "-o", str(made), "-"),
        stdin=asyncio.subprocess.PIPE,
    )
    await compiling.communicate(_CLOCK.encode())
    assert compiling.returncode == 0
    made.chmod(0o755)
    engine = f"--volume {made}:/clock.so:ro --env LD_PRELOAD=/clock.so"
    async with reconfigured(grounds, folder, engine=engine):
        yield


def with_option(grounds: Grounds, option: str) -> dict[str, str]:
    """The site's files with one more option at the trunk."""
    text, key = grounds.asterisk._files["pjsip.conf"], "[carrier](trunk)\n"
    assert key in text
    return {"pjsip.conf": text.replace(key, f"{key}{option}\n", 1)}
