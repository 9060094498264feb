"""A callback as a value: a row of sql/migrations/0013_callbacks.sql."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class CallbackState(StrEnum):
    """How far a callback has got; the last three are for good."""

    WAITING = "waiting"
    CLAIMED = "claimed"  # a switch has it
    CALLING = "calling"
    DONE = "done"  # they talked, or he called again himself
    FAILED = "failed"
    EXPIRED = "expired"


ENDED = frozenset({CallbackState.DONE, CallbackState.FAILED, CallbackState.EXPIRED})


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that has happened to a callback."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """Who is to be called back; `caller` is a PhoneNumber's text, times are aware UTC datetimes.

    call_id           the call that was missed, or in which the callback was promised
    group_name, line  whose lines are rung, or the one line that is
    is_promised       to the caller; else somebody of the tenant's asked for it
    keeps_place       he has left the queue of the group, and keeps his place in it
    callback_call_id  the call that it became, of the last attempt
    is_caller_rung    since then it is not tried again
    live_line         the line that its call rings or talks to, if it was looked for
    """

    id: uuid.UUID
    call_id: uuid.UUID
    tenant: str
    did: str
    caller: str
    group_name: str | None
    line: str | None
    is_promised: bool
    keeps_place: bool
    requested_at: datetime
    requested_by: str
    not_before: datetime
    expires_at: datetime
    state: CallbackState
    callback_call_id: uuid.UUID | None
    is_caller_rung: bool
    reason: str
    attempts: int
    history: tuple[Happening, ...]
    live_line: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The request of a row of callbacks."""
        fields = {name: row[name] for name in cls.__dataclass_fields__ if name in row}
        for name in ("id", "call_id", "callback_call_id"):  # asyncpg's ids are a class of their own
            if fields[name] is not None:
                fields[name] = uuid.UUID(int=fields[name].int)
        fields["state"] = CallbackState(row["state"])
        fields["history"] = tuple(
            Happening(datetime.fromisoformat(one["at"]), one["what"]) for one in row["history"]
        )
        return cls(**fields)

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ENDED
