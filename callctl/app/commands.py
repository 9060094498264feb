"""Carries out what operators ask of this switch by `callctl drain` and `callctl hangup`.

Run by app.switch beside the calls. Commands come through PostgreSQL: callctl.db.commands.
"""

import asyncio
from collections.abc import Callable

import structlog

from callctl import clock
from callctl.db import commands
from callctl.db.commands import Command, Verb
from callctl.db.lease import Owner
from callctl.db.listen import Listener
from callctl.db.pool import Database
from callctl.errors import AriError, DatabaseError
from callctl.exchange import Exchange

_POLL_SECONDS = 10.0  # a notification may be lost
_COUNT_SECONDS = 0.5
_log = structlog.get_logger()


class Commands:
    """`on_drained` is called when no call is left, or those that are left go to the next run."""

    def __init__(
        self,
        database: Database,
        dsn: str,
        owner: Owner,
        exchange: Exchange,
        *,
        on_drained: Callable[[], None],
    ) -> None:
        self._database = database
        self._owner = owner
        self._exchange = exchange
        self._on_drained = on_drained
        self._news = asyncio.Event()
        self._listener = Listener(dsn, commands.CHANNEL, lambda _: self._news.set())
        self._draining: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Take commands until cancelled."""
        try:
            await asyncio.gather(self._listener.run(), self._take())
        finally:
            if self._draining is not None:
                self._draining.cancel()

    async def _take(self) -> None:
        while True:
            self._news.clear()
            try:
                while command := await commands.take(self._database, self._owner):
                    await self._carry_out(command)
            except DatabaseError as error:
                _log.warning("commands_not_taken", error=str(error))
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _carry_out(self, command: Command) -> None:
        _log.warning("command_taken", command=command.verb, call_id=str(command.call_id or ""))
        if command.verb is Verb.DRAIN:
            if self._draining is not None:  # the newer one says how long
                self._draining.cancel()
            self._exchange.close()
            self._draining = asyncio.create_task(self._drain(command), name="drain")
        elif command.call_id is not None:
            try:
                is_done = await self._exchange.hang_up(command.call_id)
                outcome = "hung up" if is_done else "not live"
            except AriError as error:
                outcome = str(error)
            await commands.note(self._database, command.id, outcome=outcome)

    async def _drain(self, command: Command) -> None:
        """Wait until no call is left, at most as long as wished; tell how many are."""
        within = command.within_seconds
        give_up_at = None if within is None else clock.monotonic() + within
        told: int | None = None
        while left := self._exchange.live_count:
            if give_up_at is not None and clock.monotonic() >= give_up_at:
                break
            if left != told:
                told = left
                await self._note(command, left, None)
            await clock.sleep(_COUNT_SECONDS)
        await self._note(command, left, f"calls handed over: {left}" if left else "drained")
        _log.warning("drained", calls_left=left)
        self._on_drained()

    async def _note(self, command: Command, left: int, outcome: str | None) -> None:
        try:
            await commands.note(self._database, command.id, calls_left=left, outcome=outcome)
        except DatabaseError as error:
            _log.warning("drain_not_noted", calls_left=left, error=str(error))
