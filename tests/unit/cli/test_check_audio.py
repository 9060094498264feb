"""Doctor's findings on audio: prompts that are missing, sox that is."""

from pathlib import Path

import pytest

from callctl.audio.building import build
from callctl.cli import check_audio as module
from callctl.cli.check_audio import check_audio
from callctl.cli.findings import Status
from callctl.directory.areas import shipped_table
from callctl.settings import Settings

PLACES = {"110000": shipped_table().divisions["110000"]}


class _FewPlaces:
    divisions = PLACES


@pytest.fixture(autouse=True)
def _few_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "shipped_table", _FewPlaces)


def test_missing_prompts_are_found(tmp_path: Path) -> None:
    """Prompts that are not where Asterisk looks are a warning with the command that makes them."""
    settings = Settings(sounds_dir=tmp_path / "sounds")
    [prompts, _] = check_audio(settings)
    assert prompts.status is Status.WARN
    assert "CALLCTL_SOUNDS_DIR" in prompts.remedy

    build(settings.sounds_folder, ("zh", "en", "fr"), PLACES)
    [prompts, sox] = check_audio(settings)
    assert (prompts.status, sox.status) == (Status.OK, Status.OK)

    (settings.sounds_folder / "fr" / "callctl" / "closed.wav").unlink()
    [prompts, _] = check_audio(settings)
    assert prompts.seen.startswith("1 of ")
    assert prompts.remedy == f"callctl prompts build --into {settings.sounds_folder}"

    [own, _] = check_audio(Settings(var_dir=tmp_path / "run", sounds_dir=None))
    assert own.status is Status.WARN


def test_missing_sox_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without sox takes calls and no uploads: a warning that says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    [_, sox] = check_audio(Settings(sounds_dir=tmp_path))
    assert (sox.status, sox.remedy) == (Status.WARN, "apt install sox libsox-fmt-mp3")
