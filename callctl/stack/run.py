"""The whole product on this machine: PostgreSQL, Asterisk, `callctl switch`, `callctl web`.

Used by `callctl run`, the demo, the tests and the bench:

    async with Stack("demo", Ports.at(28000), Path("var/demo")) as stack:
        stack.asterisk, stack.database_url, stack.environment, stack.logs
"""

import asyncio
import contextlib
import fcntl
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

from callctl import clock
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.migrate import migrate
from callctl.errors import StackFailed
from callctl.settings import ENVIRONMENT_FILE
from callctl.stack.asterisk import Asterisk
from callctl.stack.ports import Ports
from callctl.stack.processes import Child, wait_until_ended
from callctl.stack.site import write_private

PROJECT_DIR = Path(__file__).resolve().parents[2]

Report = Callable[[str], None]


class Stack:
    """Everything that one callctl needs, on `ports`, with its files in `var_dir`.

    `settings` are environment variables for switch and web (CALLCTL_SLICE_SECONDS, ...).
    `database_url` names a server of the user's own; without it an embedded one is started,
    `durable` or faster; with `fresh` it begins without the data and logs of earlier runs.
    `report` hears one line per step.
    """

    def __init__(
        self,
        name: str,
        ports: Ports,
        var_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        database_url: str | None = None,
        pg_bin: Path | None = None,
        durable: bool = True,
        fresh: bool = False,
        bench: bool = False,
        report: Report = lambda _line: None,
    ) -> None:
        self.name = name
        self.ports = ports
        self.var_dir = var_dir.absolute()
        (self.var_dir / "log").mkdir(parents=True, exist_ok=True)
        self.asterisk = Asterisk(self.var_dir, ports, root=PROJECT_DIR, name=name, bench=bench)
        self.postgres = (
            None
            if database_url
            else EmbeddedPostgres(self.var_dir, ports.postgres, durable=durable, pg_bin=pg_bin)
        )
        self.switch = self._child("switch")
        self.web = self._child("web")
        self._database_url = database_url
        self._settings = dict(settings or {})
        self._fresh = fresh
        self._report = report
        self._opened = contextlib.AsyncExitStack()

    @property
    def database_url(self) -> str:
        """The database's URL; of the embedded one known once started."""
        return self._database_url or (self.postgres.dsn if self.postgres else "")

    @property
    def environment(self) -> dict[str, str]:
        """The CALLCTL_* settings that reach this stack: for its processes and for the CLI."""
        return {
            "CALLCTL_DATABASE_URL": self.database_url,
            "CALLCTL_VAR_DIR": str(self.var_dir),
            "CALLCTL_SOUNDS_DIR": str(self.asterisk.sounds_path),
            "CALLCTL_RECORDINGS_DIR": str(self.asterisk.recordings_path),
            "CALLCTL_LEGS_PATH": str(self.asterisk.legs_path),
            "CALLCTL_ARI_URL": self.asterisk.ari_url,
            "CALLCTL_ARI_USER": self.asterisk.ari_user,
            "CALLCTL_ARI_PASSWORD": self.asterisk.ari_password,
            "CALLCTL_AMI_HOST": self.asterisk.ami_host,
            "CALLCTL_AMI_PORT": str(self.ports.ami),
            "CALLCTL_AMI_USER": self.asterisk.ami_user,
            "CALLCTL_AMI_PASSWORD": self.asterisk.ami_password,
            "CALLCTL_AGI_PORT": str(self.ports.agi),
            "CALLCTL_API_PORT": str(self.ports.api),
            "CALLCTL_METRICS_PORT": str(self.ports.metrics),
            **self._settings,
        }

    @property
    def api_url(self) -> str:
        """Where API and console answer."""
        return f"http://127.0.0.1:{self.ports.api}"

    @property
    def logs(self) -> dict[str, Path]:
        """The log file of each part."""
        paths = {part: self._log(part) for part in ("asterisk", "switch", "web")}
        return {"postgresql": self._log("postgresql"), **paths} if self.postgres else paths

    async def __aenter__(self) -> Self:
        try:
            self._opened.enter_context(_locked(self.var_dir))
            if self._fresh:
                for log in (*self.logs.values(), self.asterisk.legs_path):
                    log.unlink(missing_ok=True)
            await self._start()
        except BaseException:
            await self._opened.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def start_switch(self, environment: Mapping[str, str] | None = None) -> None:
        """Start `callctl switch`, also after stop or kill; returns when it is ready for calls.

        `environment` overrides settings for this start (another CALLCTL_DATABASE_URL, ...).
        """
        await self.switch.start(self.environment | dict(environment or {}))

    async def stop_switch(self) -> None:
        """Stop `callctl switch` in order; calls go on in Asterisk, for the next one to take up."""
        await self.switch.stop()

    async def _end_switch(self) -> None:
        """Stop `callctl switch` with its calls: Asterisk ends as well."""
        await self.switch.stop(signal.SIGINT)

    async def start_web(self, environment: Mapping[str, str] | None = None) -> None:
        """Start `callctl web`; returns when it listens."""
        await self.web.start(self.environment | dict(environment or {}))

    async def stop_web(self) -> None:
        """Stop `callctl web`."""
        await self.web.stop()

    async def process_ids(self) -> dict[str, int]:
        """Process id of each part that runs, for CPU accounting; PostgreSQL's has children."""
        ids = {"asterisk": await self.asterisk.pid()}
        if self.postgres is not None:
            ids["postgresql"] = self.postgres.process_id
        ids |= {child.name: child.pid for child in (self.switch, self.web) if child.is_running}
        return ids

    async def wait_until_broken(self) -> str:
        """Wait until a part has ended by itself; returns what to tell people about it."""
        waits = {asyncio.ensure_future(wait_until_ended(await self.asterisk.pid())): "asterisk"}
        if self.postgres is not None:
            ended = wait_until_ended(self.postgres.process_id)
            waits[asyncio.ensure_future(ended)] = "postgresql"
        for child in (self.switch, self.web):
            waits[asyncio.ensure_future(child.ended_by_itself())] = child.name
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        part = waits[done.pop()]
        return f"{part} ended unexpectedly; its log: {self.logs[part]}"

    async def _start(self) -> None:
        """Start the parts in order; whatever was started is stopped in reverse."""
        if self.postgres is not None:
            async with self._step("PostgreSQL"):
                await self.postgres.start(fresh=self._fresh)
                self._opened.push_async_callback(self._stop_part, "PostgreSQL", self.postgres.stop)
        async with self._step("schema"):
            await migrate(self.database_url)
        async with self._step("Asterisk"):
            await self.asterisk.start()
            self._opened.push_async_callback(self._stop_part, "Asterisk", self.asterisk.stop)
        self._write_environment()
        self._opened.push_async_callback(self._stop_part, "switch", self._end_switch)
        async with self._step("switch"):
            await self.start_switch()
        self._opened.push_async_callback(self._stop_part, "web", self.stop_web)
        async with self._step("web"):
            await self.start_web()

    @contextlib.asynccontextmanager
    async def _step(self, part: str) -> AsyncIterator[None]:
        begun = clock.monotonic()
        self._report(f"starting {part} ...")
        yield
        self._report(f"{part} ready after {clock.monotonic() - begun:.1f} s")

    async def _stop_part(self, part: str, stop: Callable[[], Awaitable[None]]) -> None:
        self._report(f"stopping {part} ...")
        await stop()

    def _child(self, command: str) -> Child:
        arguments = (sys.executable, "-m", "callctl", command)
        return Child(command, arguments, self._log(command))

    def _log(self, part: str) -> Path:
        return self.var_dir / "log" / f"{part}.log"

    def _write_environment(self) -> None:
        """Leave the settings where `callctl account show` and the like look for them."""
        path = self.var_dir / ENVIRONMENT_FILE
        lines = [f"{key}={shlex.quote(value)}\n" for key, value in self.environment.items()]
        write_private(path, "".join(lines))
        self._opened.callback(path.unlink, missing_ok=True)


@contextlib.contextmanager
def _locked(var_dir: Path) -> Iterator[None]:
    """Hold this instance's lock: a second stack in one folder would take the first one apart."""
    with (var_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackFailed(f"another callctl runs in {var_dir}: stop it first") from None
        yield
