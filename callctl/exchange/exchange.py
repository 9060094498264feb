"""Accepts calls, sorts events to their legs, and ends every call with exactly one CDR."""

import asyncio
import uuid
from contextlib import suppress
from datetime import datetime

import structlog

from callctl import clock
from callctl.ari import models
from callctl.ari.client import AriClient
from callctl.calls import Call, CallerIdPresented, Leg
from callctl.cdr import Record
from callctl.errors import AriError, CallctlError, HungUp
from callctl.exchange.ending import build_cdr
from callctl.flows.desk import Desk
from callctl.flows.inbound import inbound
from callctl.values.hangup import HangupCause
from callctl.values.ids import bridge_id, derived_id
from callctl.values.phone_number import PhoneNumber

_log = structlog.get_logger()


class Exchange:
    """All calls of this switch. `calls_max` bounds how many live at once."""

    def __init__(self, ari: AriClient, desk: Desk, *, calls_max: int) -> None:
        self._ari = ari
        self._desk = desk
        self._calls_max = calls_max
        self._legs: dict[str, tuple[Call, Leg]] = {}  # by channel id
        self._bridges: dict[str, Call] = {}  # by bridge id
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_draining = False

    def on_event(self, event: models.Event) -> None:
        """Sort one event: to its leg's call, or, from a new caller, into a new call."""
        channel = getattr(event, "channel", None)
        if channel is None:
            self._take_playback(event)
            return
        known = self._legs.get(channel.id)
        if known is not None:
            call, leg = known
            leg.take(event)
            call.wake()
        elif isinstance(event, models.StasisStart) and event.args[:1] == ["inbound"]:
            self._accept(event)

    def _take_playback(self, event: models.Event) -> None:
        """A prompt on a call's bridge, or on a channel of ours, has ended."""
        if not isinstance(event, models.PlaybackFinished):
            return
        kind, _, name = event.playback.target_uri.partition(":")
        known = self._legs.get(name)
        call = self._bridges.get(name) if kind == "bridge" else known and known[0]
        if call is not None:
            call.finished_playbacks.add(event.playback.id)
            call.wake()

    async def reconcile(self, lost_at: datetime) -> None:
        """After a lost connection: end the legs that Asterisk has no more, whose end was missed.

        They ended after `lost_at`; nothing later is proven, so they are charged to it.
        """
        known = [(call, leg) for call, leg in self._legs.values() if leg.is_in_stasis]
        alive = {channel.id for channel in await self._ari.channels.list()}
        for call, leg in known:
            if leg.channel_id not in alive and leg.destroyed_at is None:
                leg.lose(lost_at)
                call.wake()

    async def drain(self, seconds: float) -> None:
        """Take no more calls, hang up those that live, and see them ended and settled."""
        self._is_draining = True
        for call in {id(call): call for call, _ in self._legs.values()}.values():
            call.is_drained = True
            with suppress(AriError, HungUp):
                await call.hang_up(call.a_leg, HangupCause.TEMPORARY_FAILURE)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def _accept(self, event: models.StasisStart) -> None:
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
            register=self._register,
            presented=CallerIdPresented.instead_of(channel.caller.number, channel.caller.name),
        )
        self._register(leg.channel_id, call, leg)
        self._bridges[bridge_id(call_id)] = call
        leg.take(event)
        task = asyncio.create_task(self._live(call), name=f"call {call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _register(self, channel_id: str, call: Call, leg: Leg) -> None:
        self._legs[channel_id] = (call, leg)

    async def _live(self, call: Call) -> None:
        """Run one call from its first event to its CDR; whatever happens, it ends here."""
        structlog.contextvars.bind_contextvars(call_id=str(call.call_id))
        record = Record(revision_id=self._desk.directory().revision_id)
        try:
            await self._run_flow(call, record)
        finally:
            await asyncio.shield(self._end(call, record))

    async def _run_flow(self, call: Call, record: Record) -> None:
        try:
            if self._is_draining or len(self._tasks) > self._calls_max:
                record.reason = "overloaded"
                await call.reject(HangupCause.SWITCH_CONGESTION)
                return
            await inbound(call, self._desk, record)
        except HungUp:
            return
        except CallctlError as error:
            record.reason = error.code
            call.rejected_cause = HangupCause.SWITCH_CONGESTION  # SIP 503
            _log.warning("call_failed", error=str(error), code=error.code)
        except Exception:  # noqa: BLE001 - a poisoned call ends alone, with a CDR and a log line
            record.reason = "internal_error"
            call.rejected_cause = HangupCause.SWITCH_CONGESTION  # SIP 503
            _log.exception("call_failed")

    async def _end(self, call: Call, record: Record) -> None:
        """Always, once: no channel left, one CDR, one log line."""
        await call.release()
        cdr = build_cdr(call, record)
        try:
            await self._desk.journal.write(cdr)
        except CallctlError as error:
            _log.error("cdr_not_written", error=str(error), cdr=repr(cdr))
        for channel_id in call.channel_ids:
            self._legs.pop(channel_id, None)
        self._bridges.pop(bridge_id(call.call_id), None)
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
            lag_ms=round((clock.now() - cdr.ended_at).total_seconds() * 1000),
        )


def _call_id(event: models.StasisStart) -> uuid.UUID:
    """The second argument of Stasis(); an id of our own if the dialplan gave none."""
    try:
        return uuid.UUID(event.args[1])
    except (IndexError, ValueError):
        return uuid.uuid4()
