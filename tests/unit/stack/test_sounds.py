"""The sounds folder of one Asterisk: what lies over what, and what stays from start to start."""

from pathlib import Path

from callctl.stack.sounds import put_together


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_folder_is_put_together(tmp_path: Path) -> None:
    """Built prompts, over them those of the checkout; the tenants' stay, what was else goes."""
    folder, built, committed = (tmp_path / name for name in ("sounds", "built", "committed"))
    _write(built / "zh" / "callctl" / "closed.wav", "built")
    _write(built / "zh" / "callctl" / "warning.wav", "built")
    _write(built / "zh" / "callctl" / ".made-from", "stamp")
    _write(committed / "zh" / "callctl" / "warning.wav", "committed")
    _write(committed / "de" / "callctl" / "warning.alaw", "a site's own language")
    _write(folder / "tenants" / "acme" / "welcome.wav", "uploaded")
    _write(folder / "fr" / "callctl" / "old.wav", "of an earlier start")
    for _ in range(2):
        put_together(folder, committed=committed, built=built)
        found = {
            path.relative_to(folder).as_posix(): path.read_text()
            for path in folder.rglob("*")
            if path.is_file()
        }
        assert found == {
            "zh/callctl/closed.wav": "built",
            "zh/callctl/warning.wav": "committed",
            "de/callctl/warning.alaw": "a site's own language",
            "tenants/acme/welcome.wav": "uploaded",
        }
    (folder / "zh" / "callctl" / "warning.wav").write_text("changed in place")
    assert (committed / "zh" / "callctl" / "warning.wav").read_text() == "committed"


def test_folder_is_put_together_without_built_prompts(tmp_path: Path) -> None:
    """A checkout in which nothing was built has the committed prompts, readable by Asterisk."""
    folder, committed = tmp_path / "sounds", tmp_path / "committed"
    _write(committed / "callctl" / "unavailable.wav", "committed")
    put_together(folder, committed=committed, built=tmp_path / "nowhere")
    path = folder / "callctl" / "unavailable.wav"
    assert path.read_text() == "committed"
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.parent.stat().st_mode & 0o777 == 0o755
