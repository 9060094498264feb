"""Read models for API, console and CLI: what PostgreSQL knows, read only."""

from callctl.views.models import Account, Cdr, CdrFilter, CdrLeg, Entry, LiveCall, LiveCharge
from callctl.views.store import Views
from callctl.views.unanswered import FileAccess, MissedCall, MissedReason, Recording, Voicemail

__all__ = [
    "Account",
    "Cdr",
    "CdrFilter",
    "CdrLeg",
    "Entry",
    "FileAccess",
    "LiveCall",
    "LiveCharge",
    "MissedCall",
    "MissedReason",
    "Recording",
    "Views",
    "Voicemail",
]
