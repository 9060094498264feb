"""Takes up or ends what an earlier run of the switch left behind: calls, their money, their rows.

Run by app at the first connect to Asterisk, before this run's calls are many. Everybody who was
answered goes on: talking, waiting, or from where he was in the routing. Other calls are hung up.
What is gone is charged as far as it is proven: to where Asterisk's own record says it ended, else
to what was posted.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from callctl import clock
from callctl.ari.client import AriClient
from callctl.ari.models import Channel
from callctl.cdr import Stage
from callctl.charging import read_held
from callctl.charging.abandoned import (
    release_count,
    release_unclaimed,
    settle_abandoned,
)
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import DatabaseUnavailable
from callctl.exchange.adoption import Adopted, Adopter
from callctl.exchange.exchange import Exchange
from callctl.exchange.reconciling import is_of
from callctl.exchange.remains import Remains
from callctl.exchange.witness import LAST_BYTES, Witness
from callctl.flows.desk import Desk
from callctl.values.hangup import HangupCause
from callctl.values.ids import bridge_id

_RETRY_SECONDS = 1.0
_AT_ONCE_MAX = 64  # calls that are ended at a time
_ROW_SECONDS_MAX = 30.0  # from a reservation to its live call's row
_Rest = Callable[[], Awaitable[None]]  # ends what is left of a call, or all of it
_log = structlog.get_logger()


class Recovery:
    """The calls that were live when an earlier run ended; made before the first new call."""

    def __init__(
        self,
        ari: AriClient,
        database: Database,
        desk: Desk,
        exchange: Exchange,
        abandoned: "Abandoned",
        *,
        legs_path: Path | None,
    ) -> None:
        self._ari = ari
        self._database = database
        self._desk = desk
        self._exchange = exchange
        self._legs_path = legs_path
        self._rows = sorted(abandoned.calls, key=lambda row: row["setup_at"])
        self._unclaimed = list(abandoned.reservations)
        self._running = asyncio.Lock()  # a connect may come before an earlier one is done with
        self._at_once = asyncio.Semaphore(_AT_ONCE_MAX)

    async def run(self) -> None:
        """Take up or end each; one that can't be ended is logged and tried at the next start.

        Those who go on come first, all in one breath: their paid time runs. While PostgreSQL is
        away this waits for it. Raises AriError: to be called again at the next connect.
        """
        async with self._running:
            if self._rows or self._unclaimed:
                await _insist(self._recover)

    async def _recover(self) -> None:
        if self._rows:
            adopter = await self._adopter(self._rows)
            found = [(row, self._adopted(row, adopter)) for row in self._rows]
            await self._secure_seats(found)
            self._rows = []
            rests = [self._finish(row, self._go_on(row, one, adopter)) for row, one in found]
            await asyncio.gather(*rests)
        await release_unclaimed(self._desk.teller, self._unclaimed)
        self._unclaimed = []

    async def _secure_seats(self, found: Sequence[tuple[Any, Adopted | None]]) -> None:
        """Before anybody goes on: who talks has his line still, who does not has none.

        The lease of a seat may be over; and lines that rang are hung up before they ring anew.
        """
        talking = [row["call_id"] for row, one in found if one and one.call.b_leg is not None]
        waiting = [row["call_id"] for row, one in found if one and one.call.b_leg is None]
        if talking:
            await self._desk.lines.keep_seats(talking)
        if waiting:
            await self._desk.lines.release_seats(waiting)

    async def _adopter(self, rows: Sequence[Any]) -> Adopter:
        alive = _alive(await self._ari.channels.list(), rows)
        bridges = await self._ari.bridges.list()
        bridged = frozenset(chain.from_iterable(bridge.channels for bridge in bridges))
        witness, held = await asyncio.gather(
            asyncio.to_thread(self._witness, rows, alive),
            read_held(self._database, (one for row in rows for one in row["charges"])),
        )
        register = self._exchange.register
        return Adopter(self._ari, self._desk, register, alive, bridged, witness, held)

    def _witness(self, rows: Sequence[Any], alive: Mapping[str, Any]) -> Witness:
        """What Asterisk's record has of these calls; all of it is read if its end is not enough."""
        ids = {(one, row["call_id"]) for row in rows for one in _channel_ids(row)}
        witness = Witness.read(self._legs_path, ids, last_bytes=LAST_BYTES)
        if all(one in alive or witness.hung_up_at(one) is not None for one, _ in ids):
            return witness
        return Witness.read(self._legs_path, ids)

    def _adopted(self, row: Any, adopter: Adopter) -> Adopted | None:
        """The call, if it can go on."""
        with _logged(row):
            return adopter.adopt(row)
        return None

    def _go_on(self, row: Any, adopted: Adopted | None, adopter: Adopter) -> _Rest:
        """Go on with the call, if it can; the rest is to be ended."""
        if adopted is None:
            return partial(self._end, row, adopter)
        self._exchange.adopt(adopted.call, adopted.record, adopted.resumed)
        _log.warning("call_adopted", call_id=str(row["call_id"]), stage=row["stage"])
        return partial(self._end_others, row, adopter, adopted)

    async def _finish(self, row: Any, rest: _Rest) -> None:
        async with self._at_once:
            with _logged(row):
                await _insist(rest)

    async def _end_others(self, row: Any, adopter: Adopter, adopted: Adopted) -> None:
        """Of a call that goes on, the lines that rang, and the place of who waits no more."""
        if row["stage"] == Stage.QUEUED and adopted.call.b_leg is not None:
            await self._desk.queues.release_places([row["call_id"]])
        talking = [leg.channel_id for leg in adopted.call.parties]
        await self._hang_up_strangers(row, adopter, talking)
        for charge in adopted.others:
            await settle_abandoned(self._desk.teller, charge, adopter.held_of(charge), None)

    async def _hang_up_strangers(self, row: Any, adopter: Adopter, known: Sequence[str]) -> None:
        """End what was made for the call and does not talk: lines that rang, whispers."""
        for channel_id in adopter.channels_of(row["call_id"]):
            if channel_id not in known and channel_id != row["a_channel_id"]:
                await self._ari.channels.hangup(channel_id)

    async def _end(self, row: Any, adopter: Adopter) -> None:
        ours = [one for one in _channel_ids(row) if one in adopter.alive]
        for channel_id in ours:  # SIP 503 to who was not answered: others may serve him
            await self._ari.channels.hangup(channel_id, reason_code=HangupCause.SWITCH_CONGESTION)
        await self._hang_up_strangers(row, adopter, ours)
        await self._ari.bridges.destroy(bridge_id(row["call_id"]))
        await self._desk.lines.release_seats([row["call_id"]])
        plain = await queries.find_plain_places(self._database, calls=[row["call_id"]])
        if plain:  # who was promised a callback keeps his place
            await self._desk.queues.release_places([row["call_id"]])
        lived = frozenset([*ours, *adopter.channels_of(row["call_id"])])
        remains = Remains(row, adopter.witness, lived, clock.now())
        proven = _proven_end(row, adopter, remains.ended_at)
        teller, settled = self._desk.teller, []
        for charge in map(remains.begun, row["charges"]):
            paid = await settle_abandoned(teller, charge, adopter.held_of(charge), proven)
            settled.append((charge, paid))
        is_answered = any(paid.talk_ms for _, paid in settled)
        for count in row["counts"]:
            await release_count(teller, count, is_answered=is_answered)
        await self._desk.journal.write(remains.cdr(settled))
        _log.warning("call_recovered", call_id=str(row["call_id"]), was_alive=bool(ours))


async def _insist(work: _Rest) -> None:
    """Do it, again and again while PostgreSQL is away."""
    while True:
        try:
            return await work()
        except DatabaseUnavailable as error:
            _log.warning("recovery_waits", error=str(error))
            await clock.sleep(_RETRY_SECONDS)


@contextmanager
def _logged(row: Any) -> Iterator[None]:
    """One bad row must not keep the switch from its calls."""
    try:
        yield
    except Exception:  # noqa: BLE001 - whatever it is, the others go on
        _log.exception("call_not_recovered", call_id=str(row["call_id"]))


def _alive(channels: Sequence[Channel], rows: Sequence[Any]) -> dict[str, Channel]:
    """The channels by id, but for those of later calls that have the ids of these calls'."""
    calls = defaultdict[str, list[UUID]](list)
    for row in rows:
        for one in _channel_ids(row):
            calls[one].append(row["call_id"])
    return {
        channel.id: channel
        for channel in channels
        if channel.id not in calls or any(is_of(channel, one) for one in calls[channel.id])
    }


def _channel_ids(row: Any) -> list[str]:
    return [one for one in (row["a_channel_id"], row["b_channel_id"]) if one is not None]


def _proven_end(row: Any, adopter: Adopter, now: datetime) -> datetime | None:
    """Until when the call is known to have gone on: now, while all its channels live."""
    dead = [one for one in _channel_ids(row) if one not in adopter.alive]
    ends = [end for one in dead if (end := adopter.witness.hung_up_at(one)) is not None]
    if len(ends) < len(dead):
        return None
    return min(ends, default=now)


class Abandoned(NamedTuple):
    """What nobody looks after any more: rows of live calls, and reservations without one."""

    calls: list[Any]
    reservations: list[Any]


async def read_abandoned(database: Database, asterisk: str | None) -> Abandoned:
    """What an earlier run of the switch of this Asterisk left; read before the first call."""
    return Abandoned(
        calls=await queries.read_abandoned_calls(database, asterisk=asterisk),
        reservations=await queries.read_unclaimed_reservations(
            database, asterisk=asterisk, row_seconds_max=_ROW_SECONDS_MAX
        ),
    )
