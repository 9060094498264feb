"""Accepts calls, sorts events to their legs, and ends every call with exactly one CDR."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import structlog

from callctl import clock
from callctl.ari import models
from callctl.ari.client import AriClient
from callctl.calls import Call, CallerIdPresented, Leg, Moment
from callctl.cdr import Cdr, Record
from callctl.charging import Resumed
from callctl.errors import AriError, CallctlError, DatabaseUnavailable, HandedOver, HungUp
from callctl.exchange.ending import build_cdr
from callctl.flows.desk import Desk
from callctl.flows.feature import feature
from callctl.flows.inbound import go_on, inbound
from callctl.flows.memory import LASTING
from callctl.values.hangup import HangupCause
from callctl.values.ids import bridge_id, derived_id
from callctl.values.phone_number import PhoneNumber

Script = Callable[[Call, Desk, Record], Awaitable[None]]
_SCRIPTS: dict[str, Script] = {"inbound": inbound, "feature": feature}  # by Stasis()'s first word
_RETRY_SECONDS, _CDR_SECONDS_MAX = 1.0, 86_400.0
_LATE = timedelta(seconds=2)  # after which a new caller is refused: overload, or a stopped switch
_log = structlog.get_logger()


class Exchange:
    """All calls of this switch. `calls_max` bounds how many live at once."""

    def __init__(self, ari: AriClient, desk: Desk, *, calls_max: int) -> None:
        self._ari = ari
        self._desk = desk
        self._calls_max = calls_max
        self._legs: dict[str, tuple[Call, Leg]] = {}  # by channel id
        self._bridges: dict[str, Call] = {}  # by bridge id
        self._records: dict[uuid.UUID, Record] = {}  # by call id
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_draining = False
        self._is_superseded = False

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
            leg.lose(call.clock.moment(event.timestamp, asterisk).at)
            call.wake()
            known = None
        if known is not None:
            call, leg = known
            leg.take(event, call.clock.moment(event.timestamp, asterisk))
            call.wake()
        elif isinstance(event, models.StasisStart) and event.args[:1]:
            script = _SCRIPTS.get(event.args[0])
            if script is not None:
                self._accept(event, script)

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

    async def reconcile(self, lost_seconds: float) -> None:
        """Make good what events were missed in the last `lost_seconds`, by what Asterisk has now.

        A leg that is gone ended after they began; nothing later is proven, so it is charged to it.
        A leg that was answered meanwhile is taken for answered now. A caller whom nobody has heard
        of is accepted; what belongs to no call is ended.
        """
        known = [(call, leg) for call, leg in self._legs.values() if leg.is_in_stasis]
        listed = await self._ari.channels.list()
        alive = {channel.id: channel for channel in listed}
        for call, leg in known:
            channel = alive.get(leg.channel_id)
            if leg.destroyed_at is not None:
                continue
            if channel is None:
                leg.lose(call.clock.now() - timedelta(seconds=lost_seconds))
                call.wake()
            elif leg.see(channel, Moment(call.clock.now(), clock.monotonic())):
                call.wake()
        for channel in listed:
            if channel.id not in self._legs:
                await self._take_stray(channel)

    async def _take_stray(self, channel: models.Channel) -> None:
        """A channel of ours that no call has: a caller who came unheard, or what a call left."""
        app, _, words = channel.dialplan.app_data.partition(",")
        if channel.dialplan.app_name != "Stasis" or app != self._ari.app:
            return
        script = _SCRIPTS.get(words.partition(",")[0])
        if script is None:
            await self._ari.channels.hangup(channel.id)
        elif channel.state != "Up":
            event = models.StasisStart(
                type="StasisStart",
                application=app,
                timestamp=clock.now(),
                args=words.split(","),
                channel=channel,
            )
            self._accept(event, script)

    async def drain(self, seconds: float, *, hands_over: bool = False) -> None:
        """Take no more calls, hang up those that live, and see them ended and settled.

        With `hands_over` those that talk or wait in a queue go on, for the next run of the switch.
        """
        self._is_draining = True
        for call in {id(call): call for call, _ in self._legs.values()}.values():
            record = self._records.get(call.call_id)
            if hands_over and record is not None and record.stage in LASTING:
                call.is_handed_over = True
                call.wake()
                continue
            call.is_drained = True
            with suppress(AriError, HungUp):
                await call.hang_up(call.a_leg, HangupCause.TEMPORARY_FAILURE)
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
        for leg in call.legs:
            self.register(leg.channel_id, call, leg)

        async def script(call: Call, desk: Desk, record: Record) -> None:
            await go_on(call, desk, record, resumed)

        self._start(call, record, script)

    @property
    def is_draining(self) -> bool:
        """Whether no more calls are taken."""
        return self._is_draining

    async def begin(self, call: Call, record: Record, script: Script) -> None:
        """Run a call that begins with us, from its first leg to its CDR."""
        await asyncio.shield(self._start(call, record, script))

    def _accept(self, event: models.StasisStart, script: Script) -> None:
        """Make the call and start its task; the call id was made by the dialplan."""
        channel = event.channel
        call_id = _call_id(event)
        caller = PhoneNumber.parse(channel.caller.number)
        leg = Leg(
            derived_id(call_id, "a"), channel.id, "a", caller.text, None, setup_at=event.timestamp
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
        self.register(leg.channel_id, call, leg)
        leg.take(event, call.clock.moment(event.timestamp, self._ari.clock))
        self._start(call, record, script)

    def _start(self, call: Call, record: Record, script: Script) -> asyncio.Task[None]:
        self._bridges[bridge_id(call.call_id)] = call
        self._records[call.call_id] = record
        task = asyncio.create_task(self._live(call, record, script), name=f"call {call.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def register(self, channel_id: str, call: Call, leg: Leg) -> None:
        """Sort the events of this channel to that leg from now on."""
        self._legs[channel_id] = (call, leg)

    async def _live(self, call: Call, record: Record, script: Script) -> None:
        """Run one call from its first event to its CDR; whatever happens, it ends here."""
        structlog.contextvars.bind_contextvars(call_id=str(call.call_id))
        try:
            await self._run_flow(call, record, script)
        finally:
            if self._is_superseded:
                _log.warning("call_left_to_its_new_owner")
            elif call.is_handed_over and not call.a_leg.is_gone:
                await self._let_go_on(call)
            else:
                await asyncio.shield(self._end(call, record))
            self._forget(call)

    async def _run_flow(self, call: Call, record: Record, script: Script) -> None:
        try:
            if self._is_draining or len(self._tasks) > self._calls_max or _is_late(call):
                record.reason = "overloaded"
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
            self._legs.pop(channel_id, None)
        self._bridges.pop(bridge_id(call.call_id), None)
        self._records.pop(call.call_id, None)

    async def _write(self, cdr: Cdr) -> None:
        """Write the CDR, however long PostgreSQL is away."""
        give_up_at = clock.monotonic() + _CDR_SECONDS_MAX
        while True:
            try:
                await self._desk.journal.write(cdr)
            except DatabaseUnavailable as error:
                if self._is_draining or clock.monotonic() > give_up_at:
                    _log.error("cdr_not_written", error=str(error), cdr=repr(cdr))
                    return
                await clock.sleep(_RETRY_SECONDS)
            except CallctlError as error:
                _log.error("cdr_not_written", error=str(error), cdr=repr(cdr))
                return
            else:
                return

    async def _end(self, call: Call, record: Record) -> None:
        """Always, once: no channel left, one CDR, one log line."""
        await call.release()
        stepped = call.clock.stepped_since(self._ari.clock)
        if stepped:
            why = f"Asterisk's clock was set {stepped:+.0f} s meanwhile; these times were not"
            record.note("clock", matched=True, why=why)
        cdr = build_cdr(call, record)
        await self._write(cdr)
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
    is_begin = isinstance(event, models.StasisStart) and event.args[:1] == ["inbound"]
    return is_begin and event.args[1:2] != [str(call.call_id)]  # type: ignore[attr-defined]


def _is_late(call: Call) -> bool:
    """Whether a new caller has waited too long already: there is more to do than can be done."""
    if call.a_leg.answered_at is not None or len(call.legs) > 1:
        return False
    return call.clock.now() - call.a_leg.setup_at > _LATE


def _call_id(event: models.StasisStart) -> uuid.UUID:
    """The second argument of Stasis(); an id of our own if the dialplan gave none."""
    try:
        return uuid.UUID(event.args[1])
    except (IndexError, ValueError):
        return uuid.uuid4()
