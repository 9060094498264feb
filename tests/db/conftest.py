"""Fixtures that several modules of this folder use."""

from collections.abc import AsyncIterator

import pytest

from callctl import clock
from callctl.db.pool import Database
from callctl.directory.models import Tenant
from callctl.ledger import Teller
from tests.db.ledger_desk import open_account, unbalanced
from tests.db.till import FakeClock, Till


@pytest.fixture
async def till(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    """A tenant without money, warned at 60 and 15 seconds."""
    time = FakeClock()
    monkeypatch.setattr(clock, "monotonic", time.monotonic)
    teller = Teller(database)
    await teller.start()
    payer = await open_account(database, "tenant:t")
    revenue = await open_account(database, "revenue:CNY", "revenue")
    source = await open_account(database, "clearing:CNY", "clearing")
    tenant = Tenant("t", "zh", "Asia/Shanghai", payer, "tenant:t", revenue, "CNY", (60, 15))
    yield Till(database, teller, tenant, source, time)
    await teller.stop()
    assert await unbalanced(database) == []
