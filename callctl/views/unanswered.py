"""What callers left behind: missed calls with their reasons, voicemails, recorded talks.

Returned by Views; money is not in them.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID


class MissedReason(StrEnum):
    """Why no line talked with a caller; sql/queries/missed.sql tells them apart."""

    ABANDONED = "abandoned"
    NO_ANSWER = "no_answer"
    CLOSED = "closed"
    BLOCKED = "blocked"
    NO_MONEY = "no_money"
    LIMIT = "limit"
    NO_KEY = "no_key"
    MESSAGE = "message"
    VOICEMAIL = "voicemail"
    CALLBACK = "callback"
    FAULT = "fault"


_WORDS = {
    MissedReason.NO_ANSWER: "no line took the call",
    MissedReason.CLOSED: "out of hours",
    MissedReason.BLOCKED: "refused by the number's rules",
    MissedReason.NO_MONEY: "the account could not pay",
    MissedReason.LIMIT: "a limit was reached",
    MissedReason.NO_KEY: "the caller pressed no key that leads on",
    MissedReason.MESSAGE: "the call was answered by a message only",
    MissedReason.VOICEMAIL: "the call was led to the voicemail",
    MissedReason.CALLBACK: "the caller asked to be called back",
    MissedReason.FAULT: "something failed",
}
_GAVE_UP = {
    "greeting": "in the greeting",
    "menu": "in the menu",
    "message": "during a message",
    "queued": "in the queue",
}
_BY_ENDED_BY = {
    "blacklisted": "the caller is on a block list",
    "not_allowed": "the caller is on no list of those who may call",
    "area_blocked": "callers from there are blocked",
    "caller_rate": "the caller called too often",
    "overflowed": "the queue was full, or the wait too long",
    "no_rate": "the tariff has no price for the call",
    "overloaded": "too many calls at once",
    "shutdown": "callctl was stopped",
    "loop": "the number leads back to itself",
}


@dataclass(frozen=True, slots=True)
class MissedCall:
    """A call that no line talked with. `stage` is where its caller was at the end.

    `callback` is the state of what was asked for since, done: he was called back.
    """

    call_id: UUID
    did: str
    tenant: str | None
    caller: str
    area: str
    setup_at: datetime
    waited_seconds: Decimal
    stage: str | None
    group_name: str | None
    ended_by: str
    reason: MissedReason
    voicemail_id: UUID | None
    voicemail_seconds: Decimal | None
    callback_id: UUID | None
    callback: str | None

    @property
    def why(self) -> str:
        """The reason in plain words."""
        if self.reason is MissedReason.ABANDONED:
            return f"the caller gave up {_GAVE_UP.get(self.stage or '', 'while it rang')}"
        if self.reason is MissedReason.FAULT and self.ended_by not in _BY_ENDED_BY:
            return f"{_WORDS[self.reason]} ({self.ended_by})"
        if self.reason is MissedReason.CLOSED:
            return _WORDS[self.reason]
        return _BY_ENDED_BY.get(self.ended_by, _WORDS[self.reason])


@dataclass(frozen=True, slots=True)
class Voicemail:
    """What a caller said into a box. `email_error` is what kept the last try from being sent."""

    id: UUID
    call_id: UUID
    tenant: str
    did: str
    box: str
    caller: str
    area: str
    recorded_at: datetime
    seconds: Decimal
    email: str | None
    emailed_at: datetime | None
    email_error: str | None
    heard_at: datetime | None
    delete_after: datetime
    deleted_at: datetime | None
    file_name: str


@dataclass(frozen=True, slots=True)
class FileAccess:
    """Somebody took a file out (act export) or deleted it."""

    file_name: str
    act: str
    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded talk; what is told by the CDR is None while the call lives."""

    call_id: UUID
    tenant: str
    did: str
    caller: str | None
    area: str | None
    line: str | None
    started_at: datetime
    seconds: Decimal | None
    delete_after: datetime
    deleted_at: datetime | None
    file_name: str
