"""Several debits in one step: a tenant, its resellers and its limits, all of them or none."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from callctl.db.pool import Database
from callctl.errors import ReservationUnknown
from callctl.ledger import TransferKind, TransferRequest
from tests.db.ledger_desk import Books, open_account, opened_books, request

RESERVE, RENEW, SETTLE = TransferKind.RESERVE, TransferKind.RENEW, TransferKind.SETTLE


class Chain:
    """A leg's payers: a tenant, its reseller, that one's reseller, a limit; 1000 each."""

    def __init__(self, books: Books, payers: list[int]) -> None:
        self.books = books
        self.payers = payers
        self.legs = [uuid.uuid4() for _ in payers]

    def step(
        self, kind: TransferKind, amounts: list[int] | int = 0, holds: list[int] | int = 0
    ) -> list[TransferRequest]:
        count = len(self.payers)
        return [
            request(kind, payer, self.books.payee, amount=amount, hold=hold, reservation=leg)
            for payer, leg, amount, hold in zip(
                self.payers,
                self.legs,
                [amounts] * count if isinstance(amounts, int) else amounts,
                [holds] * count if isinstance(holds, int) else holds,
                strict=True,
            )
        ]

    async def available(self) -> list[int]:
        return [(await self.books.standing(payer)).available_micros for payer in self.payers]

    async def balances(self) -> list[int]:
        return [(await self.books.standing(payer)).balance_micros for payer in self.payers]


@pytest.fixture
async def chain(database: Database) -> AsyncIterator[Chain]:
    """Four payers who can spend 1000 each: the first has it, the others are trusted with it."""
    async with opened_books(database) as books:
        others = [
            await open_account(database, name, kind, 1000)
            for name, kind in (
                *(("reseller:a", "reseller"), ("reseller:b", "reseller")),
                ("limit:t:day", "limit"),
            )
        ]
        yield Chain(books, [books.payer, *others])


async def test_all_payers_of_a_leg_are_charged_together(chain: Chain) -> None:
    """Reservation, renewal and settlement move the money of the whole chain in one step each."""
    do = chain.books.do
    assert await do(*chain.step(RESERVE, holds=[300, 200, 100, 300])) == ["granted"] * 4
    assert await chain.available() == [700, 800, 900, 700]
    renew = chain.step(RENEW, [100, 70, 40, 100], [300, 200, 100, 300])
    assert await do(*renew) == ["granted"] * 4
    assert await do(*chain.step(SETTLE, [50, 30, 20, 50])) == ["granted"] * 4
    assert await chain.balances() == [850, -100, -60, -150]
    assert await chain.available() == [850, 900, 940, 850]


@pytest.mark.parametrize("poor", range(4))
async def test_one_denied_payer_denies_the_leg_and_is_named(chain: Chain, poor: int) -> None:
    """When one of them can't pay none does, and the answer says which it was."""
    holds = [10] * 4
    holds[poor] = 1001
    expected = ["step_refused"] * 4
    expected[poor] = "denied"

    assert await chain.books.do(*chain.step(RESERVE, holds=holds)) == expected
    assert await chain.available() == [1000] * 4


async def test_two_denied_payers_are_both_named(chain: Chain) -> None:
    """Every payer who could not pay is told apart from those who could."""
    holds = [1001, 10, 1001, 10]
    expected = ["denied", "step_refused", "denied", "step_refused"]
    assert await chain.books.do(*chain.step(RESERVE, holds=holds)) == expected


@pytest.mark.parametrize("poor", range(4))
async def test_one_short_payer_makes_the_renewal_short_for_all(chain: Chain, poor: int) -> None:
    """What was used is posted for all, and nobody holds more than is left of what was held."""
    await chain.books.do(*chain.step(RESERVE, holds=500))
    holds = [600] * 4
    holds[poor] = 1000

    assert await chain.books.do(*chain.step(RENEW, 200, holds)) == ["short"] * 4
    assert await chain.balances() == [800, -200, -200, -200]
    assert await chain.available() == [500] * 4  # 300 of each are still held


async def test_a_short_renewal_sent_again_is_short_again(chain: Chain) -> None:
    """The same ids post nothing twice, and get the first answers."""
    await chain.books.do(*chain.step(RESERVE, holds=500))
    renew = chain.step(RENEW, 200, [600, 600, 600, 5000])
    assert await chain.books.do(*renew) == ["short"] * 4
    top_up = request(TransferKind.TOPUP, chain.books.source, chain.books.payer, amount=9000)
    await chain.books.do(top_up)
    assert await chain.books.do(*renew) == ["short"] * 4
    assert await chain.available() == [9500, 500, 500, 500]


async def test_a_renewal_with_an_error_posts_nothing(chain: Chain) -> None:
    """Short is for want of money; a payer whose reservation is gone fails the whole step."""
    await chain.books.do(*chain.step(RESERVE, holds=500))
    await chain.books.do(chain.step(SETTLE)[1])
    with pytest.raises(ReservationUnknown):
        await chain.books.do(*chain.step(RENEW, 200, 5000))
    assert await chain.balances() == [1000, 0, 0, 0]


async def test_a_denied_step_beside_a_renewal_posts_nothing(chain: Chain) -> None:
    """Only a step of renewals alone may come out short; one with a fee is refused whole."""
    await chain.books.do(*chain.step(RESERVE, holds=500))
    renew = chain.step(RENEW, 200, 600)[0]
    fee = request(TransferKind.FEE, chain.payers[1], chain.books.payee, amount=501)
    assert await chain.books.do(renew, fee) == ["step_refused", "denied"]
    renew, fee = replace(renew, hold_micros=5000), replace(fee, amount_micros=1)
    assert await chain.books.do(renew, fee) == ["denied", "step_refused"]
    assert await chain.balances() == [1000, 0, 0, 0]


async def test_one_account_may_pay_twice_in_a_step(chain: Chain) -> None:
    """Two debits of one account in a step are checked together."""
    legs = [uuid.uuid4(), uuid.uuid4()]
    payer, payee = chain.books.payer, chain.books.payee
    step = [request(RESERVE, payer, payee, hold=501, reservation=leg) for leg in legs]
    assert await chain.books.do(*step) == ["step_refused", "denied"]
    step = [request(RESERVE, payer, payee, hold=500, reservation=leg) for leg in legs]
    assert await chain.books.do(*step) == ["granted", "granted"]


async def test_a_settlement_with_a_refund_is_one_step(chain: Chain) -> None:
    """What was posted too much comes back with the settlement, out of the payee's account."""
    books = chain.books
    leg = await books.reserve(500)
    await books.do(request(RENEW, books.payer, books.payee, amount=300, hold=200, reservation=leg))
    settle = request(SETTLE, books.payer, books.payee, reservation=leg)
    refund = request(TransferKind.REFUND, books.payee, books.payer, amount=100, reservation=leg)
    assert await books.do(settle, refund) == ["granted", "granted"]
    assert (await books.standing()).available_micros == 800
