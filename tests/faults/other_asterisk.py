"""The grounds' Asterisk on a changed configuration for the length of a block."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.site import Grounds


@asynccontextmanager
async def reconfigured(
    grounds: Grounds, folder: Path, *, options: str = "", files: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """Start it again with `options` in asterisk.conf and these site files; then as it was.

    `folder` is a scratch folder for a copy of the configuration.
    """
    asterisk = grounds.asterisk
    root, as_shipped = asterisk._root, dict(asterisk._files)
    copy = folder / "root"
    for name in ("asterisk-conf", "dialplan"):
        shutil.copytree(root / name, copy / name)
    (copy / "var").mkdir()
    shutil.copy(root / "var" / "container-command", copy / "var")
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


def with_option(grounds: Grounds, option: str) -> dict[str, str]:
    """The site's files with one more option at the trunk."""
    text, key = grounds.asterisk._files["pjsip.conf"], "[carrier](trunk)\n"
    assert key in text
    return {"pjsip.conf": text.replace(key, f"{key}{option}\n", 1)}
