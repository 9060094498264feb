"""The teller: takes steps of requests from many calls and has them done in few commits.

Made by app, used by charging and the CLI. A step is a tuple of requests that stand or fall
together. Whatever happens to the caller's task, a step that was handed in is finished: it runs
in the batcher's task, and after a lost answer the same ids are sent again (R21, R22).
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import asyncpg

from callctl.db.batch import LINGER_SECONDS, Batcher, Load
from callctl.db.lease import Owner
from callctl.db.locks import KnownLocks
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import (
    AccountUnknown,
    DatabaseUnavailable,
    LedgerError,
    NotFound,
    ReservationExpired,
    ReservationUnknown,
    TransferMismatch,
)
from callctl.ledger.requests import Answer, Outcome, TransferKind, TransferRequest, Urgency
from callctl.values.ids import derived_id

_REFUSALS: dict[Outcome, type[LedgerError]] = {
    Outcome.MISMATCH: TransferMismatch,
    Outcome.UNKNOWN_ACCOUNT: AccountUnknown,
    Outcome.UNKNOWN_RESERVATION: ReservationUnknown,
    Outcome.RESERVATION_EXPIRED: ReservationExpired,
    Outcome.EXCEEDS_RESERVATION: LedgerError,
    Outcome.MALFORMED: LedgerError,
}
_OUTCOMES = {str(outcome): outcome for outcome in Outcome}
_CREDITS = (TransferKind.OPENING, TransferKind.TOPUP, TransferKind.REFUND)
_FLUSHES_MAX = 2  # one is prepared and taken apart here while the other is with PostgreSQL

Step = tuple[TransferRequest, ...]
Answers = tuple[Answer, ...]


class Teller:
    """Hands steps to PostgreSQL in batches, two at a time when many wait.

    A step whose account somebody else keeps locked waits apart, with the later ones of the same
    account; the others pass.
    """

    def __init__(
        self, database: Database, *, owner: Owner | None = None, may_linger: bool = True
    ) -> None:
        self._database = database
        self._owner = owner  # a switch writes while it owns its Asterisk; commands have none
        self._may_linger = may_linger  # ends wait a moment to share their commits
        self.locks = KnownLocks()  # of accounts that steps wait for
        self._batcher: Batcher[Step, Answers | LedgerError] = Batcher(
            self._flush,
            name="teller",
            linger_seconds=LINGER_SECONDS,
            flushes_max=_FLUSHES_MAX,
            keys=_accounts,
            locked=self._locked,
        )

    async def start(self) -> None:
        """Begin to take steps."""
        await self._batcher.start()

    async def stop(self) -> None:
        """Finish what was handed in, then end."""
        await self._batcher.stop()

    @property
    def load(self) -> Load:
        """What it has to do."""
        return self._batcher.load

    async def submit(self, step: Sequence[TransferRequest], urgency: Urgency) -> Answers:
        """Have one step done; one answer for each request.

        Not enough money is an answer (DENIED, SHORT). Raises a LedgerError for a request that
        can never succeed, and DatabaseUnavailable when PostgreSQL stayed away past the deadline:
        the same step may then be submitted again.
        """
        outcome = await self._batcher.submit(
            tuple(step), priority=urgency, may_linger=self._may_linger and urgency is Urgency.SETTLE
        )
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    async def expire_due(self, limit: int) -> int:
        """Give back what up to `limit` overdue reservations still hold; return how many it were.

        Safe to call at any time and from anywhere: whether one is overdue is looked at again with
        its account locked. Raises DatabaseUnavailable.
        """
        rows = await queries.find_overdue_reservations(self._database, limit=limit)
        results = await asyncio.gather(
            *(self.submit([_expiry(row)], Urgency.SETTLE) for row in rows), return_exceptions=True
        )
        count = 0
        for result in results:
            if isinstance(result, ReservationUnknown):
                continue  # settled meanwhile
            if isinstance(result, BaseException):
                raise result
            count += result[0].outcome is Outcome.GRANTED
        return count

    async def standing(self, account_id: int) -> Answer:
        """Return what the account could spend now, without changing anything."""
        row = await queries.read_standing(self._database, account_id=account_id)
        if row is None:
            raise NotFound(f"no account {account_id}")
        return Answer(
            Outcome.GRANTED,
            row["balance_micros"],
            row["available_micros"],
            row["open_reservations"],
            row["held_micros"],
        )

    async def _flush(self, steps: Sequence[Step]) -> list[Answers | LedgerError]:
        try:
            return await self._apply(steps)
        except asyncpg.UniqueViolationError:
            if len(steps) > 1:  # the same id twice in one flush: in another flush it is known
                raise
            return await self._apply_again(steps)
        except (
            asyncpg.IntegrityConstraintViolationError,
            asyncpg.DataError,
            asyncpg.InterfaceError,  # a value that is not of its column's type
        ) as error:
            raise LedgerError(f"the ledger refused the step: {error}") from error

    async def _apply_again(self, steps: Sequence[Step]) -> list[Answers | LedgerError]:
        """One step that met an id which another teller wrote at the same moment."""
        try:
            return await self._apply(steps)
        except asyncpg.UniqueViolationError as error:
            raise TransferMismatch(f"the step has one id twice: {error}") from error

    async def _apply(self, steps: Sequence[Step]) -> list[Answers | LedgerError]:
        numbered = [(n, request) for n, step in enumerate(steps) for request in step]
        rows = await queries.apply_requests(
            self._database,
            asterisk=self._owner.asterisk if self._owner else None,
            epoch=self._owner.epoch if self._owner else None,
            steps=[n for n, _ in numbered],
            ids=[request.id for _, request in numbered],
            kinds=[request.kind for _, request in numbered],
            reservations=[request.reservation_id for _, request in numbered],
            legs=[request.leg_id for _, request in numbered],
            payers=[request.from_account_id for _, request in numbered],
            payees=[request.to_account_id for _, request in numbered],
            amounts=[request.amount_micros for _, request in numbered],
            holds=[request.hold_micros for _, request in numbered],
            memos=[request.memo for _, request in numbered],
            expires=[request.expires_seconds for _, request in numbered],
        )
        self.locks.passed(account for step in steps for account in _accounts(step))
        answers = iter([Answer(_OUTCOMES[row[0]], *row[1:]) for row in rows])
        return [_judged(step, tuple(next(answers) for _ in step)) for step in steps]

    async def _locked(self, accounts: Collection[int]) -> Collection[int]:
        """Those of the accounts that somebody keeps locked, looked at without waiting for any."""
        try:
            rows = await queries.find_locked_accounts(self._database, accounts=list(accounts))
        except DatabaseUnavailable:
            return ()  # the flush meets it again, and knows what to do
        locked = {row["id"] for row in rows}
        self.locks.passed(set(accounts) - locked)
        self.locks.seen(locked)
        return locked


def _judged(step: Step, answers: Answers) -> Answers | LedgerError:
    for request, answer in zip(step, answers, strict=True):
        refusal = _REFUSALS.get(answer.outcome)
        if refusal is not None:
            return refusal(f"{refusal.__doc__} ({request.kind} {request.id}: {answer.outcome})")
    return answers


def _accounts(step: Step) -> set[int]:
    """The accounts that a step is about: whoever is charged, or credited."""
    return {
        request.to_account_id if request.kind in _CREDITS else request.from_account_id
        for request in step
    }


def _expiry(row: Any) -> TransferRequest:
    """The expiry of an overdue reservation, by the id that it always has."""
    return TransferRequest(
        id=derived_id(row["id"], "expire"),
        kind=TransferKind.EXPIRE,
        from_account_id=row["account_id"],
        to_account_id=row["payee_account_id"],
        reservation_id=row["id"],
    )
