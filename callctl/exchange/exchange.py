"""Accepts calls, sorts events to their legs, and ends every call with exactly one CDR."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from math import inf
from pathlib import Path

import structlog

from callctl import clock
from callctl.ari import models
from callctl.ari.client import AriClient
from callctl.calls import Call, CallerIdPresented, Leg
from callctl.cdr import Cdr, Record, Stage
from callctl.charging import Resumed
from callctl.errors import AriError, CallctlError, HandedOver, HungUp
from callctl.exchange.ending import build_cdr
from callctl.exchange.gate import Gate, is_refused
from callctl.exchange.reconciling import Inquiry
from callctl.flows import memory
from callctl.flows.desk import Desk
from callctl.flows.feature import feature
from callctl.flows.inbound import go_on, inbound
from callctl.values.hangup import HangupCause
from callctl.values.ids import bridge_id, derived_id
from callctl.values.phone_number import PhoneNumber

Script = Callable[[Call, Desk, Record], Awaitable[None]]
_SCRIPTS: dict[str, Script] = {"inbound": inbound, "feature": feature}  # by Stasis()'s first word
_LATE = timedelta(seconds=2)  # after which a new caller is refused: overload, or a stopped switch
_REFUSED = uuid.UUID("6f0c2f5e-2a0b-4d0e-9d0a-6d1f4c1f7a11")  # of callers by the dialplan
_ENDED_MAX = 20_000  # two minutes of 150 calls a second
_log = structlog.get_logger()


class Exchange:
    """All calls of this switch. `calls_max` bounds how many live at once.

    `on_ended` is told each call's CDR, and must return at once; `write_cdr` returns once it is
    durable, and raises nothing.
    """

    def __init__(
        self,
        ari: AriClient,
        desk: Desk,
        *,
        calls_max: int,
        on_ended: Callable[[Cdr], None] = lambda _: None,
        legs_path: Path | None = None,
        write_cdr: Callable[[Cdr], Awaitable[None]] | None = None,
    ) -> None:
        self._ari = ari
        self.inquiry = Inquiry(ari, legs_path)
        self._desk = desk
        self.gate = Gate(ari, calls_max)
        self._on_ended = on_ended
        self._write_cdr = write_cdr or desk.journal.write
        self._legs: dict[str, tuple[Call, Leg]] = {}  # by channel id
        self._bridges: dict[str, Call] = {}  # by bridge id
        self._records: dict[uuid.UUID, Record] = {}  # by call id
        self._ended: dict[str, float] = {}  # when calls ended, the latest last, by call id
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = self._is_draining = False
        self._is_superseded = False
        self.adopted_count = 0

    def on_event(self, event: models.Event) -> None:
        """Sort one event: to its leg's call, or, from a new caller, into a new call."""
        asterisk = self._ari.clock
        asterisk.hear(event.timestamp)
        channel = getattr(event, "channel", None)
        if channel is None:
            self._take_media(event)
            return
        known = self._legs.get(channel.id)
        if known is not None and _is_another_call(event, known[0]):
            call, leg = known  # of before: Asterisk was restarted and counts from the beginning
            leg.lose(self.inquiry.proven(call).at)
            call.wake()
            known = None
        if known is not None:
            call, leg = known
            leg.take(event, call.clock.moment(event.timestamp, asterisk))
            call.wake()
        elif isinstance(event, models.StasisStart):
            self.accept(event)
        elif is_refused(event):
            self.gate.refused(event)
            self._take_refused(event)

    def _take_media(self, event: models.Event) -> None:
        """A prompt or a recording, on a call's bridge or on a channel of ours, has ended."""
        match event:
            case models.PlaybackFinished():
                target = event.playback.target_uri
            case models.RecordingFinished() | models.RecordingFailed():
                target = event.recording.target_uri
            case _:
                return
        kind, _, name = target.partition(":")
        known = self._legs.get(name)
        call = self._bridges.get(name) if kind == "bridge" else known and known[0]
        if call is not None:
            call.take_end(event)
            call.wake()

    @property
    def legs(self) -> list[tuple[Call, Leg]]:
        """The legs of all calls, those that have ended included."""
        return list(self._legs.values())

    def is_script(self, words: Sequence[str]) -> bool:
        """Whether these arguments of Stasis() begin a call."""
        return words[:1] != [] and words[0] in _SCRIPTS

    def has_ended(self, words: Sequence[str], before: float = inf) -> bool:
        """Whether these arguments are of a call that had ended then, on clock.monotonic()."""
        return words[1:2] != [] and self._ended.get(words[1], inf) < before

    def accept(self, event: models.StasisStart) -> bool:
        """Begin the call of a new caller; False for a channel that is none."""
        if not self.is_script(event.args) or self.has_ended(event.args):
            return False
        self._accept(event, _SCRIPTS[event.args[0]])
        return True

    def close(self) -> None:
        """Take no more calls: they are refused at once (SIP 503). Those that live go on."""
        self._is_closed = True

    async def hang_up(self, call_id: uuid.UUID) -> bool:
        """End a call as its operator wishes; False when there is none. Raises AriError."""
        call, record = self._bridges.get(bridge_id(call_id)), self._records.get(call_id)
        if call is None or record is None:
            return False
        is_answered = call.a_leg.answered_at is not None
        cause = HangupCause.NORMAL if is_answered else HangupCause.TEMPORARY_FAILURE
        record.reason = "operator"
        await call.hang_up(call.a_leg, cause)
        return True

    def stages(self) -> Counter[Stage]:
        """How many calls live, by how far they have got."""
        return Counter(
            Stage.TALKING if call.b_leg is not None else self._records[call.call_id].stage
            for call in self._bridges.values()
        )

    @property
    def live_count(self) -> int:
        """How many calls live."""
        return len(self._tasks)

    async def drain(self, seconds: float, *, hands_over: bool = False) -> None:
        """Take no more calls, hang up those that live, and see them ended and settled.

        With `hands_over` those that were answered go on, for the next run of the switch.
        """
        self._is_draining = True
        for call in {id(call): call for call, _ in self._legs.values()}.values():
            record = self._records.get(call.call_id)
            if call.is_handed_over:  # another switch may have it already
                continue
            if hands_over and record is not None and memory.lasts(call, record):
                call.is_handed_over = True
                call.wake()
                continue
            call.is_drained = True
            with suppress(AriError, HungUp):
                await call.hang_up(call.a_leg, HangupCause.SWITCH_CONGESTION)  # SIP 503
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def let_go(self) -> None:
        """Another switch has the calls now: do nothing more for any of them."""
        self._is_draining = self._is_superseded = True
        for call in {id(call): call for call, _ in self._legs.values()}.values():
            call.is_handed_over = True
            call.wake()

    def adopt(self, call: Call, record: Record, resumed: Resumed) -> None:
        """Go on with a call that an earlier run of the switch had."""
        if self._is_draining:  # left for the run after this one
            return
        self.adopted_count += 1
        for leg in call.legs:
            if leg.destroyed_at is None:  # else its id may be another call's now
                self.register(leg.channel_id, call, leg)

        async def script(call: Call, desk: Desk, record: Record) -> None:
            await go_on(call, desk, record, resumed)

        self._start(call, record, script)

    def has(self, channel_or_bridge_id: str) -> bool:
        """Whether this is one of a live call's."""
        return channel_or_bridge_id in self._legs or channel_or_bridge_id in self._bridges

    @property
    def is_draining(self) -> bool:
        """Whether no more calls are taken."""
        return self._is_closed or self._is_draining

    async def begin(self, call: Call, record: Record, script: Script) -> None:
        """Run a call that begins with us, from its first leg to its CDR."""
        await asyncio.shield(self._start(call, record, script))

    def _accept(self, event: models.StasisStart, script: Script) -> None:
        """Make the call and start its task; the call id was made by the dialplan."""
        call, record = self._made(event.channel, _call_id(event), event.timestamp)
        self.register(event.channel.id, call, call.a_leg)
        call.a_leg.take(event, call.clock.moment(event.timestamp, self._ari.clock))
        self._start(call, record, script)

    def _take_refused(self, event: models.ChannelDestroyed) -> None:
        """The dialplan has refused a caller: his CDR is all that is left to do, once."""
        channel = event.channel
        call_id = derived_id(_REFUSED, f"{channel.id} {channel.creationtime}")
        if self._is_superseded or str(call_id) in self._ended:
            return
        call, record = self._made(channel, call_id, channel.creationtime)
        call.a_leg.take(event, call.clock.moment(event.timestamp, self._ari.clock))
        call.rejected_cause, record.reason = HangupCause.SWITCH_CONGESTION, "overloaded"
        self._forget(call)
        self._keep(self._note(call, record), call)

    async def _note(self, call: Call, record: Record) -> None:
        """End a call that never was in a flow."""
        structlog.contextvars.bind_contextvars(call_id=str(call.call_id))
        await self._end(call, record)

    def _made(
        self, channel: models.Channel, call_id: uuid.UUID, setup_at: datetime
    ) -> tuple[Call, Record]:
        """A new caller's call."""
        caller = PhoneNumber.parse(channel.caller.number)
        leg = Leg(
            *(derived_id(call_id, "a"), channel.id, "a", caller.text, None, setup_at),
            sip_call_id=channel.protocol_id,
        )
        call = Call(
            call_id=call_id,
            a_leg=leg,
            dialled=PhoneNumber.parse(channel.dialplan.exten),
            caller=caller,
            ari=self._ari,
            register=self.register,
            presented=CallerIdPresented.instead_of(channel.caller.number, channel.caller.name),
        )
        record = Record(
            revision_id=self._desk.directory().revision_id,
            dialled_text=channel.dialplan.exten,
            diverted_from=PhoneNumber.parse(channel.caller_rdnis) or None,
        )
        return call, record

    def _start(self, call: Call, record: Record, script: Script) -> asyncio.Task[None]:
        self._bridges[bridge_id(call.call_id)] = call
        self._records[call.call_id] = record
        call.inquiry = self.inquiry
        return self._keep(self._live(call, record, script), call)

    def _keep(self, work: Coroutine[None, None, None], call: Call) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"call {call.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def register(self, channel_id: str, call: Call, leg: Leg) -> None:
        """Sort the events of this channel to that leg from now on."""
        self._legs[channel_id] = (call, leg)

    async def _live(self, call: Call, record: Record, script: Script) -> None:
        """Run one call from its first event to its CDR; whatever happens, it ends here."""
        structlog.contextvars.bind_contextvars(call_id=str(call.call_id))
        self.gate.enter(call)
        try:
            await self._run_flow(call, record, script)
        finally:
            self.gate.leave(call)
            if self._is_superseded:
                _log.warning("call_left_to_its_new_owner")
            elif call.is_handed_over and not call.a_leg.is_gone:
                await self._let_go_on(call)
            else:
                await asyncio.shield(self._end(call, record))
            self._forget(call)

    def _refusal(self, call: Call) -> str:
        """Why the call is not taken; "": it is. Who was answered before is no new caller."""
        if self._is_draining:
            return "draining"
        if call.a_leg.answered_at is not None:
            return ""
        if self._is_closed:
            return "draining"
        if self.gate.is_overfull or _is_late(call):
            return "overloaded"
        return ""

    async def _run_flow(self, call: Call, record: Record, script: Script) -> None:
        try:
            if refusal := self._refusal(call):
                record.reason = refusal
                await call.reject(HangupCause.SWITCH_CONGESTION)
                return
            await script(call, self._desk, record)
        except (HungUp, HandedOver):
            return
        except CallctlError as error:
            record.reason = error.code
            call.rejected_cause = HangupCause.SWITCH_CONGESTION  # SIP 503
            _log.warning("call_failed", error=str(error), code=error.code)
        except Exception:  # noqa: BLE001 - a poisoned call ends alone, with a CDR and a log line
            record.reason = "internal_error"
            call.rejected_cause = HangupCause.SWITCH_CONGESTION  # SIP 503
            _log.exception("call_failed")

    async def _let_go_on(self, call: Call) -> None:
        """The call goes on for the next run of the switch; lines that still ring do not."""
        for leg in call.legs[1:]:
            if not leg.is_taken:
                with suppress(AriError):
                    await call.hang_up(leg)
        _log.info("call_handed_over")

    def _forget(self, call: Call) -> None:
        for channel_id in call.channel_ids:
            if self._legs.get(channel_id, (None,))[0] is call:  # else its id is another call's now
                del self._legs[channel_id]
        self._bridges.pop(bridge_id(call.call_id), None)
        self._records.pop(call.call_id, None)
        self._ended[str(call.call_id)] = clock.monotonic()
        if len(self._ended) > _ENDED_MAX:
            del self._ended[next(iter(self._ended))]

    async def _end(self, call: Call, record: Record) -> None:
        """Always, once: no channel left, one CDR, one log line."""
        await call.release()
        stepped = call.clock.stepped_since(self._ari.clock)
        if stepped:
            why = f"Asterisk's clock was set {stepped:+.0f} s meanwhile; these times were not"
            record.note("clock", matched=True, why=why)
        cdr = build_cdr(call, record)
        self._on_ended(cdr)
        await self._write_cdr(cdr)
        _log.info(
            "call_ended",
            did=cdr.did,
            caller=cdr.caller,
            area=cdr.area,
            line=cdr.line,
            disposition=cdr.disposition,
            cause=cdr.hangup_cause,
            ended_by=cdr.ended_by,
            ring_seconds=cdr.ring_seconds,
            talk_seconds=cdr.talk_seconds,
            cost_micros=cdr.cost_micros,
            lag_ms=round((call.clock.now() - cdr.ended_at).total_seconds() * 1000),
        )


def _is_another_call(event: models.Event, call: Call) -> bool:
    """Whether the event begins a call on a channel id that `call` has, too."""
    words = event.args if isinstance(event, models.StasisStart) else []
    return words[:1] != [] and words[0] in _SCRIPTS and words[1:2] != [str(call.call_id)]


def _is_late(call: Call) -> bool:
    """Whether a new caller has waited too long already: there is more to do than can be done."""
    if len(call.legs) > 1:  # it begins with us
        return False
    return call.clock.now() - call.a_leg.setup_at > _LATE


def _call_id(event: models.StasisStart) -> uuid.UUID:
    """The second argument of Stasis(); an id of our own if the dialplan gave none."""
    try:
        return uuid.UUID(event.args[1])
    except (IndexError, ValueError):
        return uuid.uuid4()
