"""Makes a call again of a live call's row, to go on with it: of everybody who was answered.

Channels, bridge and timers outlived the run of the switch that had the call. Used by recovery.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from callctl.ari import models
from callctl.ari.client import AriClient
from callctl.calls import Call, CallClock, Leg
from callctl.cdr import Direction, Record, Stage
from callctl.charging import Biller, Resumed, resumed
from callctl.directory.models import Did
from callctl.exchange.witness import Witness
from callctl.flows import memory
from callctl.flows.desk import Desk
from callctl.values.ids import is_leg_channel
from callctl.values.phone_number import PhoneNumber

_JOINED = frozenset({Stage.QUEUED, Stage.TALKING})
Register = Callable[[str, Call, Leg], None]


@dataclass(frozen=True, slots=True)
class Adopted:
    """A call that goes on. `others` are the charges of lines that were rung and never talked."""

    call: Call
    record: Record
    resumed: Resumed
    others: list[Any]


@dataclass(frozen=True, slots=True)
class Adopter:
    """Adopts calls without asking anybody: all that it takes to know was read before, for all.

    `alive` are Asterisk's channels by id, `bridged` those that are in a bridge, `witness` knows
    when others ended, `held` is what read_held has found of their money.
    """

    ari: AriClient
    desk: Desk
    register: Register
    alive: Mapping[str, models.Channel]
    bridged: frozenset[str]
    witness: Witness
    held: Mapping[uuid.UUID, Any]
    _by_call: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find out which channels were made for which call: their Stasis() says so."""
        for channel in self.alive.values():
            call_id = channel.dialplan.app_data.rpartition(",")[2]
            self._by_call.setdefault(call_id, []).append(channel.id)

    def channels_of(self, call_id: uuid.UUID) -> list[str]:
        """The channels that live and were made for the call."""
        return self._by_call.get(str(call_id), [])

    def held_of(self, charge: Mapping[str, Any]) -> Any:
        """What the ledger has of the reservation of a charge; None when it has none."""
        return self.held.get(uuid.UUID(charge["reservation_id"]))

    def adopt(self, row: Any) -> Adopted | None:
        """The call of a live row; None when it can't go on: unanswered, or number or money gone."""
        did = self.desk.directory().dids.get(row["did"])
        remembered = row["memory"]
        if did is None or remembered is None:
            return None
        clock = CallClock.recalled(remembered["clock"], self.ari.clock)
        legs = memory.recall_legs(remembered, clock)
        if not all(self._is_known(leg) for leg in legs if leg.destroyed_at is None):
            return None
        legs += self._untold_lines(row, legs, clock)
        for leg in legs:
            self._see(leg, clock)
        call = self._call(row, legs, clock)
        self._take(call, did)
        if not self._goes_on(row, call):
            return None
        talking = {str(leg.leg_id) for leg in call.parties}
        own = [one for one in row["charges"] if one["leg_id"] in talking]
        bound = Biller(self.desk.limits, did, row["setup_at"]).seconds_max
        money = resumed(own, row["counts"], bound, self.held)
        if money is None:
            return None
        others = [one for one in row["charges"] if one["leg_id"] not in talking]
        return Adopted(call, self._record(row, did, call), money, others)

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
        call.bridge.take_up(leg for leg in legs if leg.channel_id in self.bridged)
        call.prompts.inherit()
        return call

    def _goes_on(self, row: Any, call: Call) -> bool:
        """Whether the call may be taken up: an answered caller is there, or it is known till when.

        Not a callback whose caller still rings.
        """
        if row["stage"] in _JOINED:
            return True
        is_talk = call.b_leg is not None
        is_answered = call.a_leg.answered_at is not None and (is_talk or not call.is_callback)
        return is_answered and not call.is_over(call.b_leg or call.a_leg)

    def _take(self, call: Call, did: Did) -> None:
        """Find the line that took the call, if the row was not told any more; or that none did.

        A line takes a call by its answer, or when it is put into the bridge with the caller; who
        was not answered before is answered by it.
        """
        if call.a_leg.answered_at is None or call.b_leg is not None or call.is_callback:
            return
        is_by_line = not call.is_charged_from_answer
        answered = [
            leg for leg in call.legs[1:] if leg.answered_at and leg.channel_id in self.alive
        ]
        for leg in sorted(answered, key=lambda one: not call.bridge.has(one)):
            line = did.answering.lines.get(leg.line or "")
            is_told = line is not None and not line.is_taken_by_answer
            if is_by_line or call.bridge.has(leg) or not is_told:
                leg.is_taken = True
                if is_told:
                    leg.taken_at = call.a_leg.answered_at if is_by_line else call.clock.now()
                return
        call.is_charged_from_answer = True

    def _is_known(self, leg: Leg) -> bool:
        """Whether the leg lives, or it is known when it ended: else nothing later is proven."""
        return leg.channel_id in self.alive or self.witness.hung_up_at(leg.channel_id) is not None

    def _untold_lines(self, row: Any, legs: list[Leg], clock: CallClock) -> list[Leg]:
        """The legs of lines that rang, or answered, and of which the row was not told any more."""
        known = {leg.channel_id for leg in legs}
        lived, lines = self.channels_of(row["call_id"]), row["memory"].get("attempts", {})
        answered = self.witness.answered_with(row["a_channel_id"])
        return [
            Leg(
                leg_id=uuid.UUID(one[1:]),
                channel_id=one,
                side="b",
                number="",
                line=lines.get(str(uuid.UUID(one[1:])), row["line"]),
                setup_at=self.witness.answered_at(one) or clock.now(),
                is_in_stasis=True,
                is_rung=True,
            )
            for one in sorted({*lived, *answered} - known)
            if is_leg_channel(one)
        ]

    def _see(self, leg: Leg, clock: CallClock) -> None:
        """What no event told: Asterisk's own record tells of an answer, and of the end.

        A leg that Asterisk has no more ended meanwhile.
        """
        answered_at = self.witness.answered_at(leg.channel_id)
        if answered_at is not None:
            leg.answer(clock.moment(answered_at, self.ari.clock))
        ended_at = self.witness.hung_up_at(leg.channel_id) or answered_at
        if leg.channel_id not in self.alive and leg.destroyed_at is None and ended_at is not None:
            cause = self.witness.cause(leg.channel_id)
            leg.lose(clock.moment(ended_at, self.ari.clock).at, cause)

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
