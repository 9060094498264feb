"""Ends what an earlier run of the switch left behind: its calls, their money, their rows.

Run by app at the first connect to Asterisk, before this run's calls are many. What still talks is
hung up and charged to this moment; what is gone is charged as far as it was proven.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from callctl import clock
from callctl.ari.client import AriClient
from callctl.cdr import Cdr, CdrLeg
from callctl.charging import settle_abandoned
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.flows.desk import Desk
from callctl.values.hangup import Disposition, HangupCause
from callctl.values.ids import bridge_id, derived_id

_log = structlog.get_logger()


class Recovery:
    """The calls that were live when an earlier run ended; made before the first new call."""

    def __init__(self, ari: AriClient, database: Database, desk: Desk, rows: Sequence[Any]) -> None:
        self._ari = ari
        self._database = database
        self._desk = desk
        self._rows = list(rows)

    async def run(self) -> None:
        """End each call; one that can't be ended now is logged and tried at the next start."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        alive = {channel.id for channel in await self._ari.channels.list()}
        for row in rows:
            try:
                await self._end(row, alive)
            except Exception:  # noqa: BLE001 - one bad row must not keep the switch from its calls
                _log.exception("call_not_recovered", call_id=str(row["call_id"]))

    async def _end(self, row: Any, alive: set[str]) -> None:
        ours = [one for one in (row["a_channel_id"], row["b_channel_id"]) if one in alive]
        for channel_id in ours:
            await self._ari.channels.hangup(channel_id, reason_code=HangupCause.TEMPORARY_FAILURE)
        await self._ari.bridges.destroy(bridge_id(row["call_id"]))
        ended_at = clock.now()
        talk_times: dict[uuid.UUID, int] = {}
        if row["answered_at"] is not None and row["a_channel_id"] in alive:
            talk_ms = round((ended_at - row["answered_at"]).total_seconds() * 1000)
            talk_times = {uuid.UUID(charge["leg_id"]): talk_ms for charge in row["charges"]}
        legs = [
            _leg(
                row,
                charge,
                ended_at,
                await settle_abandoned(self._database, self._desk.teller, charge, talk_times),
            )
            for charge in row["charges"]
        ]
        await self._desk.journal.write(_cdr(row, ended_at, legs))
        _log.warning("call_recovered", call_id=str(row["call_id"]), was_alive=bool(ours))


async def abandoned_calls(database: Database) -> list[Any]:
    """The rows of calls that nobody runs any more; read before this run takes its first call."""
    rows: list[Any] = await queries.read_abandoned_calls(database)
    return rows


def _cdr(row: Any, ended_at: datetime, legs: list[CdrLeg]) -> Cdr:
    talked = row["answered_at"] is not None
    why = "the switch had ended while the call lived; ended by the next one"
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
        talk_seconds=float(max((leg.billed_seconds for leg in legs), default=0)),
        cost_micros=sum(leg.cost_micros for leg in legs),
        currency=None,
        sip_call_id="",
        revision_id=row["revision_id"],
        trace=[{"rule": "recovery", "matched": True, "why": why}],
        legs=legs,
    )


def _leg(row: Any, charge: dict[str, Any], ended_at: datetime, price: tuple[int, int]) -> CdrLeg:
    billed_seconds, cost_micros = price
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
        talk_seconds=float(billed_seconds),
        billed_seconds=billed_seconds,
        cost_micros=cost_micros,
        account=charge["account"],
        tariff=charge["tariff"],
        tariff_version=charge["tariff_version"],
        rate_prefix=charge["rate"]["prefix"],
        reservation_id=uuid.UUID(charge["reservation_id"]),
    )
