"""Makes a call again of a live call's row, to go on with it: who talks, who waits in a queue.

Channels, bridge and timers outlived the run of the switch that had the call. Used by recovery.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from callctl.ari import models
from callctl.ari.client import AriClient
from callctl.calls import Call, CallClock, Leg
from callctl.cdr import Direction, Record, Stage
from callctl.charging import Biller, Resumed, read_resumed
from callctl.charging.abandoned import settle_abandoned
from callctl.db.pool import Database
from callctl.directory.models import Did
from callctl.exchange.witness import Witness
from callctl.flows import memory
from callctl.flows.desk import Desk
from callctl.values.phone_number import PhoneNumber

Register = Callable[[str, Call, Leg], None]


@dataclass(frozen=True, slots=True)
class Adopted:
    """A call that goes on; `legs` are those that live or talked."""

    call: Call
    record: Record
    resumed: Resumed


@dataclass(frozen=True, slots=True)
class Adopter:
    """Adopts calls; `alive` are Asterisk's channels by id, `witness` knows when others ended."""

    ari: AriClient
    database: Database
    desk: Desk
    register: Register
    alive: Mapping[str, models.Channel]
    witness: Witness

    async def adopt(self, row: Any) -> Adopted | None:
        """The call of a live row; None when it can't go on: stage, money, number, all gone."""
        did = self.desk.directory().dids.get(row["did"])
        remembered = row["memory"]
        if did is None or remembered is None or row["stage"] not in memory.LASTING:
            return None
        clock = CallClock.recalled(remembered["clock"], self.ari.clock)
        legs = memory.recall_legs(remembered, clock)
        if not all(self._is_known(leg) for leg in legs if leg.destroyed_at is None):
            return None
        call = self._call(row, legs, clock)
        for leg in legs:
            self._see(leg, clock)
        talking = {str(leg.leg_id) for leg in call.parties}
        own = [one for one in row["charges"] if one["leg_id"] in talking]
        for other in row["charges"]:  # of a line that was being rung; it never talked
            if other["leg_id"] not in talking:
                await settle_abandoned(self.database, self.desk.teller, other, None)
        bound = Biller(self.desk.limits, did, row["setup_at"]).seconds_max
        resumed = await read_resumed(self.database, self.desk.teller, own, row["counts"], bound)
        if resumed is None:
            return None
        return Adopted(call, self._record(row, did, call), resumed)

    def _call(self, row: Any, legs: list[Leg], clock: CallClock) -> Call:
        a_leg, *others = legs
        call = Call(
            call_id=row["call_id"],
            a_leg=a_leg,
            dialled=PhoneNumber.parse(row["did"]),
            caller=PhoneNumber.parse(row["caller"]),
            ari=self.ari,
            register=self.register,
        )
        call.legs += others
        call.clock = clock
        call.is_charged_from_answer = row["memory"]["is_menu"]
        call.is_callback = row["direction"] == Direction.CALLBACK
        call.take_up_bridge()
        return call

    def _is_known(self, leg: Leg) -> bool:
        """Whether the leg lives, or it is known when it ended: else nothing later is proven."""
        return leg.channel_id in self.alive or self.witness.hung_up_at(leg.channel_id) is not None

    def _see(self, leg: Leg, clock: CallClock) -> None:
        """A leg that Asterisk has no more ended meanwhile: when, its own record tells."""
        ended_at = self.witness.hung_up_at(leg.channel_id)
        if leg.channel_id not in self.alive and leg.destroyed_at is None and ended_at is not None:
            leg.lose(clock.moment(ended_at, self.ari.clock).at)

    def _record(self, row: Any, did: Did, call: Call) -> Record:
        record = Record(
            revision_id=row["revision_id"],
            did=did,
            area=self.desk.area_of(call.caller),
            direction=Direction(row["direction"] or Direction.INBOUND),
            stage=Stage(row["stage"]),
            group_name=row["group_name"],
        )
        memory.recall_record(row["memory"], record)
        record.note("recovery", matched=True, why="the switch was started again meanwhile")
        return record
