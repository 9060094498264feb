"""The service that makes callbacks: claims them, makes their calls, notes what became of them.

Run by app beside the calls, in every switch. A callback that is claimed here is nobody else's
while its lease is renewed; after its call its CDR tells what became of it.
"""

import asyncio
import uuid
from collections.abc import Collection

import structlog

from callctl import clock
from callctl.ari.client import AriClient
from callctl.callbacks import CallbackRequest, Callbacks, CallbackState
from callctl.callbacks.store import CHANNEL, LEASE_SECONDS, Since
from callctl.calls import Call, Leg
from callctl.cdr import Direction, Record
from callctl.db.listen import Listener
from callctl.errors import DatabaseError, DatabaseUnavailable
from callctl.exchange.exchange import Exchange
from callctl.flows.calling_back import call_back
from callctl.flows.desk import Desk
from callctl.queues.places import PlaceRow
from callctl.routing import Facts, attempts
from callctl.values.ids import channel_id, derived_id, new_id
from callctl.values.phone_number import PhoneNumber

AT_ONCE_MAX = 10
_POLL_SECONDS = 5.0  # a notification may be lost; a retry becomes due without one
_TURN_SECONDS = 1.0  # those who keep a place are looked at as often, in memory
_GATHER_SECONDS = 0.05  # changes of so long are looked at together
_RETRY_SECONDS = 1.0
_HE_CALLS_SECONDS = 10.0  # who is in a call to the number now is looked at again after this
_log = structlog.get_logger()


class Outbound:
    """Calls that begin with us. `run` beside the calls; at most `at_once_max` live at once."""

    def __init__(
        self,
        ari: AriClient,
        dsn: str,
        desk: Desk,
        exchange: Exchange,
        *,
        at_once_max: int = AT_ONCE_MAX,
    ) -> None:
        self._ari = ari
        self._desk = desk
        self._callbacks: Callbacks = desk.callbacks
        self._exchange = exchange
        self._at_once_max = at_once_max
        self._switch = new_id().hex
        self._live: dict[uuid.UUID, asyncio.Task[None]] = {}  # by callback
        self._news = asyncio.Event()
        self._listener = Listener(dsn, CHANNEL, lambda _payload: self._news.set())

    async def run(self) -> None:
        """Make callbacks until cancelled; calls that live then are the exchange's."""
        await asyncio.gather(
            self._listener.run(), self._claiming(), self._claiming_places(), self._renewing()
        )

    # -- claiming

    async def _claiming(self) -> None:
        while True:
            self._news.clear()
            try:
                await self._callbacks.clear()
                while self._has_room() and (request := await self._callbacks.claim(self._switch)):
                    await self._take(request)
            except DatabaseError as error:
                _log.warning("callbacks_not_claimed", error=str(error))
                await clock.sleep(_RETRY_SECONDS)
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _claiming_places(self) -> None:
        """Those who keep a place in a queue are called when it is their turn and a line is free."""
        while True:
            await self._desk.queues.callbacks_may_be_due(_TURN_SECONDS)
            due = filter(self._is_line_free, self._desk.queues.due_callbacks())
            try:
                await self._claim_those({row.call_id for row in due})
            except DatabaseError as error:
                _log.warning("callbacks_not_claimed", error=str(error))
                await clock.sleep(_RETRY_SECONDS)
            await clock.sleep(_GATHER_SECONDS)

    async def _claim_those(self, call_ids: Collection[uuid.UUID]) -> None:
        """Claim the callbacks that were promised in these calls."""
        if not call_ids or not self._has_room():
            return
        for kept in await self._callbacks.keeping_places():
            if kept.call_id in call_ids and self._has_room():
                request = await self._callbacks.claim(self._switch, kept.id)
                if request is not None:
                    await self._take(request)

    def _has_room(self) -> bool:
        return len(self._live) < self._at_once_max and not self._exchange.is_draining

    def _is_line_free(self, row: PlaceRow) -> bool:
        """Whether a line could call back who has this place."""
        did = self._desk.directory().dids.get(row.did)
        group = did.answering.groups.get(row.group_name) if did else None
        if did is None or group is None:
            return False
        caller = PhoneNumber.parse(row.caller)
        facts = Facts(
            did=did,
            caller=caller,
            area=self._desk.area_of(caller),
            at=clock.now(),
            seed=row.call_id.int,
            lines=self._desk.lines.states(did),
            turns=self._desk.lines.turns(did.number),
        )
        return bool(attempts(facts, group))

    async def _take(self, request: CallbackRequest) -> None:
        """Make a claimed callback's call, unless its caller has seen to it himself."""
        since = await self._callbacks.since(request)
        if since is Since.CALLING:  # his old place must not keep him, or others, from their turn
            await self._callbacks.give_back(request, self._switch, _HE_CALLS_SECONDS)
        elif since is Since.ANSWERED:
            done, why = CallbackState.DONE, "called again"
            await self._callbacks.end(request, self._switch, done, why)
        else:
            call_id = derived_id(request.id, f"call {request.attempts}")
            begun = await self._callbacks.begin(request, self._switch, call_id)
            if begun is not None:
                task = asyncio.create_task(self._make(begun), name=f"callback {begun.id}")
                self._live[begun.id] = task
                return
        if request.keeps_place:
            await self._desk.queues.release_places([request.call_id])

    # -- a callback's call

    async def _make(self, request: CallbackRequest) -> None:
        """From the claim to the end of the call, and what became of it."""
        call, record = self._call(request)

        async def script(call: Call, desk: Desk, record: Record) -> None:
            await call_back(call, desk, record, request, tell)

        async def tell(what: str, *, is_caller_rung: bool = False) -> bool:
            return await self._tell(request, what, is_caller_rung=is_caller_rung)

        try:
            await self._exchange.begin(call, record, script)
            settled = await self._callbacks.settle(request)
        except DatabaseUnavailable as error:  # its lease ends, and its CDR tells the rest
            _log.warning("callback_not_settled", callback=str(request.id), error=str(error))
            settled = None
        finally:
            self._live.pop(request.id, None)
            self._news.set()
        if settled is not None:
            _log.info(
                "callback_ended",
                callback=str(request.id),
                state=settled.state,
                reason=settled.reason,
                attempts=settled.attempts,
            )

    def _call(self, request: CallbackRequest) -> tuple[Call, Record]:
        """A call whose caller has no channel yet: he is rung when a line has taken the call."""
        call_id = request.callback_call_id or new_id()
        caller = PhoneNumber.parse(request.caller)
        leg_id = derived_id(call_id, "a")
        a_leg = Leg(leg_id, channel_id(leg_id), "a", caller.text, None, setup_at=clock.now())
        call = Call(
            call_id=call_id,
            a_leg=a_leg,
            dialled=PhoneNumber.parse(request.did),
            caller=caller,
            ari=self._ari,
            register=self._exchange.register,
            is_callback=True,
        )
        self._exchange.register(a_leg.channel_id, call, a_leg)
        record = Record(
            revision_id=self._desk.directory().revision_id,
            direction=Direction.CALLBACK,
            parent_call_id=request.call_id,
        )
        return call, record

    async def _tell(self, request: CallbackRequest, what: str, *, is_caller_rung: bool) -> bool:
        """Note what happens. Before the caller is rung it must be known that he is ours."""
        try:
            return await self._callbacks.note(
                request, self._switch, what, is_caller_rung=is_caller_rung
            )
        except DatabaseUnavailable as error:
            if is_caller_rung:
                raise
            _log.warning("callback_not_noted", what=what, error=str(error))
            return True

    # -- keeping

    async def _renewing(self) -> None:
        """Keep the claims of the calls that live."""
        while True:
            await clock.sleep(LEASE_SECONDS / 3)
            if not self._live:
                continue
            try:
                await self._callbacks.renew(self._switch, list(self._live))
            except DatabaseError as error:
                _log.warning("callbacks_not_renewed", error=str(error))
