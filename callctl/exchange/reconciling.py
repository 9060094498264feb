"""Makes good what no event told: compares the calls with what Asterisk has.

`Inquiry` looks at legs of which an event is missing, for calls that wait for it in vain;
`Reconciler` at all of them, run by app at each connect and every 15 s. What ended unseen ended when
Asterisk's own record says, else when it was last known to be there: nothing later is proven, and
nobody is charged for it. No answer tells nothing.
"""

import asyncio
import re
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import structlog

from callctl import clock
from callctl.ari import models
from callctl.ari.client import AriClient
from callctl.calls import Call, Leg, Moment
from callctl.calls.releasing import end_cause
from callctl.errors import AriError, HungUp
from callctl.exchange.witness import LAST_BYTES, Witness
from callctl.values.hangup import HangupCause

if TYPE_CHECKING:
    from callctl.exchange.exchange import Exchange

_ROUND_SECONDS = 15.0
_ON_ITS_WAY_SECONDS = 1.0  # an event that comes so late is not lost
_RECORD_TRIES, _RECORD_RETRY_SECONDS = 3, 0.3  # Asterisk writes it a moment after the fact
_END_TRIES = 10  # or, with much to do, seconds after it; a leg that is gone can wait
_BRIDGE = re.compile(r"b[0-9a-f]{32}")  # as values.ids makes them
_log = structlog.get_logger()


class Seen(NamedTuple):
    """A leg, and its channel as Asterisk has it; None when it has none."""

    call: Call
    leg: Leg
    channel: models.Channel | None

    @property
    def is_untold(self) -> bool:
        """Whether that is something that no event has told."""
        if self.channel is None:
            return self.leg.destroyed_at is None or self.leg.is_answer_untold
        is_new = self.channel.dialplan.app_name == "Stasis" and not self.leg.is_in_stasis
        return is_new or self.is_answer_untold

    @property
    def is_answer_untold(self) -> bool:
        """Whether it is up, and no event has told since when."""
        is_up = self.channel is not None and self.channel.state == "Up"
        return is_up and self.leg.answered_at is None


@dataclass(slots=True)
class _Reading:
    """Of Asterisk's record: channels, each with its call's id, and what it has of them."""

    ids: set[tuple[str, UUID]]
    witness: Witness | None = None

    def is_at_odds_with(self, ids: Iterable[tuple[str, UUID]]) -> bool:
        """Whether a channel is of another call there: no witness tells anything of such."""
        calls = dict(self.ids)
        return any(calls.get(channel, call_id) != call_id for channel, call_id in ids)


class Inquiry:
    """Asks Asterisk, and reads its record at `legs_path`; made by the exchange for its calls."""

    def __init__(self, ari: AriClient, legs_path: Path | None) -> None:
        self._ari = ari
        self._legs_path = legs_path
        self._busy = asyncio.Lock()
        self._next: _Reading | None = None
        self.known_until = clock.monotonic()  # what ended before it is known to have ended

    async def ask(self, call: Call, leg: Leg) -> None:
        """Look at one leg, of which no event has come in time."""
        channel = None
        try:
            channel = _of(call, await self._ari.channels.get(leg.channel_id))
        except HungUp:
            pass
        except AriError as error:
            _log.warning("leg_not_seen", leg=leg.channel_id, error=str(error))
            return
        tries = _RECORD_TRIES if channel is not None else _END_TRIES
        await self.believe([Seen(call, leg, channel)], tries)

    async def believe(self, seen: Iterable[Seen], tries: int = _RECORD_TRIES) -> None:
        """Note what no event has told, and when it was."""
        untold = [one for one in seen if one.is_untold]
        if not untold:
            return
        witness = await self._witness(untold, tries)
        for call, leg, channel in [one for one in untold if one.is_untold]:
            answered = self._moment(call, witness.answered_at(leg.channel_id))
            if answered is not None:
                leg.answer(answered)
            if channel is not None:
                leg.see(channel, _now(call))
            elif leg.destroyed_at is None:
                end = self._moment(call, witness.hung_up_at(leg.channel_id)) or self.proven(call)
                leg.lose(end.at, witness.cause(leg.channel_id))
            _log.warning("event_missed", leg=leg.channel_id, is_gone=channel is None)
            call.wake()

    async def _witness(self, untold: Sequence[Seen], tries: int) -> Witness:
        gone = {one.leg.channel_id for one in untold if one.channel is None}
        up = {one.leg.channel_id for one in untold if one.is_answer_untold}
        ids = {(one.leg.channel_id, one.call.call_id) for one in untold}
        witness = Witness()
        for _ in range(tries if self._legs_path is not None else 0):
            if not any(one.is_untold for one in untold):  # its event has come after all
                break
            witness = await self._read(ids)
            if all(map(witness.hung_up_at, gone)) and all(map(witness.answered_at, up)):
                break
            await clock.sleep(_RECORD_RETRY_SECONDS)
        return witness

    async def _read(self, ids: set[tuple[str, UUID]]) -> Witness:
        """Read the record; who comes while it is read shares the next reading with others."""
        reading = self._next
        if reading is None or reading.is_at_odds_with(ids):
            reading = self._next = _Reading(set())
        reading.ids |= ids
        async with self._busy:
            if reading.witness is None:
                self._next = None if self._next is reading else self._next
                reading.witness = await asyncio.to_thread(
                    Witness.read, self._legs_path, reading.ids, last_bytes=LAST_BYTES
                )
        return reading.witness

    def _moment(self, call: Call, at: datetime | None) -> Moment | None:
        return None if at is None else call.clock.moment(at, self._ari.clock)

    def proven(self, call: Call) -> Moment:
        """Until when all is known of the call's legs."""
        return Moment(
            call.clock.now() - timedelta(seconds=clock.monotonic() - self.known_until),
            self.known_until,
        )


class Reconciler:
    """Compares all calls of an exchange with all channels and bridges of its Asterisk."""

    def __init__(self, ari: AriClient, exchange: "Exchange") -> None:
        self._ari = ari
        self._exchange = exchange
        self._busy = asyncio.Lock()
        self._is_begun = False
        self._is_first = True  # what is strange is an earlier run's, which recovery did not know

    async def run(self) -> None:
        """Compare every 15 s, from the first `reconcile` on, until cancelled."""
        while True:
            await clock.sleep(_ROUND_SECONDS)
            if self._is_begun and self._ari.is_connected:
                try:
                    await self.reconcile()
                except AriError as error:
                    _log.warning("not_reconciled", error=str(error))

    async def reconcile(self, told_until: float = float("-inf")) -> None:
        """Make good what was missed. Raises AriError when Asterisk does not say what it has.

        Legs are taken for gone or answered as they are; a caller whom nobody has heard of is
        accepted, what belongs to no call is ended, what was hung up in vain is hung up again.
        All that came to pass before `told_until`, on clock.monotonic(), was told by events.
        """
        async with self._busy:
            self._is_begun = True
            inquiry, began = self._exchange.inquiry, clock.monotonic()
            inquiry.known_until = max(inquiry.known_until, told_until)
            known = [one for one in self._exchange.legs if one[1].is_in_stasis]
            bridges = await self._ari.bridges.list()
            channels = await self._ari.channels.list()
            alive = {channel.id: channel for channel in channels}
            seen = [Seen(call, leg, _of(call, alive.get(leg.channel_id))) for call, leg in known]
            strange = [one for one in channels if self._is_strange(one)]
            over = [one for one in strange if self._exchange.has_ended(_words(one), began)]
            await self._end_leftovers(seen, over)
            bridges = [one for one in bridges if not self._exchange.has(one.id)]
            if strange or any(one.is_untold for one in seen):
                await clock.sleep(_ON_ITS_WAY_SECONDS)
                await inquiry.believe(seen)
            inquiry.known_until = began
            await self._take_strays(strange, bridges)
            self._is_first = False

    def _is_strange(self, channel: models.Channel) -> bool:
        """Whether a channel in our application is of no call."""
        app, _, _ = channel.dialplan.app_data.partition(",")
        is_ours = channel.dialplan.app_name == "Stasis" and app == self._ari.app
        return is_ours and not self._exchange.has(channel.id)

    async def _end_leftovers(self, seen: Iterable[Seen], over: Iterable[models.Channel]) -> None:
        """All at once what is over and lives on, because it was hung up in vain."""
        left: dict[str, HangupCause] = {}
        if not self._exchange.is_draining:  # whose calls go on are over here
            left |= {one.id: _end_cause(one) for one in over}
        for call, leg, channel in seen:
            is_left = leg.is_released and leg.destroyed_at is None and channel is not None
            if is_left and not call.is_handed_over:
                left[leg.channel_id] = end_cause(call, leg)
        if left:
            _log.warning("channels_left_over", channels=list(left))
            hangup = self._ari.channels.hangup
            ends = (hangup(one, reason_code=cause) for one, cause in left.items())
            await asyncio.gather(*map(self._try, ends))

    async def _take_strays(
        self, channels: Iterable[models.Channel], bridges: Iterable[models.Bridge]
    ) -> None:
        exchange = self._exchange
        for channel in channels:
            if exchange.is_draining:  # whose calls go on are forgotten here
                return
            if not exchange.has(channel.id):
                await self._take_stray(channel)
        for bridge in bridges:
            if exchange.is_draining:
                return
            if _BRIDGE.fullmatch(bridge.id) and not exchange.has(bridge.id):
                await self._try(self._ari.bridges.destroy(bridge.id))

    async def _take_stray(self, channel: models.Channel) -> None:
        """A channel of ours that no call has: a caller who came unheard, or what a call left.

        One of an earlier run has no row, but may have had money held under the ids that it would
        have again: it is ended.
        """
        if self._is_first:
            _log.warning("channel_left_over", channel=channel.id)
            cause = HangupCause.SWITCH_CONGESTION
            await self._try(self._ari.channels.hangup(channel.id, reason_code=cause))
            return
        words = _words(channel)
        event = models.StasisStart(
            type="StasisStart",
            application=self._ari.app,
            timestamp=clock.now(),
            args=words,
            channel=channel,
        )
        if channel.state != "Up" and self._exchange.accept(event):
            _log.warning("caller_not_heard_of", channel=channel.id)
        elif not self._exchange.is_script(words) or self._exchange.has_ended(words):
            _log.warning("channel_left_over", channel=channel.id)
            cause = _end_cause(channel)
            await self._try(self._ari.channels.hangup(channel.id, reason_code=cause))

    async def _try(self, command: Awaitable[None]) -> None:
        try:
            await command
        except AriError as error:
            _log.warning("leftover_not_ended", error=str(error))  # the next round comes


def _end_cause(channel: models.Channel) -> HangupCause:
    """With what a channel of no call is hung up: SIP 503 for a caller who was not answered."""
    return HangupCause.NORMAL if channel.state == "Up" else HangupCause.SWITCH_CONGESTION


def _words(channel: models.Channel) -> list[str]:
    """The arguments of Stasis() that a channel in our application came with."""
    return channel.dialplan.app_data.split(",")[1:]


def is_of(channel: models.Channel, call_id: UUID) -> bool:
    """Whether a channel in our application is of this call, as Stasis() says.

    Another call may have the same channel id: Asterisk was restarted, and counts anew.
    """
    own = channel.dialplan.app_data.split(",")[2:]
    return own[:1] in ([], [str(call_id)])


def _of(call: Call, channel: models.Channel | None) -> models.Channel | None:
    if channel is None or channel.dialplan.app_name != "Stasis":
        return channel
    return channel if is_of(channel, call.call_id) else None


def _now(call: Call) -> Moment:
    return Moment(call.clock.now(), clock.monotonic())
