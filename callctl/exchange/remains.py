"""The CDR of a call whose switch was gone when it ended; made by recovery of its row.

What the row was not told any more Asterisk's own record tells: who had answered, and when.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from callctl.cdr import Cdr, CdrLeg, Direction, LegPrice
from callctl.charging import Role
from callctl.charging.abandoned import Settled
from callctl.exchange.witness import Witness
from callctl.flows import memory
from callctl.values.hangup import Disposition, HangupCause
from callctl.values.ids import channel_id, derived_id

_WHOLESALE = frozenset({Role.RESELLER, Role.CARRIER})
_WHY = "the switch had ended while the call lived; ended by the next one"

Charge = Mapping[str, Any]  # one of a live call's `charges`


@dataclass(frozen=True, slots=True)
class Remains:
    """A live call's row, the witness, and which of its channels lived until `ended_at`."""

    row: Any
    witness: Witness
    alive: frozenset[str]
    ended_at: datetime

    def begun(self, charge: Charge) -> dict[str, Any]:
        """The charge; the caller's leg is charged from its answer, if no more is known of it."""
        answered_at = self._answered_at(self.row["a_channel_id"])
        is_a_leg = charge["leg_id"] == str(self._a_leg_id)
        if charge["charged_from"] is None and is_a_leg and answered_at is not None:
            return {**charge, "charged_from": answered_at.isoformat()}
        return dict(charge)

    def cdr(self, settled: Sequence[tuple[Charge, Settled]]) -> Cdr:
        """The CDR, with what came of each charge."""
        row = self.row
        talked = row["answered_at"] is not None
        retail = [self._charged(*one) for one in settled if one[0]["role"] == Role.TENANT]
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
            ended_at=self.ended_at,
            ring_seconds=0.0,
            talk_seconds=float(max((leg.billed_seconds for leg in retail), default=0)),
            cost_micros=sum(leg.cost_micros for leg in retail),
            currency=None,
            sip_call_id=memory.sip_call_id_of(row["memory"], row["a_channel_id"]),
            revision_id=row["revision_id"],
            trace=[{"rule": "recovery", "matched": True, "why": _WHY}],
            legs=[*retail, *self._free_lines(retail)],
            charges=[_price(*one) for one in settled if one[0]["role"] in _WHOLESALE],
            stage=row["stage"],
            group_name=row["group_name"],
            direction=row["direction"] or Direction.INBOUND,
            parent_call_id=memory.parent_of(row["memory"]),
        )

    @property
    def _a_leg_id(self) -> uuid.UUID:
        return derived_id(self.row["call_id"], "a")

    def _charged(self, charge: Charge, paid: Settled) -> CdrLeg:
        leg_id = uuid.UUID(charge["leg_id"])
        is_a_leg = leg_id == self._a_leg_id
        channel = self.row["a_channel_id"] if is_a_leg else channel_id(leg_id)
        return self._leg(leg_id, channel, paid.billed_seconds, _price(charge, paid).leg_columns())

    def _free_lines(self, charged: list[CdrLeg]) -> list[CdrLeg]:
        """The lines that answered and that nobody paid for; a line's channel is named after it."""
        found = {self.row["b_channel_id"], *self.witness.answered_with(self.row["a_channel_id"])}
        known = {None, self.row["a_channel_id"], *(leg.channel_id for leg in charged)}
        billed = max((leg.billed_seconds for leg in charged), default=0)
        return [self._leg(uuid.UUID(one[1:]), one, billed, {}) for one in sorted(found - known)]

    def _leg(
        self, leg_id: uuid.UUID, channel: str, billed_seconds: int, price: Mapping[str, Any]
    ) -> CdrLeg:
        row, is_a_leg = self.row, leg_id == self._a_leg_id
        answered_at = self._answered_at(channel)
        ended_at = self.witness.hung_up_at(channel) or self.ended_at
        if channel not in self.alive and self.witness.hung_up_at(channel) is None and answered_at:
            ended_at = answered_at + timedelta(seconds=billed_seconds)  # no more is proven
        talk = (ended_at - answered_at).total_seconds() if answered_at else 0.0
        return CdrLeg(
            leg_id=leg_id,
            call_id=row["call_id"],
            side="a" if is_a_leg else "b",
            line=None if is_a_leg else row["line"],
            number=row["caller"] if is_a_leg else "",
            channel_id=channel,
            sip_call_id=memory.sip_call_id_of(row["memory"], channel),
            disposition=str(Disposition.ANSWERED if answered_at else Disposition.LOST),
            hangup_cause=self.witness.cause(channel) or int(HangupCause.TEMPORARY_FAILURE),
            setup_at=row["setup_at"],
            answered_at=answered_at,
            ended_at=ended_at,
            ring_seconds=0.0,
            talk_seconds=max(0.0, round(talk, 3)),
            **price,
        )

    def _answered_at(self, channel: str) -> datetime | None:
        at = self.witness.answered_at(channel)
        if at is None and channel == self.row["a_channel_id"]:
            at = self.row["begun_at"]
        if at is None and channel == self.row["b_channel_id"]:
            at = self.row["answered_at"]
        return at


def _price(charge: Charge, paid: Settled) -> LegPrice:
    began_at = charge["charged_from"]
    return LegPrice(
        leg_id=uuid.UUID(charge["leg_id"]),
        account=charge["account"],
        tariff=charge["tariff"],
        tariff_version=charge["tariff_version"],
        rate_id=charge["rate"]["id"],
        rate_prefix=charge["rate"]["prefix"],
        timezone=charge["timezone"],
        charged_from=None if began_at is None else datetime.fromisoformat(began_at),
        charged_ms=paid.talk_ms,
        billed_seconds=paid.billed_seconds,
        cost_micros=paid.cost_micros,
        reservation_id=uuid.UUID(charge["reservation_id"]),
        is_wholesale=charge["role"] in _WHOLESALE,
    )
