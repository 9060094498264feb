"""The sounds folder of one Asterisk, put together at its start; called by stack.asterisk.

Below it lie the prompts of the checkout (asterisk-conf/sounds), those that `callctl prompts
build` made, and in tenants/ what the switch writes.
"""

import os
import shutil
from pathlib import Path

from callctl.audio.wav import make_folder

TENANTS = "tenants"  # the switch's own part


def put_together(folder: Path, *, committed: Path, built: Path) -> None:
    """Make `folder` the files of `built` (which may be missing), and over them the committed.

    What an earlier start left is removed, the tenants' part stays. Raises OSError.
    """
    make_folder(folder)
    for old in folder.iterdir():
        if old.name == TENANTS:
            continue
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()
    make_folder(folder / TENANTS)
    for source in (built, committed):
        for path in sorted(source.rglob("[!.]*")):
            if path.is_file():
                _place(path, folder / path.relative_to(source), is_linked=source == built)


def _place(source: Path, target: Path, *, is_linked: bool) -> None:
    """A link where that goes, for there are many; people's own files are copied, to be safe."""
    make_folder(target.parent)
    target.unlink(missing_ok=True)
    if is_linked:
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            pass
        else:
            return
    shutil.copyfile(source, target)
    target.chmod(0o644)
