"""The teller: takes steps of requests from many calls and has them done in few commits.

Made by app, used by charging and the CLI. A step is a tuple of requests that stand or fall
together. Whatever happens to the caller's task, a step that was handed in is finished: it runs
in the batcher's task, and after a lost answer the same ids are sent again (R21, R22).
"""

from collections.abc import Sequence

import asyncpg

from callctl.db.batch import LINGER_SECONDS, Batcher
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import (
    AccountUnknown,
    LedgerError,
    NotFound,
    ReservationUnknown,
    TransferMismatch,
)
from callctl.ledger.requests import Answer, Outcome, TransferRequest, Urgency

_REFUSALS: dict[Outcome, type[LedgerError]] = {
    Outcome.MISMATCH: TransferMismatch,
    Outcome.UNKNOWN_ACCOUNT: AccountUnknown,
    Outcome.UNKNOWN_RESERVATION: ReservationUnknown,
    Outcome.EXCEEDS_RESERVATION: LedgerError,
}

Step = tuple[TransferRequest, ...]
Answers = tuple[Answer, ...]


class Teller:
    """Hands steps to PostgreSQL in batches; one flush is under way at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher: Batcher[Step, Answers | LedgerError] = Batcher(
            self._flush, name="teller", linger_seconds=LINGER_SECONDS
        )

    async def start(self) -> None:
        """Begin to take steps."""
        await self._batcher.start()

    async def stop(self) -> None:
        """Finish what was handed in, then end."""
        await self._batcher.stop()

    async def submit(self, step: Sequence[TransferRequest], urgency: Urgency) -> Answers:
        """Have one step done; one answer for each request.

        Not enough money is an answer (DENIED, SHORT). Raises a LedgerError for a request that
        can never succeed, and DatabaseUnavailable when PostgreSQL stayed away past the deadline:
        the same step may then be submitted again.
        """
        outcome = await self._batcher.submit(
            tuple(step), priority=urgency, may_linger=urgency is Urgency.SETTLE
        )
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

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
        )

    async def _flush(self, steps: Sequence[Step]) -> list[Answers | LedgerError]:
        try:
            return await self._apply(steps)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise LedgerError(f"the ledger refused the step: {error}") from error

    async def _apply(self, steps: Sequence[Step]) -> list[Answers | LedgerError]:
        numbered = [(n, request) for n, step in enumerate(steps) for request in step]
        rows = await queries.apply_requests(
            self._database,
            steps=[n for n, _ in numbered],
            ids=[request.id for _, request in numbered],
            kinds=[str(request.kind) for _, request in numbered],
            reservations=[request.reservation_id for _, request in numbered],
            legs=[request.leg_id for _, request in numbered],
            payers=[request.from_account_id for _, request in numbered],
            payees=[request.to_account_id for _, request in numbered],
            amounts=[request.amount_micros for _, request in numbered],
            holds=[request.hold_micros for _, request in numbered],
            memos=[request.memo for _, request in numbered],
        )
        answers = iter([Answer(Outcome(row[0]), row[1], row[2], row[3]) for row in rows])
        return [_judged(step, tuple(next(answers) for _ in step)) for step in steps]


def _judged(step: Step, answers: Answers) -> Answers | LedgerError:
    for request, answer in zip(step, answers, strict=True):
        refusal = _REFUSALS.get(answer.outcome)
        if refusal is not None:
            return refusal(f"{refusal.__doc__} ({request.kind} {request.id}: {answer.outcome})")
    return answers
