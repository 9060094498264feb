"""One Asterisk in a container, as a child of this process; run by the cli, demo, tests, bench.

The image is made by deploy/asterisk/build.sh, which also finds out how containers start on this
machine and leaves the command in var/container-command.
"""

import asyncio
import contextlib
import hashlib
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from callctl import clock
from callctl.errors import StackFailed, ToolMissing
from callctl.stack import site, sounds
from callctl.stack.ports import Ports

IMAGE = "localhost/callctl-asterisk:22"
_READY = "Asterisk Ready."
_POLL_SECONDS = 0.05
_STOP_SECONDS = 10.0
_ENGINE_SECONDS = 30.0
_KILL_TRIES = 10
_KILL_SECONDS = 2.0
_SOUNDS = "/usr/share/asterisk/sounds"
_CEL = "/var/log/asterisk/cel-custom"
_RECORDINGS = "/var/spool/asterisk/recording"


class Asterisk:
    """An Asterisk on 127.0.0.1 with this project's configuration; `async with` starts and stops it.

    `root` is the project's folder, `var_dir` the instance's; the log is in
    var_dir/log/asterisk.log, Asterisk's own record of answers and hang-ups at `legs_path`, what it
    records of calls in `recordings_path`, what it plays in `sounds_path`: put together from the
    checkout's prompts and those of the folder `prompts` (what `callctl prompts build` makes).
    Passwords are made once per instance.
    """

    def __init__(
        self,
        var_dir: Path,
        ports: Ports,
        *,
        root: Path,
        name: str,
        bench: bool = False,
        prompts: Path | None = None,
    ) -> None:
        self.ports = ports
        self.log_path = var_dir / "log" / "asterisk.log"
        self.ari_url = f"http://127.0.0.1:{ports.ari}"
        self.ari_user = self.ami_user = site.USER
        self.ami_host = "127.0.0.1"
        self.ami_port = ports.ami
        self._root = root.resolve()
        self._folder = (var_dir / "asterisk").resolve()
        self._generated = self._folder / "generated"
        self.legs_path = self._folder / "cel" / "legs.csv"
        self.recordings_path = self._folder / "recording"
        self.sounds_path = (var_dir / "sounds").resolve()
        self._prompts = prompts or self._root / "var" / "prompts"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys = site.passwords(self._folder / "passwords.json")
        self.ari_password, self.ami_password = keys.ari, keys.ami
        self._files = site.site_files(ports, keys, bench=bench)
        place = hashlib.sha256(str(self._folder).encode()).hexdigest()[:8]
        self.container = f"callctl-{name}-{place}"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self, deadline_seconds: float = 60.0) -> None:
        """Start Asterisk and return when it has booted and ARI answers; else StackFailed."""
        command = self._run_command()
        await self._engine("rm", "--force", "--volumes", self.container)  # left by a killed parent
        self._require_free_ports()
        self._generated.mkdir(exist_ok=True, mode=0o700)
        for file_name, text in self._files.items():
            site.write_private(self._generated / file_name, text)
        for written in (self.legs_path.parent, self.recordings_path):
            written.mkdir(exist_ok=True)
            written.chmod(0o777)  # for the container's user; nobody else gets this far
        committed = self._root / "asterisk-conf" / "sounds"
        sounds.put_together(self.sounds_path, committed=committed, built=self._prompts)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, who stop the switch before Asterisk
            )
        try:
            await self._wait_until_booted(clock.monotonic() + deadline_seconds)
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """Stop Asterisk and remove its container; calls in progress are hung up."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()  # the engine passes SIGTERM on to Asterisk
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                await self.kill()
        self._process = None

    async def kill(self) -> None:
        """End Asterisk at once, as a power cut would; `start` may follow."""
        process, self._process = self._process, None
        if process is None:
            return
        for _ in range(_KILL_TRIES):  # the engine may not have made the container yet
            await self._engine("kill", "--signal", "KILL", self.container)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _KILL_SECONDS)
                break
        else:
            process.kill()
            await process.wait()
        await self._engine("rm", "--force", "--volumes", self.container)

    def log_text(self) -> str:
        """Everything that Asterisk has logged since it was started."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    async def pid(self) -> int:
        """Asterisk's process id on this machine, for reading its CPU time."""
        answer = await self._engine("inspect", "--format", "{{.State.Pid}}", self.container)
        if not answer.strip().isdigit():
            raise StackFailed(f"Asterisk's container {self.container} is not running")
        return int(answer)

    async def cli(self, command: str) -> str:
        """What Asterisk's own command line answers, for example to `core show channels`."""
        return await self._engine("exec", self.container, "asterisk", "-rx", command)

    def _run_command(self) -> list[str]:
        return [
            # the engine gets SIGTERM when this process dies, however it dies
            *("setpriv", "--pdeathsig", "TERM"),
            *self._container_command(),
            *("--rm", "--name", self.container, "--network", "host"),
            *("--volume", f"{self._root}/asterisk-conf:/etc/asterisk:ro"),
            *("--volume", f"{self._root}/dialplan:/etc/asterisk-dialplan:ro"),
            *("--volume", f"{self.sounds_path}:{_SOUNDS}:ro"),
            *("--volume", f"{self._generated}:/etc/asterisk-site:ro"),
            *("--volume", f"{self.legs_path.parent}:{_CEL}"),
            *("--volume", f"{self.recordings_path}:{_RECORDINGS}"),
            IMAGE,
        ]

    def _container_command(self) -> list[str]:
        path = self._root / "var" / "container-command"
        if not path.exists():
            raise ToolMissing("the Asterisk image is not built; run deploy/asterisk/build.sh")
        return path.read_text().split()

    async def _engine(self, *arguments: str) -> str:
        """Run one engine command to its end; what it printed, "" if it failed."""
        process = await asyncio.create_subprocess_exec(
            self._container_command()[0],
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), _ENGINE_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise StackFailed(f"{arguments[0]} of {self.container} did not end") from None
        return output.decode(errors="replace")

    def _require_free_ports(self) -> None:
        wanted = (
            ("SIP", self.ports.sip, socket.SOCK_DGRAM),
            ("ARI", self.ports.ari, socket.SOCK_STREAM),
            ("AMI", self.ports.ami, socket.SOCK_STREAM),
        )
        for use, port, kind in wanted:
            with socket.socket(socket.AF_INET, kind) as probe:
                if kind == socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise StackFailed(
                        f"port {port} on 127.0.0.1, wanted for {use}, cannot be used:"
                        f" {error.strerror}; `ss -lntup` shows which program has it"
                    ) from None

    async def _wait_until_booted(self, deadline: float) -> None:
        timeout = aiohttp.ClientTimeout(total=2)
        login = {"Authorization": aiohttp.encode_basic_auth(self.ari_user, self.ari_password)}
        async with aiohttp.ClientSession(timeout=timeout, headers=login) as http:
            while not (_READY in self.log_text() and await self._ari_answers(http)):
                if self._process is None or self._process.returncode is not None:
                    raise StackFailed(f"Asterisk ended while starting:\n{self._last_lines()}")
                if clock.monotonic() > deadline:
                    raise StackFailed(f"Asterisk did not start in time:\n{self._last_lines()}")
                await clock.sleep(_POLL_SECONDS)

    async def _ari_answers(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self.ari_url}/ari/asterisk/info") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _last_lines(self) -> str:
        return "\n".join(self.log_text().splitlines()[-12:]) + f"\n(all of it: {self.log_path})"
