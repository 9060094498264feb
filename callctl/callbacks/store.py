"""The callbacks in PostgreSQL: asked for by anybody, claimed by one switch each.

A claim is a lease: the switch that has it renews it, one that died loses it. From the moment the
caller himself is rung a callback is never tried again, whatever happens.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from callctl.callbacks.request import CallbackRequest, CallbackState
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.directory.models import Did
from callctl.values.ids import new_id
from callctl.values.phone_number import PhoneNumber

CHANNEL = "callctl_callbacks"
EXPIRES_SECONDS, PLACE_EXPIRES_SECONDS = 86_400, 7_200
LEASE_SECONDS = 30.0
RETRY_SECONDS = 60.0  # after an attempt for which no line was there
ATTEMPTS_MAX = 20
_PLACES_MAX = 1000


class Since(StrEnum):
    """What a caller has done himself since he asked."""

    NOTHING = "nothing"
    CALLING = "calling"  # he is in a call to the number now, and may be answered
    ANSWERED = "answered"


class Callbacks:
    """All callbacks of all switches. Each method may raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- asking

    async def ended_call(self, call_id: uuid.UUID) -> Any:
        """The CDR of a call in short, or None."""
        return await queries.find_ended_call(self._database, call_id=call_id)

    async def ask(
        self,
        did: Did,
        caller: PhoneNumber,
        *,
        call_id: uuid.UUID,
        group_name: str | None,
        line: str | None,
        by: str,
        is_promised: bool = False,
        keeps_place: bool = False,
    ) -> CallbackRequest | None:
        """Have a caller called back; None when he is to be called back by this number already."""
        row = await queries.request_callback(
            self._database,
            id=new_id(),
            call_id=call_id,
            tenant=did.tenant.name,
            did=did.number,
            caller=caller.text,
            group_name=group_name,
            line=line,
            is_promised=is_promised,
            keeps_place=keeps_place,
            requested_by=by,
            expires_seconds=PLACE_EXPIRES_SECONDS if keeps_place else EXPIRES_SECONDS,
        )
        return CallbackRequest.of(row) if row else None

    async def covering(self, did: str, caller: str, missed_at: datetime) -> CallbackRequest | None:
        """What answers a call missed then: an open callback, or one that was done since."""
        row = await queries.find_covering_callback(
            self._database, did=did, caller=caller, missed_at=missed_at
        )
        return CallbackRequest.of(row) if row else None

    async def read(self, callback_id: uuid.UUID) -> CallbackRequest | None:
        """One callback as it stands, with `live_line`."""
        row = await queries.read_callback(self._database, id=callback_id)
        return CallbackRequest.of(row) if row else None

    # -- of the switch that makes them

    async def clear(self) -> None:
        """End what has expired, and free, or end, what a switch that died had claimed."""
        await queries.expire_callbacks(self._database)
        await self._settle(None)

    async def keeping_places(self) -> list[CallbackRequest]:
        """Those that wait for their turn in a queue, the longest waiting first."""
        rows = await queries.find_places_kept(self._database, limit=_PLACES_MAX)
        return [CallbackRequest.of(row) for row in rows]

    async def claim(
        self, switch: str, callback_id: uuid.UUID | None = None
    ) -> CallbackRequest | None:
        """The next callback (or the one named), from now on this switch's; None: there is none.

        One that keeps a place in a queue is only had by its name.
        """
        row = await queries.claim_callback(
            self._database, switch=switch, lease_seconds=LEASE_SECONDS, id=callback_id
        )
        return CallbackRequest.of(row) if row else None

    async def since(self, request: CallbackRequest) -> Since:
        """Whether the caller has called again himself since he asked."""
        row = await queries.find_later_call(
            self._database, did=request.did, caller=request.caller, since=request.requested_at
        )
        if row["is_answered"]:
            return Since.ANSWERED
        return Since.CALLING if row["is_calling"] else Since.NOTHING

    async def begin(
        self, request: CallbackRequest, switch: str, call_id: uuid.UUID
    ) -> CallbackRequest | None:
        """The claimed callback becomes this call; None when the claim has lapsed."""
        row = await queries.begin_callback(
            self._database, id=request.id, switch=switch, callback_call_id=call_id
        )
        return CallbackRequest.of(row) if row else None

    async def note(
        self,
        request: CallbackRequest,
        switch: str,
        what: str,
        *,
        is_caller_rung: bool = False,
    ) -> bool:
        """Note what happens; False when the callback is not this switch's and call's any more."""
        row = await queries.note_callback(
            self._database,
            id=request.id,
            switch=switch,
            callback_call_id=request.callback_call_id,
            what=what,
            is_caller_rung=is_caller_rung,
        )
        return row is not None

    async def renew(self, switch: str, ids: Sequence[uuid.UUID]) -> None:
        """Keep these claims."""
        await queries.renew_callbacks(
            self._database, ids=list(ids), switch=switch, lease_seconds=LEASE_SECONDS
        )

    async def give_back(self, request: CallbackRequest, switch: str, seconds: float) -> None:
        """Let a claim go, to be claimed again in so many seconds, now without a place in a queue.

        Nobody was rung.
        """
        await queries.give_callback_back(
            self._database, id=request.id, switch=switch, wait_seconds=seconds
        )

    async def end(
        self, request: CallbackRequest, switch: str, state: CallbackState, reason: str
    ) -> None:
        """End a claimed callback that becomes no call."""
        await queries.end_callback(
            self._database, id=request.id, switch=switch, state=state, reason=reason
        )

    async def settle(self, request: CallbackRequest) -> CallbackRequest | None:
        """End a callback whose call has its CDR, or have it tried again; None: it was already."""
        settled = await self._settle(request.id)
        return settled[0] if settled else None

    async def _settle(self, callback_id: uuid.UUID | None) -> list[CallbackRequest]:
        rows = await queries.settle_callbacks(
            self._database, id=callback_id, attempts_max=ATTEMPTS_MAX, retry_seconds=RETRY_SECONDS
        )
        return [CallbackRequest.of(row) for row in rows]
