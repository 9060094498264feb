"""Random histories on the real ledger, every answer and balance compared with the oracle."""

import asyncio
import re
import uuid
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from callctl.db.pool import Database, connect
from callctl.errors import LedgerError
from callctl.ledger import Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from tests.db.ledger_desk import become_overdue, open_account, request, unbalanced
from tests.db.ledger_oracle import Oracle
from tests.db.ledger_proofs import MACHINE_RUNS, MACHINE_STEPS, SECONDS_MAX

K = TransferKind
Step = list[TransferRequest]

_KINDS = ("prepaid", "reseller", "limit", "revenue", "usage")
_AN_END = 1_000_000  # seconds; it comes when the history says so, never by itself
_amounts = st.integers(0, 120)
_holds = st.integers(0, 200)
_which = st.integers(0, 50)
_REFUSALS = (
    *("mismatch", "malformed", "unknown_account", "unknown_reservation"),
    *("reservation_expired", "exceeds_reservation"),
)


class LedgerMachine(RuleBasedStateMachine):
    """A teller on three limited accounts and two counterparties, beside the oracle."""

    runner: asyncio.Runner
    database: Database

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize(limits=st.tuples(_holds, _holds, _holds), money=_holds)
    def open_books(self, limits: tuple[int, int, int], money: int) -> None:
        self.sent: list[Step] = []
        self.run(self._open(limits))
        self.send([request(K.OPENING, self.revenue, self.payers[0], amount=money)])

    async def _open(self, limits: tuple[int, int, int]) -> None:
        name = uuid.uuid4().hex
        ids = [
            await open_account(self.database, f"{kind}:{name}", kind, limit)
            for kind, limit in zip(_KINDS, (*limits, 0, 0), strict=True)
        ]
        self.payers, (self.revenue, self.usage) = ids[:3], ids[3:]
        self.oracle = Oracle(dict(zip(ids, (*limits, None, None), strict=True)))
        self.teller = Teller(self.database)
        await self.teller.start()
        await self.teller.expire_due(10_000)  # what an earlier history left

    def teardown(self) -> None:
        if hasattr(self, "teller"):
            self.run(self.teller.stop())

    # -- what is asked

    @rule(amount=_amounts, which=_which, kind=st.sampled_from([K.TOPUP, K.REFUND]))
    def credit(self, amount: int, which: int, kind: TransferKind) -> None:
        self.send([request(kind, self.revenue, self.payers[which % 3], amount=amount)])

    @rule(amount=_amounts, which=_which, kind=st.sampled_from([K.FEE, K.REFUND]))
    def debit(self, amount: int, which: int, kind: TransferKind) -> None:
        self.send([request(kind, self.payers[which % 3], self.revenue, amount=amount)])

    @rule(holds=st.lists(_holds, min_size=1, max_size=3), expires=st.sampled_from([0, _AN_END]))
    def reserve(self, holds: list[int], expires: int) -> None:
        self.send(self._reserves(holds, expires))

    @rule(which=st.lists(_which, min_size=1, max_size=3, unique=True), amount=_amounts, hold=_holds)
    def renew(self, which: list[int], amount: int, hold: int) -> None:
        self.send([self._on(n, K.RENEW, amount=amount, hold=hold, expires=_AN_END) for n in which])

    @rule(which=st.lists(_which, min_size=1, max_size=2, unique=True), amount=_amounts)
    def settle(self, which: list[int], amount: int) -> None:
        self.send([self._on(n, K.SETTLE, amount=amount) for n in which])

    @rule(which=_which, amount=_amounts, hold=_holds)
    def renew_beside_a_fee(self, which: int, amount: int, hold: int) -> None:
        fee = request(K.FEE, self.payers[which % 3], self.revenue, amount=amount // 9)
        self.send([self._on(which, K.RENEW, amount=amount, hold=hold), fee])

    @rule(which=_which)
    def void(self, which: int) -> None:
        self.send([self._on(which, K.SETTLE)])

    @rule(which=_which)
    def expire(self, which: int) -> None:
        self.send([self._on(which, K.EXPIRE)])

    @rule()
    def expire_all_due(self) -> None:
        due = [name for name, h in self.oracle.held.items() if h.overdue and h.state == "open"]
        for name in due:
            self.oracle.held[name].state, self.oracle.held[name].micros = "expired", 0
        assert self.run(self.teller.expire_due(100)) == len(due)

    @rule(which=_which)
    def time_passes(self, which: int) -> None:
        name = self._reservation(which)
        held = self.oracle.held.get(name)
        if held is not None and held.state == "open":
            self.run(become_overdue(self.database, name))
            held.overdue = held.expires

    @precondition(lambda self: self.sent)
    @rule(which=_which)
    def send_again(self, which: int) -> None:
        self.send(self.sent[which % len(self.sent)])

    @precondition(lambda self: self.sent)
    @rule(which=_which)
    def send_altered(self, which: int) -> None:
        step = self.sent[which % len(self.sent)]
        self.send([replace(q, amount_micros=q.amount_micros + 1) for q in step])

    @rule(which=_which, kind=st.sampled_from([K.TOPUP, K.FEE]))
    def send_malformed(self, which: int, kind: TransferKind) -> None:
        self.send([request(kind, self.payers[which % 3], self.revenue, amount=-1)])

    @rule(turns=st.integers(0, 6), holds=st.lists(_holds, min_size=1, max_size=3))
    def caller_crashes(self, turns: int, holds: list[int]) -> None:
        """Its step is done or not: sent again it is done, once."""
        step = self._reserves(holds, _AN_END)
        self.run(self._crash(step, turns))
        self.send(step)

    async def _crash(self, step: Step, turns: int) -> None:
        task = asyncio.create_task(self.ask(step))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @rule(
        acts=st.lists(
            st.tuples(
                st.sampled_from(["reserve", "renew", "settle", "again", "twice"]), _which, _holds
            ),
            min_size=2,
            max_size=10,
        )
    )
    def many_at_once(self, acts: list[tuple[str, int, int]]) -> None:
        """They go in one batch, and each gets what it would have got in its turn."""
        steps: list[Step] = []
        for act, which, hold in acts:
            if act == "again" and (known := [*self.sent, *steps]):
                steps.append(known[which % len(known)])
            elif act == "twice" and steps:
                steps.append(steps[which % len(steps)])
            elif act in {"renew", "settle"}:
                hold_or_none = hold if act == "renew" else 0
                steps.append([self._on(which, K(act), amount=hold // 3, hold=hold_or_none)])
            else:
                steps.append(self._reserves([hold] * (1 + which % 3), _AN_END))
        self.send(*steps)

    # -- how it is asked

    def _reserves(self, holds: list[int], expires: int) -> Step:
        payees = (self.revenue, self.revenue, self.usage)
        return [
            request(K.RESERVE, payer, payee, hold=hold, reservation=uuid.uuid4(), expires=expires)
            for payer, payee, hold in zip(self.payers, payees, holds, strict=False)
        ]

    def _reservation(self, which: int) -> uuid.UUID:
        """One of those made; at times one that was never made."""
        names = [*self.oracle.held, uuid.UUID(int=1)]
        return names[which % len(names)]

    def _on(self, which: int, kind: TransferKind, **what: Any) -> TransferRequest:
        name = self._reservation(which)
        held = self.oracle.held.get(name)
        payer = held.account if held is not None else self.payers[0]
        return request(kind, payer, self.revenue, reservation=name, **what)

    def send(self, *steps: Step) -> None:
        """Have the steps done, all at once, and compare with what the oracle says."""
        got = self.run(self._ask_all(steps))
        said = [_as_raised(self.oracle.step(step)) for step in steps]
        assert got == said, steps
        self.sent += steps

    async def _ask_all(self, steps: Sequence[Step]) -> list[list[str]]:
        return await asyncio.gather(*(self.ask(step) for step in steps))

    async def ask(self, step: Step) -> list[str]:
        try:
            answers = await self.teller.submit(step, Urgency.RESERVE)
        except LedgerError as error:
            found = re.search(r": (\w+)\)$", str(error))
            return [found[1] if found else str(error)]
        return [str(answer.outcome) for answer in answers]

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "teller"):
            return
        for account in self.payers:
            standing = self.run(self.teller.standing(account))
            assert standing.balance_micros == self.oracle.balance[account]
            assert standing.available_micros == self.oracle.available(account) >= 0
            assert standing.open_reservations == self.oracle.open_count(account)


def _as_raised(said: list[str]) -> list[str]:
    """What the teller raises for these outcomes: the first refusal; else the outcomes."""
    return next(([word] for word in said if word in _REFUSALS), said)


@pytest.mark.timeout(SECONDS_MAX)
def test_any_history_agrees_with_the_oracle(database_url: str) -> None:
    """Whatever is asked in whatever order, by whoever crashes, answers and money are as said."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        database = runner.run(connect(database_url, size=4, timeout_seconds=5))
        machine = type("Machine", (LedgerMachine,), {"runner": runner, "database": database})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=MACHINE_RUNS,
                stateful_step_count=MACHINE_STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert runner.run(unbalanced(database)) == []
        runner.run(database.close())
