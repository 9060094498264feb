"""The one wait of queues: for something that may never come."""

import asyncio
from typing import cast

from callctl.db.pool import Database
from callctl.queues import LineBook, Queues


async def test_callbacks_are_looked_at_though_nothing_has_changed() -> None:
    """A queue's opening hour comes without any news: the wait for these has an end."""
    nobody = cast(Database, None)
    queues = Queues(nobody, "", LineBook(nobody, ""), is_open=lambda *_: True)
    async with asyncio.timeout(5):
        await queues.callbacks_may_be_due(0.02)
