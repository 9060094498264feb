"""Takes up or ends what an earlier run of the switch left behind: calls, their money, their rows.

Run by app at the first connect to Asterisk, before this run's calls are many. Who talks goes on
talking, who waits in a queue goes on waiting. Other calls are hung up. What is gone is charged as
far as it is proven: to where Asterisk's own record says it ended, else to what was posted.
"""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from callctl import clock
from callctl.ari.client import AriClient
from callctl.cdr import Cdr, CdrLeg, Direction, LegPrice, Stage
from callctl.charging import Role
from callctl.charging.abandoned import (
    Settled,
    release_count,
    release_unclaimed,
    settle_abandoned,
)
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.exchange.adoption import Adopter
from callctl.exchange.exchange import Exchange
from callctl.exchange.witness import Witness
from callctl.flows import memory
from callctl.flows.desk import Desk
from callctl.values.hangup import Disposition, HangupCause
from callctl.values.ids import bridge_id, derived_id

_ROW_SECONDS_MAX = 30.0  # from a reservation to its live call's row
_WHOLESALE = frozenset({Role.RESELLER, Role.CARRIER})
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
        self._rows = list(abandoned.calls)
        self._unclaimed = list(abandoned.reservations)

    async def run(self) -> None:
        """Take up or end each; one that can't be ended is logged and tried at the next start."""
        unclaimed, self._unclaimed = self._unclaimed, []
        await release_unclaimed(self._desk.teller, unclaimed)
        rows, self._rows = self._rows, []
        if not rows:
            return
        alive = {channel.id: channel for channel in await self._ari.channels.list()}
        ids = [one for row in rows for one in _channel_ids(row) if one not in alive]
        witness = await asyncio.to_thread(Witness.read, self._legs_path, ids)
        adopter = Adopter(
            *(self._ari, self._database, self._desk, self._exchange.register, alive, witness)
        )
        for row in sorted(rows, key=lambda row: row["setup_at"]):
            try:
                if not await self._adopt(row, adopter):
                    await self._end(row, adopter)
            except Exception:  # noqa: BLE001 - one bad row must not keep the switch from its calls
                _log.exception("call_not_recovered", call_id=str(row["call_id"]))

    async def _adopt(self, row: Any, adopter: Adopter) -> bool:
        """Go on with the call; False when that can't be."""
        adopted = await adopter.adopt(row)
        if adopted is None:
            return False
        await self._hang_up_strangers(row, adopter, adopted.call.channel_ids)
        self._exchange.adopt(adopted.call, adopted.record, adopted.resumed)
        _log.warning("call_adopted", call_id=str(row["call_id"]), stage=row["stage"])
        return True

    async def _hang_up_strangers(self, row: Any, adopter: Adopter, known: Sequence[str]) -> None:
        """End what was made for the call and does not talk: lines that rang, whispers."""
        for channel in adopter.alive.values():
            is_ours = str(row["call_id"]) in channel.dialplan.app_data
            if is_ours and channel.id not in known and channel.id != row["a_channel_id"]:
                await self._ari.channels.hangup(channel.id)

    async def _end(self, row: Any, adopter: Adopter) -> None:
        ours = [one for one in _channel_ids(row) if one in adopter.alive]
        for channel_id in ours:
            await self._ari.channels.hangup(channel_id, reason_code=HangupCause.TEMPORARY_FAILURE)
        await self._hang_up_strangers(row, adopter, ours)
        await self._ari.bridges.destroy(bridge_id(row["call_id"]))
        await self._desk.lines.release_seats([row["call_id"]])
        if row["stage"] == Stage.QUEUED:  # else he may be promised a callback, and keeps it
            await self._desk.queues.release_places([row["call_id"]])
        ended_at = clock.now()
        proven = _proven_end(row, adopter, ended_at)
        teller, settled = self._desk.teller, []
        for charge in row["charges"]:
            paid = await settle_abandoned(self._database, teller, charge, proven)
            settled.append((charge, paid))
        is_answered = any(paid.talk_ms for _, paid in settled)
        for count in row["counts"]:
            await release_count(teller, count, is_answered=is_answered)
        await self._desk.journal.write(_cdr(row, ended_at, settled))
        _log.warning("call_recovered", call_id=str(row["call_id"]), was_alive=bool(ours))


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


def _cdr(row: Any, ended_at: datetime, settled: Sequence[tuple[dict[str, Any], Settled]]) -> Cdr:
    talked = row["answered_at"] is not None
    why = "the switch had ended while the call lived; ended by the next one"
    retail = [_leg(row, *one, ended_at) for one in settled if one[0]["role"] == Role.TENANT]
    return Cdr(
        call_id=row["call_id"],
        did=row["did"],
        tenant=row["tenant"],
        caller=row["caller"],
        area_code="",
        area=row["area"],
        line=row["line"],
        disposition=str(Disposition.ANSWERED if talked else Disposition.LOST),
        hangup_cause=int(HangupCause.TEMPORARY_FAILURE),
        ended_by="recovery",
        setup_at=row["setup_at"],
        answered_at=row["answered_at"],
        ended_at=ended_at,
        ring_seconds=0.0,
        talk_seconds=float(max((leg.billed_seconds for leg in retail), default=0)),
        cost_micros=sum(leg.cost_micros for leg in retail),
        currency=None,
        sip_call_id="",
        revision_id=row["revision_id"],
        trace=[{"rule": "recovery", "matched": True, "why": why}],
        legs=[*retail, *_free_line(row, retail, ended_at)],
        charges=[_price(*one) for one in settled if one[0]["role"] in _WHOLESALE],
        stage=row["stage"],
        group_name=row["group_name"],
        direction=row["direction"] or Direction.INBOUND,
        parent_call_id=memory.parent_of(row["memory"]),
    )


def _leg(row: Any, charge: dict[str, Any], paid: Settled, ended_at: datetime) -> CdrLeg:
    leg_id = uuid.UUID(charge["leg_id"])
    is_a_leg = leg_id == derived_id(row["call_id"], "a")
    return CdrLeg(
        leg_id=leg_id,
        call_id=row["call_id"],
        side="a" if is_a_leg else "b",
        line=None if is_a_leg else row["line"],
        number=row["caller"] if is_a_leg else "",
        channel_id=(row["a_channel_id"] if is_a_leg else row["b_channel_id"]) or "",
        sip_call_id="",
        disposition=str(Disposition.ANSWERED if row["answered_at"] else Disposition.LOST),
        hangup_cause=int(HangupCause.TEMPORARY_FAILURE),
        setup_at=row["setup_at"],
        answered_at=row["answered_at"],
        ended_at=ended_at,
        ring_seconds=0.0,
        talk_seconds=float(paid.billed_seconds),
        **_price(charge, paid).leg_columns(),
    )


def _free_line(row: Any, charged: list[CdrLeg], ended_at: datetime) -> list[CdrLeg]:
    """The leg of the line that answered, when nobody paid for it; its id is its channel's."""
    channel_id = row["b_channel_id"]
    if channel_id is None or any(leg.side == "b" for leg in charged):
        return []
    return [
        CdrLeg(
            leg_id=uuid.UUID(channel_id[1:]),
            call_id=row["call_id"],
            side="b",
            line=row["line"],
            number="",
            channel_id=channel_id,
            sip_call_id="",
            disposition=str(Disposition.ANSWERED),
            hangup_cause=int(HangupCause.TEMPORARY_FAILURE),
            setup_at=row["setup_at"],
            answered_at=row["answered_at"],
            ended_at=ended_at,
            ring_seconds=0.0,
            talk_seconds=max((leg.talk_seconds for leg in charged), default=0.0),
        )
    ]


def _price(charge: dict[str, Any], paid: Settled) -> LegPrice:
    return LegPrice(
        leg_id=uuid.UUID(charge["leg_id"]),
        account=charge["account"],
        tariff=charge["tariff"],
        tariff_version=charge["tariff_version"],
        rate_id=charge["rate"]["id"],
        rate_prefix=charge["rate"]["prefix"],
        timezone=charge["timezone"],
        charged_from=_moment(charge["charged_from"]),
        charged_ms=paid.talk_ms,
        billed_seconds=paid.billed_seconds,
        cost_micros=paid.cost_micros,
        reservation_id=uuid.UUID(charge["reservation_id"]),
        is_wholesale=charge["role"] in _WHOLESALE,
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
