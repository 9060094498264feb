"""Doctor's look at audio: are the shipped prompts where Asterisk looks, can uploads be read."""

from callctl.audio.building import shipped_files
from callctl.audio.sox import readable_formats
from callctl.cli.findings import Finding, ok, warn
from callctl.directory.areas import shipped_table
from callctl.errors import InvalidInput, ToolMissing
from callctl.settings import Settings

_WANTED = {"mp3", "vorbis", "flac", "gsm", "wav"}


def check_audio(settings: Settings) -> list[Finding]:
    """The prompts in the instance's sounds folder, and sox."""
    return [_check_prompts(settings), _check_sox()]


def _check_prompts(settings: Settings) -> Finding:
    """Asterisk skips a prompt that it has no file of: callers hear less, and no call fails."""
    folder = settings.sounds_folder
    files = shipped_files(folder, shipped_table().divisions)
    missing = sum(not file.is_file() for file in files)
    if missing == 0:
        return ok("prompts", f"{len(files)} in {folder}")
    remedy = (
        "callctl prompts build, then start callctl run again"
        if settings.sounds_dir is None or folder.is_relative_to(settings.var_dir)
        else f"callctl prompts build --into {folder}"
    )
    if not folder.is_dir():
        remedy = "CALLCTL_SOUNDS_DIR must be the folder where Asterisk looks for sounds"
    return warn("prompts", f"{missing} of {len(files)} are not in {folder}", remedy)


def _check_sox() -> Finding:
    """Only uploads and building prompts need it: calls do not."""
    try:
        lacking = _WANTED - readable_formats()
    except (InvalidInput, ToolMissing) as error:
        return warn("sox", str(error), "apt install sox libsox-fmt-mp3")
    seen = f"does not read {', '.join(sorted(lacking))}" if lacking else "reads what is uploaded"
    if lacking:
        return warn("sox", seen, "apt install libsox-fmt-mp3 libsox-fmt-base")
    return ok("sox", seen)
