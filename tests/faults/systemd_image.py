"""Builds the images of systemd_machine: a Debian with systemd and callctl installed in it.

What is not there is fetched once: the Debian, the packages, the wheels. NotToBeHad says what could
not be.
"""

import asyncio
import hashlib
import shutil
import tempfile
from pathlib import Path

from callctl.stack.processes import log_end
from tests.plugins.asterisk import ROOT

FOLDER = Path(__file__).with_name("systemd_image")
_PULL_SECONDS = 20
_BUILD_SECONDS = 300
_SOURCES = ("callctl", "sql", "pyproject.toml", "README.md", "LICENSE")
_WHEELS_OF = ("pyproject.toml", "deploy/constraints.txt")


class NotToBeHad(Exception):
    """What this machine lacks, or what failed and where it says so."""


def engine_words() -> list[str]:
    """How a container is started here, as deploy/asterisk/build.sh has found out."""
    path = ROOT / "var" / "container-command"
    words = path.read_text(encoding="utf-8").split() if path.exists() else []
    if words[:1] != ["podman"]:
        raise NotToBeHad("podman alone starts systemd in a container")
    return words


async def build(debian: str) -> str:
    """The name of the image of this Debian ("forky"), with callctl as it is in the checkout."""
    place = ROOT / "var" / "systemd" / debian
    place.mkdir(parents=True, exist_ok=True)
    log = place / "build.log"
    log.unlink(missing_ok=True)
    for path in (FOLDER / "boot.sh", FOLDER / "Containerfile"):
        shutil.copy(path, place)
    base = await _base(debian, log)
    machine = await _build_stage(place, base, "machine", log)
    asks = ("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    python = await _run([*engine_words(), "--rm", machine, *asks], log)
    await _wheels(place, python.strip(), log)
    _fresh(place / "units")
    for unit in (ROOT / "deploy" / "systemd").glob("*.service"):
        shutil.copy(unit, place / "units")
    try:
        return await _build_stage(place, base, "installed", log)
    except NotToBeHad as error:  # all of it is there: then it is our instructions that fail
        raise AssertionError(str(error)) from error


async def _base(debian: str, log: Path) -> str:
    """Debian itself; made from its packages where no registry answers."""
    base = f"debian:{debian}-slim"
    if not await _is_there(base):
        try:
            await _run(["podman", "pull", base], log, seconds=_PULL_SECONDS)
        except NotToBeHad:
            if shutil.which("mmdebstrap") is None:
                raise
            with tempfile.TemporaryDirectory(dir=ROOT / "var") as folder:
                tar = f"{folder}/base.tar"
                valid = '--aptopt=Acquire::Check-Valid-Until "false"'
                await _run(
                    [
                        "mmdebstrap",
                        "--variant=apt",
                        "--include=ca-certificates",
                        valid,
                        debian,
                        tar,
                    ],
                    log,
                )
                await _run(["podman", "import", tar, base], log)
    return base


async def _is_there(image: str) -> bool:
    process = await asyncio.create_subprocess_exec("podman", "image", "exists", image)
    return await process.wait() == 0


async def _build_stage(place: Path, base: str, stage: str, log: Path) -> str:
    """Built anew only from what has changed: the engine keeps each step."""
    words = engine_words()
    at = words.index("run")
    options = _without(_without(words[at + 1 :], "--cpu-shares"), "--pids-limit")  # as build.sh
    image = f"localhost/callctl-systemd:{place.name}-{stage}"
    what = ("--build-arg", f"BASE={base}", "--target", stage, "--tag", image, str(place))
    await _run([*words[:at], "build", *options, "--network", "host", *what], log)
    return image


def _without(words: list[str], option: str) -> list[str]:
    if option not in words:
        return words
    at = words.index(option)
    return words[:at] + words[at + 2 :]


async def _wheels(place: Path, python: str, log: Path) -> None:
    """Fetch the wheels that its Python wants, unless they are there; make callctl's own."""
    pip = [str(ROOT / ".venv" / "bin" / "python"), "-m", "pip", "--no-input", "--quiet"]
    _fresh(place / "callctl")
    with tempfile.TemporaryDirectory() as folder:
        for name in _SOURCES:  # a copy: a build writes beside its source
            source, copy = ROOT / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy)
        await _run([*pip, "wheel", "--no-deps", "-w", str(place / "callctl"), folder], log)
    [own] = (place / "callctl").glob("*.whl")
    told = [(ROOT / name).read_bytes() for name in _WHEELS_OF]
    stamp, wanted = place / "wheels.sha256", hashlib.sha256(b"".join(told)).hexdigest() + python
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    _fresh(place / "wheels")
    wanted_ones = ("--only-binary=:all:", "--python-version", python)
    pins = ("--constraint", str(ROOT / "deploy" / "constraints.txt"))
    await _run([*pip, "download", *wanted_ones, *pins, "-d", str(place / "wheels"), str(own)], log)
    (place / "wheels" / own.name).unlink(missing_ok=True)
    stamp.write_text(wanted, encoding="ascii")


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


async def _run(command: list[str], log: Path, *, seconds: float = _BUILD_SECONDS) -> str:
    """What it printed; NotToBeHad when it fails, is not installed, or is late."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise NotToBeHad(f"{command[0]}: {error.strerror}") from error
    try:
        output, complaints = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NotToBeHad(f"{' '.join(command[:3])} took more than {seconds:.0f} s") from None
    with log.open("ab") as file:
        file.write(output + complaints)
    if process.returncode != 0:
        raise NotToBeHad(f"{' '.join(command[:3])} failed:\n{log_end(log)}")
    return output.decode(errors="replace")
