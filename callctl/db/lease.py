"""The lease of an Asterisk: one switch owns it at a time; made by app.

Every write of money and calls carries the owner's epoch, and PostgreSQL refuses a stale one. While
PostgreSQL is away nobody can take the lease, so its owner goes on with what it holds. No wall clock
is asked: who stands by sees the owner's beats, and takes the lease when they stop for too long by
its own monotonic clock.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from callctl import clock
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import DatabaseUnavailable, Superseded

LEASE_SECONDS = 3.0
"""So long must an owner be silent before another takes over."""
_RENEW_SECONDS = 1.0
_SILENCE_SECONDS_MAX = 2.5  # then PostgreSQL is away: new calls are told so at once
_LOOK_SECONDS = 0.25  # how often one who waits asks whether it is free
_BLIND_SECONDS_MAX = 1.0  # between two answers: longer, and the owner could not renew either
_NOBODY = ""  # holds what was given back
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may write for an Asterisk."""

    asterisk: str
    epoch: int


class Lease:
    """One switch's hold on the Asterisk of this name."""

    def __init__(self, database: Database, asterisk: str) -> None:
        self._database = database
        self._asterisk = asterisk
        self._holder = holder_of(os.getpid())
        self._answered_at = 0.0  # on clock.monotonic(), as all times here
        self._is_failing = True  # the latest question was not answered
        self._sign: tuple[int, int] | None = None  # epoch and beat that are seen by who waits
        self._sign_since = 0.0

    def is_answered(self) -> bool:
        """Whether PostgreSQL has answered lately: each second it is asked, while we run."""
        silent_seconds = clock.monotonic() - self._answered_at  # of ours too, if we were stopped
        return not self._is_failing or silent_seconds < _SILENCE_SECONDS_MAX

    async def acquire(self, on_wait: Callable[[], None]) -> Owner:
        """Wait, as long as it takes, until the lease is ours; `on_wait` is told when it is not."""
        is_told = False
        while True:
            try:
                epoch = await self._take()
            except DatabaseUnavailable as error:
                self._is_failing = True
                _log.warning("lease_unanswered", error=str(error))
                epoch = None
            if epoch is not None:
                _log.info("lease_taken", asterisk=self._asterisk, epoch=epoch)
                return Owner(self._asterisk, epoch)
            if not is_told:
                is_told = True
                _log.info("standing_by", asterisk=self._asterisk)
                on_wait()
            await clock.sleep(_LOOK_SECONDS)

    async def keep(self, owner: Owner) -> None:
        """Renew until cancelled; raises Superseded when another switch has taken it."""
        while True:
            try:
                async with asyncio.timeout(_RENEW_SECONDS):
                    epoch = await queries.renew_lease(
                        self._database,
                        asterisk=owner.asterisk,
                        epoch=owner.epoch,
                    )
            except (DatabaseUnavailable, TimeoutError) as error:
                self._is_failing = True
                _log.warning("lease_not_renewed", error=str(error))
            else:
                if epoch is None:
                    raise Superseded
                self._answered_at, self._is_failing = clock.monotonic(), False
            await clock.sleep(_RENEW_SECONDS)

    async def release(self, owner: Owner) -> None:
        """Let the next one have it at once."""
        try:
            await queries.release_lease(self._database, asterisk=owner.asterisk, epoch=owner.epoch)
        except DatabaseUnavailable as error:
            _log.warning("lease_not_released", error=str(error))  # we are silent from now on

    async def _take(self) -> int | None:
        row = await queries.read_lease(self._database, asterisk=self._asterisk)
        asked_before, self._answered_at = self._answered_at, clock.monotonic()
        self._is_failing = False
        if row is not None:
            sign = (row["epoch"], row["beat"])
            if sign != self._sign or self._answered_at - asked_before > _BLIND_SECONDS_MAX:
                self._sign, self._sign_since = sign, self._answered_at
            if not self._is_free(row["holder"]):
                return None
        epoch: int | None = await queries.take_lease(
            self._database,
            asterisk=self._asterisk,
            holder=self._holder,
            epoch=row and row["epoch"],
            beat=row and row["beat"],
        )
        return epoch

    def _is_free(self, holder: str) -> bool:
        """Whether it was given back, or its holder is dead, or has been silent for so long."""
        if holder == _NOBODY or is_dead(holder):
            return True
        return self._answered_at - self._sign_since >= LEASE_SECONDS


def holder_of(process_id: int) -> str:
    """A process's name among all of all machines: host, boot, process, when it was started."""
    return f"{_machine()} {process_id} {_started(process_id)}"


def is_dead(holder: str) -> bool:
    """Whether that process was one of this machine and runs no more; of others nothing is known."""
    machine, _, process = holder.rpartition(" ")[0].rpartition(" ")
    if machine != _machine() or not process.isdecimal():
        return False
    return holder != f"{machine} {process} {_started(int(process))}"


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = Path("/proc/self/ns/pid").stat().st_ino  # a process id means something in it only
    return f"{socket.gethostname()} {boot} {namespace}"


def _started(process_id: int) -> str:
    """When the process was started, in ticks since the boot; "gone" when there is none."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "gone"
    fields = text.rpartition(")")[2].split()
    return "gone" if fields[0] in {"Z", "X"} else fields[19]
