"""A container whose first process is systemd, with callctl's shipped units; for test_systemd.

It shares the network with this machine, so its switches reach the site's Asterisk and PostgreSQL,
and their ports are reached from here.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from callctl import clock
from tests.demo.world import eventually
from tests.faults.site import Site
from tests.faults.systemd_image import NotToBeHad, engine_words
from tests.plugins.database import free_port

A, B, WEB = "callctl-switch@a.service", "callctl-switch@b.service", "callctl-web.service"
OWNS, STANDS_BY = "owns the Asterisk", "stands by"
SOUNDS, RECORDINGS = "/var/lib/asterisk/sounds", "/var/spool/asterisk/recording"
_LEGS = "/var/log/asterisk/cel-custom"
_ENVIRONMENT = "/etc/callctl/callctl.env"
_COMMAND_SECONDS = 60.0
_BOOT_SECONDS = 30.0
_LIFE_SECONDS_MAX = 1800  # should nobody be left to stop it
# What root may on a machine of its own, and the sandbox of a unit is made with.
_RIGHTS = ("--cap-add", "SYS_ADMIN,SYS_PTRACE,SYS_CHROOT", "--security-opt", "seccomp=unconfined")
_SHOWN = (
    "ActiveState,SubState,Result,NRestarts,StatusText,MainPID,ExecMainCode,ExecMainStatus,"
    "RestartUSecNext"
)


class Machine:
    """Units `A` and `B` are two switches of the site's Asterisk, `WEB` is callctl web."""

    def __init__(self, name: str, site: Site) -> None:
        self._name = name
        self._site = site
        self.metrics_ports = {A: site.asterisk.ports.metrics, B: free_port()}
        self.api_port = site.asterisk.ports.api

    async def boot(self, image: str) -> None:
        """Start it and give it the settings; raises NotToBeHad when systemd does not come up."""
        asterisk = self._site.asterisk
        sounds = self._site.folder / "sounds"  # what other tests left in Asterisk's is root's
        sounds.mkdir()
        sounds.chmod(0o777)  # to those of Asterisk's group, whose number is another here
        words = [*engine_words(), "--detach", "--rm", "--name", self._name]
        words += ["--timeout", str(_LIFE_SECONDS_MAX), "--systemd=always", "--cgroupns=private"]
        words += ["--network", "host", *_RIGHTS]
        words += ["--volume", f"{sounds}:{SOUNDS}"]
        words += ["--volume", f"{asterisk.recordings_path}:{RECORDINGS}"]
        words += ["--volume", f"{asterisk.legs_path.parent}:{_LEGS}:ro"]
        await _command("podman", "rm", "--force", "--time", "0", self._name)
        code, said = await _command(*words, image)
        if code != 0:
            raise NotToBeHad(f"podman starts no container with systemd: {said}")

        async def is_up() -> bool | None:
            _, state = await self.tried("systemctl", "is-system-running")
            return True if state.strip() in {"running", "degraded"} else None

        try:
            await eventually(is_up, "systemd to come up", _BOOT_SECONDS)
        except AssertionError as error:
            _, said = await _command("podman", "logs", self._name)
            raise NotToBeHad(f"systemd does not come up in a container: {said}") from error
        await self._configure()

    async def _configure(self) -> None:
        ports = self._site.asterisk.ports
        by_network = re.sub(r"host=[^&]*", "host=127.0.0.1", self._site.database_url)
        settings = self._site.environment | {
            "CALLCTL_DATABASE_URL": by_network,  # the socket's folder is not there
            "CALLCTL_SOUNDS_DIR": SOUNDS,
            "CALLCTL_RECORDINGS_DIR": RECORDINGS,
            "CALLCTL_LEGS_PATH": f"{_LEGS}/{self._site.asterisk.legs_path.name}",
            "CALLCTL_API_PORT": str(ports.api),
            "CALLCTL_AGI_PORT": str(ports.agi),
            "CALLCTL_METRICS_PORT": str(self.metrics_ports[A]),
        }
        del settings["CALLCTL_VAR_DIR"]  # the units have their own
        await self.write(_ENVIRONMENT, _lines(settings))
        await self.run("chmod", "640", _ENVIRONMENT)
        await self.run("chgrp", "callctl", _ENVIRONMENT)
        other = {"CALLCTL_METRICS_PORT": str(self.metrics_ports[B])}
        await self.write("/etc/callctl/switch-b.env", _lines(other))
        await self.systemctl("enable", A, B, WEB)

    async def remove(self, journal: Path) -> None:
        """End it and all in it; what it has logged is kept in `journal`."""
        _, said = await self.tried("journalctl", "--no-pager", "--boot", "--output=short-precise")
        await asyncio.to_thread(journal.write_text, said, encoding="utf-8")
        await _command("podman", "rm", "--force", "--time", "0", self._name)

    async def tried(self, *command: str, text: str = "") -> tuple[int, str]:
        """The exit code of a command in it, run by root, and all that it said."""
        return await _command("podman", "exec", "--interactive", self._name, *command, text=text)

    async def run(self, *command: str, text: str = "") -> str:
        """Likewise, a command that must succeed."""
        code, said = await self.tried(*command, text=text)
        assert code == 0, f"{' '.join(command)}: {said}"
        return said

    async def write(self, path: str, text: str) -> None:
        """Make a file, and its folder."""
        await self.run("install", "-D", "-m", "644", "/dev/stdin", path, text=text)

    async def set_aside(self, unit: str, **settings: str) -> None:
        """What `systemctl edit` does: settings of [Service] that differ here."""
        text = "[Service]\n" + _lines(settings)
        await self.write(f"/etc/systemd/system/{unit}.d/override.conf", text)
        await self.systemctl("daemon-reload")

    async def callctl(self, *arguments: str) -> str:
        """A command of callctl, typed by its user with the units' settings."""
        given = ("--uid=callctl", f"--property=EnvironmentFile={_ENVIRONMENT}")
        words = ("systemd-run", "--quiet", "--pipe", "--wait", *given)
        return await self.run(*words, "/opt/callctl/.venv/bin/callctl", *arguments)

    async def systemctl(self, *arguments: str) -> str:
        """As root."""
        return await self.run("systemctl", *arguments)

    async def start(self, *units: str) -> None:
        """Return when all are ready."""
        for unit in units:
            await self.systemctl("start", unit)

    async def signal(self, unit: str, name: str) -> None:
        """Send it to the unit's process, as kill does: systemd has not wanted it."""
        await self.run("sh", "-c", f"kill -{name} $(systemctl show -P MainPID {unit})")

    async def shown(self, unit: str) -> dict[str, str]:
        """What `systemctl show` says of it."""
        said = await self.systemctl("show", unit, "--property", _SHOWN)
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    async def becomes(self, unit: str, *, seconds: float, **wanted: str) -> dict[str, str]:
        """Wait until `systemctl show` says this of it."""
        last: dict[str, str] = {}

        async def look() -> dict[str, str] | None:
            last.update(await self.shown(unit))
            return last if wanted.items() <= last.items() else None

        try:
            return await eventually(look, f"{unit} to be {wanted}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}\n{await self.journal(unit)}") from error

    async def journal(self, unit: str) -> str:
        """What the unit's processes, and systemd of it, have logged."""
        return await self.run("journalctl", "--no-pager", "--output=cat", "--unit", unit)

    async def writes(self, unit: str, folder: str, *, user: str) -> str:
        """Make a file as the unit's process sees the folder; "", or why that is refused."""
        pid = (await self.shown(unit))["MainPID"]
        inside = ("nsenter", "--target", pid, "--mount")
        who = ("setpriv", "--reuid", user, "--regid", user, "--init-groups")
        makes = ("sh", "-c", 'made=$(mktemp "$0/XXXXXX") && rm "$made"', folder)
        _, said = await self.tried(*inside, *who, *makes)
        return said

    async def owns(self, unit: str, *, seconds: float) -> float:
        """Wait until calls go through this switch; the seconds that took."""
        url = f"http://127.0.0.1:{self.metrics_ports[unit]}/health/ready"
        begun_at = clock.monotonic()

        async def look() -> float | None:
            answer = await fetched(url)
            return clock.monotonic() - begun_at if answer and answer["ready"] else None

        return await eventually(look, f"{unit} to have the calls", seconds)


@asynccontextmanager
async def machine(image: str, site: Site) -> AsyncIterator[Machine]:
    """A booted one of this image, our units enabled, none started; removed with the block."""
    made = Machine(f"callctl-systemd-{site.asterisk.container}", site)
    try:
        await made.boot(image)
        yield made
    finally:
        await made.remove(site.folder / "journal.log")


async def fetched(url: str) -> dict[str, Any] | None:
    """The JSON object there; None when nobody answers."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http,
            http.get(url) as answer,
        ):
            found: dict[str, Any] = await answer.json(content_type=None)
            return found
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


async def _command(*words: str, text: str = "") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(text.encode()), _COMMAND_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"{' '.join(words)} did not end") from None
    return process.returncode or 0, output.decode(errors="replace")
