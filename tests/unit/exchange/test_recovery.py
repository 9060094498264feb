"""In which order recovery does its work."""

import uuid
from types import SimpleNamespace
from typing import Any, cast

from callctl.exchange import Recovery
from callctl.exchange.recovery import Abandoned

TALKING, WAITING = uuid.UUID(int=1), uuid.UUID(int=2)


class _Lines:
    """The seats of lines, and those who go on, in the order of what is done for them."""

    def __init__(self) -> None:
        self.done: list[tuple[str, list[uuid.UUID]]] = []

    async def keep_seats(self, call_ids: list[uuid.UUID]) -> None:
        """See LineBook."""
        self.done.append(("kept", call_ids))

    async def release_seats(self, call_ids: list[uuid.UUID]) -> None:
        """See LineBook."""
        self.done.append(("released", call_ids))

    def adopt(self, call: Any, _record: object, _money: object) -> None:
        """See Exchange."""
        self.done.append(("goes on", [call.call_id]))


async def test_lines_are_kept_before_anybody_waits_for_them() -> None:
    """After a long outage the lease of a seat is over: a waiting caller must not be rung there."""
    lines = _Lines()
    rows = [
        {"call_id": WAITING, "setup_at": 1, "stage": "queued"},
        {"call_id": TALKING, "setup_at": 2, "stage": "talking"},
    ]

    def adopt(row: dict[str, Any]) -> Any:
        leg = object() if row["call_id"] == TALKING else None
        call = SimpleNamespace(call_id=row["call_id"], b_leg=leg)
        return SimpleNamespace(call=call, record=None, resumed=None)

    async def nothing(*_: object) -> None:
        pass

    desk = SimpleNamespace(lines=lines, teller=None)
    recovery = Recovery(
        *(cast(Any, None), cast(Any, None), cast(Any, desk), cast(Any, lines)),
        *(Abandoned(cast(Any, rows), []),),
        legs_path=None,
    )
    replaced = cast(Any, recovery)

    async def adopter(_: object) -> Any:
        return SimpleNamespace(adopt=adopt)

    replaced._adopter, replaced._end_others = adopter, nothing
    await recovery.run()
    assert lines.done[:2] == [("kept", [TALKING]), ("released", [WAITING])]
    assert {name for name, _ in lines.done[2:]} == {"goes on"}
