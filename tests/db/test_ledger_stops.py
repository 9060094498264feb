"""PostgreSQL ended at once, again and again, below tellers with writers.

Nothing is lost, nothing doubled, and what became of every lost answer is found out by sending the
same id again.
"""

import asyncio
import os
import random
import signal
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from callctl import clock
from callctl.db.embedded import EmbeddedPostgres
from callctl.db.migrate import migrate
from callctl.db.pool import Database, connect
from callctl.errors import DatabaseUnavailable
from callctl.ledger import Answer, Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from tests.db.ledger_desk import open_account, request, unbalanced
from tests.db.ledger_proofs import SECONDS_MAX, STOPS
from tests.plugins.database import free_port

RESERVE, RENEW, SETTLE = TransferKind.RESERVE, TransferKind.RENEW, TransferKind.SETTLE

_WRITERS = 24
_STEPS_BETWEEN_STOPS = 400
_HASTY_SECONDS = 0.15  # shorter than a restart: this teller's callers hear DatabaseUnavailable


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedPostgres]:
    """A durable server of this test's own, on disk."""
    with TemporaryDirectory(prefix="callctl-stops-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - the server's user must enter
        async with EmbeddedPostgres(Path(folder), free_port(), durable=True) as server:
            await migrate(server.dsn)
            yield server


@dataclass
class Writers:
    """Legs on one account, and what their callers know of them."""

    payer: int
    payee: int
    acknowledged: dict[uuid.UUID, tuple[TransferRequest, str]] = field(default_factory=dict)
    ambiguous: list[uuid.UUID] = field(default_factory=list)
    crashed: int = 0
    are_ending: bool = False
    progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def go_on(self, steps: int) -> None:
        """Return when that many more steps are acknowledged."""
        wanted = len(self.acknowledged) + steps
        async with self.progress:
            await self.progress.wait_for(lambda: len(self.acknowledged) >= wanted)

    async def talk(self, teller: Teller, chance: random.Random) -> None:
        """One leg after another, each step's money and outcome noted when it is known."""
        while not self.are_ending:
            leg = uuid.uuid4()
            reserve = self._request(RESERVE, leg, hold=30)
            if (await self._done(teller, reserve, chance)).outcome == "granted":
                await self._done(teller, self._request(RENEW, leg, amount=7, hold=30), chance)
                await self._done(teller, self._request(SETTLE, leg, amount=5), chance)

    def _request(self, kind: TransferKind, leg: uuid.UUID, **what: Any) -> TransferRequest:
        return request(kind, self.payer, self.payee, reservation=leg, **what)

    async def _done(self, teller: Teller, one: TransferRequest, chance: random.Random) -> Answer:
        """Send it until it is answered; now and then its caller crashes, and another sends it."""
        if chance.random() < 0.05:
            await self._crash(teller, one, chance.randrange(5))
        while True:
            try:
                [answer] = await teller.submit([one], Urgency.RESERVE)
            except DatabaseUnavailable:
                self.ambiguous.append(one.id)
                await clock.sleep(0.01)  # as a caller would
                continue
            self.acknowledged[one.id] = (one, answer.outcome)
            async with self.progress:
                self.progress.notify_all()
            return answer

    async def _crash(self, teller: Teller, one: TransferRequest, turns: int) -> None:
        self.crashed += 1
        task = asyncio.create_task(teller.submit([one], Urgency.RESERVE))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.timeout(SECONDS_MAX)
async def test_stops_of_postgresql_lose_and_double_nothing(
    server: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every acknowledged step is there, every unclear one is cleared up, and the books agree."""
    database = await connect(server.dsn, size=6, timeout_seconds=5)
    writers = Writers(
        await open_account(database, "tenant:t", credit_limit_micros=10**12),
        await open_account(database, "revenue:CNY", "revenue"),
    )
    patient, hasty = Teller(database), Teller(database)
    hasty._batcher._deadline_seconds = _HASTY_SECONDS
    for teller in (patient, hasty):
        await teller.start()
    tasks = [
        asyncio.create_task(writers.talk((patient, hasty)[n % 2], random.Random(n)))
        for n in range(_WRITERS)
    ]

    for _ in range(STOPS):
        await writers.go_on(_STEPS_BETWEEN_STOPS)
        os.kill(server.process_id, signal.SIGQUIT)  # the immediate stop: no goodbye, no checkpoint
        await server.stop()
        await server.start()
    writers.are_ending = True
    await asyncio.gather(*tasks)
    for teller in (patient, hasty):
        await teller.stop()

    with capsys.disabled():
        print("\n" + await _compare(database, writers))
    await database.close()


async def _compare(database: Database, writers: Writers) -> str:
    """The ledger against what the callers were told; what there was, in words."""
    rows = await database.fetch("SELECT id, kind, amount_micros, is_short FROM transfers")
    written = {row["id"]: row for row in rows}
    assert {outcome for _, outcome in writers.acknowledged.values()} == {"granted"}
    assert writers.acknowledged.keys() == written.keys()
    for one, _ in writers.acknowledged.values():
        assert written[one.id]["amount_micros"] == one.amount_micros
    spent = sum(one.amount_micros for one, _ in writers.acknowledged.values())
    rows = await database.fetch("SELECT balance_micros, held_micros FROM accounts ORDER BY id")
    assert [tuple(row) for row in rows] == [(-spent, 0), (spent, 0)]
    assert await unbalanced(database) == []
    assert writers.ambiguous, "no answer got lost: the stops proved nothing"
    assert writers.crashed
    return (
        f"{STOPS} stops: {len(written)} steps acknowledged and written, "
        f"{len(set(writers.ambiguous))} unclear ones cleared up, {writers.crashed} callers crashed"
    )
