"""What PostgreSQL is told of how many callbacks are read, and how long they wait or are claimed."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl.callbacks import Callbacks
from callctl.values.ids import new_id
from callctl.values.phone_number import PhoneNumber

SWITCH = "switch-1"


class Database:
    """Notes what is told with a statement, and has no rows."""

    def __init__(self) -> None:
        self.told: list[object] = []

    async def fetch(self, _sql: str, *told: object) -> list[Any]:
        """See Database."""
        self.told += told
        return []

    async def fetchrow(self, _sql: str, *told: object) -> None:
        """See Database."""
        self.told += told

    async def execute(self, _sql: str, *told: object) -> None:
        """See Database."""
        self.told += told


def _ask(callbacks: Callbacks, *, keeps_place: bool) -> Awaitable[object]:
    did: Any = SimpleNamespace(tenant=SimpleNamespace(name="acme"), number="4001234567")
    return callbacks.ask(
        *(did, PhoneNumber.parse("13800138000")),
        call_id=new_id(),
        group_name="support",
        line=None,
        by="ann",
        keeps_place=keeps_place,
    )


@pytest.mark.parametrize(
    ("act", "bound"),
    [
        (lambda one: one.keeping_places(), 1000),
        (lambda one: one.claim(SWITCH), 30.0),
        (lambda one: one.renew(SWITCH, [new_id()]), 30.0),
        (lambda one: _ask(one, keeps_place=False), 86_400),
        (lambda one: _ask(one, keeps_place=True), 7_200),
        (lambda one: one.clear(), 20),
    ],
    ids=["places read", "claim", "renewed claim", "callback", "place kept", "attempts"],
)
async def test_postgresql_is_told_the_bound(
    act: Callable[[Callbacks], Awaitable[object]], bound: float
) -> None:
    """A flood of callbacks is read in parts, a dead switch's claim ends, none lives for ever."""
    database = Database()
    await act(Callbacks(cast(Any, database)))
    assert bound in database.told
