"""Random histories on the real ledger, each answer and balance compared with a tiny oracle."""

import uuid
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callctl.db.pool import Database
from callctl.errors import LedgerError
from callctl.ledger import Teller, TransferKind
from callctl.ledger.requests import Urgency
from tests.db.ledger_desk import open_account, request, unbalanced
from tests.db.ledger_oracle import Oracle

_acts = st.tuples(
    st.sampled_from(["topup", "refund", "reserve", "renew", "settle", "again"]),
    st.integers(0, 5),  # which of the open reservations
    st.integers(0, 120),
    st.integers(0, 200),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(limit=st.integers(0, 100), history=st.lists(_acts, max_size=40))
async def test_any_history_agrees_with_the_oracle(
    database: Database, limit: int, history: list[tuple[str, int, int, int]]
) -> None:
    """Whatever is asked in whatever order, answers and money are the oracle's."""
    teller = Teller(database)
    await teller.start()
    names = uuid.uuid4().hex
    payer = await open_account(database, f"p{names}", credit_limit_micros=limit)
    payee = await open_account(database, f"r{names}", "revenue")
    oracle = Oracle(limit)
    last: tuple[Any, str] | None = None
    for act, which, amount, hold in history:
        if act == "again":
            if last is not None:
                assert await _ask(teller, last[0]) == last[1]
            continue
        made = _make(act, which, amount, hold, oracle, payer, payee)
        if made is None:
            continue
        one, expected = made
        got = await _ask(teller, one)
        assert got == expected, (act, which, amount, hold)
        last = (one, expected) if expected in {"granted", "short"} else None
        standing = await teller.standing(payer)
        assert standing.balance_micros == oracle.balance
        assert standing.available_micros == oracle.available >= 0
        assert standing.open_reservations == len(oracle.holds)
    await teller.stop()
    assert await unbalanced(database) == []


async def _ask(teller: Teller, one: Any) -> str:
    try:
        [answer] = await teller.submit([one], Urgency.RESERVE)
    except LedgerError as error:
        return "exceeds_reservation" if "exceeds" in str(error) else str(error)
    return str(answer.outcome)


def _make(
    act: str, which: int, amount: int, hold: int, oracle: Oracle, payer: int, payee: int
) -> tuple[Any, str] | None:
    """The request and what the oracle says to it; None when no reservation is open."""
    if act == "topup":
        return request(TransferKind.TOPUP, payee, payer, amount=amount), oracle.topup(amount)
    if act == "refund":
        return request(TransferKind.REFUND, payer, payee, amount=amount), oracle.refund(amount)
    if act == "reserve":
        new = uuid.uuid4()
        one = request(TransferKind.RESERVE, payer, payee, hold=hold, reservation=new)
        return one, oracle.reserve(str(new), hold)
    if not oracle.holds:
        return None
    name = sorted(oracle.holds)[which % len(oracle.holds)]
    kind = TransferKind(act)
    hold = hold if kind is TransferKind.RENEW else 0
    one = request(kind, payer, payee, amount=amount, hold=hold, reservation=uuid.UUID(name))
    said = (
        oracle.renew(name, amount, hold)
        if kind is TransferKind.RENEW
        else oracle.settle(name, amount)
    )
    return one, said
