"""Every error callctl raises on purpose, in one tree.

    CallctlError
    ├── HungUp
    ├── HandedOver
    ├── Superseded
    ├── InvalidInput
    ├── NotFound
    ├── ConfigurationRefused
    ├── AriError
    │   ├── AriRefused
    │   ├── AriReplaced
    │   └── AriUnavailable
    ├── AmiError
    │   ├── AmiRefused
    │   └── AmiUnavailable
    ├── DatabaseError
    │   ├── DatabaseUnavailable
    │   │   └── DatabaseBusy
    │   └── SchemaMismatch
    ├── LedgerError
    │   ├── TransferMismatch
    │   ├── AccountUnknown
    │   └── ReservationUnknown
    │       └── ReservationExpired
    ├── ToolMissing
    └── StackFailed

Busy, no answer, blocked and out of credit are values, not errors. A class's docstring is its
default message; `code` is what programs match on; `retryable` says whether sending the same
request (with the same id) again may succeed.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class Problem(NamedTuple):
    """One thing wrong in a configuration file: where (line from 1, field path) and what to do."""

    line: int
    field: str
    message: str


class CallctlError(Exception):
    """Something went wrong in callctl."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().rstrip("."))


class HungUp(CallctlError):
    """The channel has hung up."""

    code = "hung-up"


class HandedOver(CallctlError):
    """The call goes on in the next run of the switch: nothing of it is ended."""

    code = "handed-over"


class Superseded(CallctlError):
    """Another switch owns this Asterisk now: this one must end."""

    code = "superseded"


class InvalidInput(CallctlError):
    """The input is not valid."""

    code = "invalid-input"


class NotFound(CallctlError):
    """There is no such thing."""

    code = "not-found"


class ConfigurationRefused(CallctlError):
    """The configuration was refused whole; nothing was changed."""

    code = "configuration-refused"

    def __init__(self, message: str | None = None, *, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class AriError(CallctlError):
    """Asterisk's REST interface did not do what was asked."""

    code = "ari-error"


class AriRefused(AriError):
    """Asterisk refused the command."""

    code = "ari-refused"

    def __init__(self, message: str | None = None, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class AriReplaced(AriError):
    """Another controller took over the application; this one gets no more events."""

    code = "ari-replaced"


class AriUnavailable(AriError):
    """Asterisk did not answer; whether the command was carried out is unknown."""

    code = "ari-unavailable"
    retryable = True


class AmiError(CallctlError):
    """Asterisk's manager interface did not do what was asked."""

    code = "ami-error"


class AmiRefused(AmiError):
    """Asterisk's manager interface refused the action."""

    code = "ami-refused"


class AmiUnavailable(AmiError):
    """Asterisk's manager interface did not answer."""

    code = "ami-unavailable"
    retryable = True


class DatabaseError(CallctlError):
    """PostgreSQL did not do what was asked."""

    code = "database-error"


class DatabaseUnavailable(DatabaseError):
    """PostgreSQL did not answer; whether the statement was carried out is unknown."""

    code = "database-unavailable"
    retryable = True


class DatabaseBusy(DatabaseUnavailable):
    """A row is locked by somebody else for too long; nothing was done, try again."""

    code = "database-busy"


class SchemaMismatch(DatabaseError):
    """The database's schema is not the one this callctl knows."""

    code = "schema-mismatch"


class LedgerError(CallctlError):
    """The ledger refused the request; nothing was changed."""

    code = "ledger-error"


class TransferMismatch(LedgerError):
    """A transfer with this id exists and says something else; use a new id."""

    code = "transfer-mismatch"


class AccountUnknown(LedgerError):
    """There is no such account; create it with callctl apply."""

    code = "account-unknown"


class ReservationUnknown(LedgerError):
    """There is no such open reservation."""

    code = "reservation-unknown"


class ReservationExpired(ReservationUnknown):
    """The reservation expired, what it held was given back; reserve anew."""

    code = "reservation-expired"


class ToolMissing(CallctlError):
    """A program that callctl needs is not installed."""

    code = "tool-missing"


class StackFailed(CallctlError):
    """A part of the stack did not start."""

    code = "stack-failed"
