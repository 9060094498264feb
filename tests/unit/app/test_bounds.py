"""How long the works beside the calls wait for each other, and how much they show or read."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl import clock
from callctl.app import commands, database, metrics, services
from callctl.app.commands import Commands
from callctl.app.database import connected
from callctl.cdr import Stage
from callctl.db import commands as db_commands
from callctl.db import pool
from callctl.db.commands import Command, Verb
from callctl.errors import DatabaseUnavailable
from callctl.values.ids import new_id

_SOON = 0.05


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await clock.sleep(0.001)


class Operator:
    """What PostgreSQL has of commands, and a switch whose calls never end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks, self.live_count = 0, 3
        self.noted: list[str | None] = []
        self.drained = asyncio.Event()
        monkeypatch.setattr(db_commands, "take", self.take)
        monkeypatch.setattr(db_commands, "note", self.note)
        made: Any = (None, "", None, self)
        self.commands = Commands(*made, on_drained=self.drained.set)

    async def take(self, *_: object) -> None:
        self.looks += 1

    async def note(self, *_: object, outcome: str | None, **__: object) -> None:
        self.noted.append(outcome)


async def test_a_command_whose_notification_got_lost_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is looked again, whatever was heard."""
    monkeypatch.setattr(commands, "_POLL_SECONDS", 0.01)
    operator = Operator(monkeypatch)
    taking = asyncio.create_task(operator.commands._take())
    await _until(lambda: operator.looks >= 3)
    taking.cancel()
    await asyncio.wait([taking])


async def test_a_drain_waits_no_longer_than_wished(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls that are left then go on in the next run of the switch."""
    monkeypatch.setattr(commands, "_COUNT_SECONDS", 0.01)
    operator = Operator(monkeypatch)
    async with asyncio.timeout(5):
        await operator.commands._drain(Command(new_id(), Verb.DRAIN, None, _SOON))
    assert operator.drained.is_set()
    assert operator.noted == [None, "calls handed over: 3"]


async def test_the_time_between_two_tries_does_not_grow_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a long outage PostgreSQL is found as soon as after a short one."""
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    async def migrate(_dsn: str) -> None:
        if len(naps) < 20:
            raise DatabaseUnavailable("away")

    async def connect(*_: object, **__: object) -> None:
        pass

    monkeypatch.setattr(clock, "sleep", nap)
    monkeypatch.setattr(database, "migrate", migrate)
    monkeypatch.setattr(pool, "connect", connect)
    settings: Any = SimpleNamespace(database_pool_size=2, database_timeout_seconds=5.0)
    await connected(settings, "")
    assert (naps[0], max(naps)) == (0.5, 5.0)


async def test_of_many_queues_the_longest_are_shown() -> None:
    """However many tenants there are, so many series and no more."""
    lengths = {("acme", f"g{number}"): number for number in range(300)}
    parts: Any = SimpleNamespace(
        exchange=SimpleNamespace(stages=lambda: dict.fromkeys(Stage, 0), adopted_count=0),
        services=SimpleNamespace(
            desk=SimpleNamespace(
                queues=SimpleNamespace(lengths=lambda: lengths),
                lines=SimpleNamespace(resting_count=lambda _: 0),
            )
        ),
    )
    parts.exchange.is_draining = False
    [waiting] = [one for one in metrics._calls(parts) if one.name == "callctl_queue_waiting"]
    shown = [sample.value for sample in waiting.samples]
    assert shown == list(range(299, 199, -1))


async def test_overdue_reservations_are_read_in_parts() -> None:
    """A flood of them, after an outage, is no flood for the ledger."""
    asked: list[int] = []

    async def expire_due(limit: int) -> int:
        asked.append(limit)
        return 0

    giving = asyncio.create_task(
        services._give_back_overdue(cast(Any, SimpleNamespace(expire_due=expire_due)))
    )
    await _until(lambda: bool(asked))
    giving.cancel()
    await asyncio.wait([giving])
    assert asked == [1000]


@pytest.mark.parametrize(("seconds", "takes_writes"), [(0.0, True), (1.9, True), (2.1, False)])
@pytest.mark.parametrize("is_teller", [True, False])
def test_who_writes_nothing_for_longer_takes_no_calls(
    seconds: float, takes_writes: bool, is_teller: bool
) -> None:
    """A full disk lets PostgreSQL read on, and new callers would wait for their money in vain."""
    silent, well = (
        cast(Any, SimpleNamespace(load=SimpleNamespace(silent_seconds=one))) for one in (seconds, 0)
    )
    found = (silent, well) if is_teller else (well, silent)
    assert services._takes_writes(*found) is takes_writes
