"""How many calls of an earlier run are ended at a time."""

import asyncio
import uuid
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl.exchange import Recovery, recovery
from callctl.exchange.recovery import Abandoned


async def test_calls_are_ended_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash under full load they do not all ask Asterisk and PostgreSQL at once."""
    monkeypatch.setattr(recovery, "_AT_ONCE_MAX", 2)
    under_way = most = ended = 0

    async def end(_row: object, _adopter: object) -> None:
        nonlocal under_way, most, ended
        under_way += 1
        most = max(most, under_way)
        for _ in range(10):  # turns of the loop, in which another might begin
            await asyncio.sleep(0)
        under_way -= 1
        ended += 1

    async def adopter(_: object) -> Any:
        return SimpleNamespace(adopt=lambda _: None)

    rows = [{"call_id": uuid.UUID(int=n), "setup_at": n, "stage": "ringing"} for n in range(6)]
    nobody, desk = cast(Any, None), cast(Any, SimpleNamespace(lines=None, teller=None))
    abandoned = Abandoned(cast(Any, rows), [])
    made = Recovery(nobody, nobody, desk, nobody, abandoned, legs_path=None)
    replaced = cast(Any, made)
    replaced._adopter, replaced._end = adopter, end
    await made.run()
    assert (most, ended) == (2, 6)
