"""Everything a demo call needs: callers, a carrier, Asterisk, the database; and its witnesses.

Made by tests/demo/__main__.py around a Stack, and by tests/plugins/world.py for the tests.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from callctl import clock
from callctl.ari.client import AriClient
from callctl.db.pool import Database
from callctl.ledger import Outcome, Teller, TransferKind, TransferRequest
from callctl.ledger.requests import Urgency
from callctl.stack.processes import Child
from callctl.values.ids import new_id
from callctl.values.money import parse_micros
from callctl.views import Account, Cdr, CdrFilter, CdrLeg, Views
from tests.agents import Caller, Carrier, PlacedCall

Found = TypeVar("Found")
_LOOK_SECONDS = 0.05


@dataclass
class World:
    """One installation with people at its telephones."""

    sip_port: int
    carrier: Carrier
    caller: Caller
    database: Database
    ari: AriClient
    its_switch: Child | None = None  # callctl's, for whoever wants to kill it
    switch_settings: Mapping[str, str] = field(default_factory=dict)
    happened: list[tuple[float, str]] = field(default_factory=list)  # clock.monotonic(), what
    unproven: frozenset[str] = frozenset()  # proofs of the audit that this story breaks
    views: Views = field(init=False)

    def __post_init__(self) -> None:
        """The views read what callctl wrote."""
        self.views = Views(self.database)

    async def call(self, did: str, from_number: str) -> PlacedCall:
        """Dial a 400 number as the carrier would hand the call to us."""
        return await self.caller.call(
            did, server=("127.0.0.1", self.sip_port), from_number=from_number
        )

    async def cdr(self, call: PlacedCall, seconds: float = 8.0) -> Cdr:
        """The CDR of a call, found by its SIP Call-ID."""

        async def look() -> Cdr | None:
            cdrs = await self.views.cdrs(CdrFilter(limit=200))
            return next((cdr for cdr in cdrs if cdr.sip_call_id == call.sip_call_id), None)

        return await eventually(look, f"a CDR for {call.timeline.name}", seconds)

    async def talk_noted(self) -> None:
        """Wait until the row of the oldest live call says that it talks."""

        async def look() -> bool | None:
            live = await self.views.live_calls()
            return True if live and live[0].stage == "talking" else None

        await eventually(look, "the talk to be noted", 3)

    async def account(self, tenant: str) -> Account:
        """A tenant's account as it stands."""
        return await self.views.account(f"tenant:{tenant}")

    async def top_up(self, tenant: str, amount: str) -> None:
        """Credit a tenant's account."""
        await self._move(TransferKind.TOPUP, "clearing:CNY", f"tenant:{tenant}", amount)

    async def pay_out(self, tenant: str, amount: str) -> None:
        """Take money out of a tenant's account."""
        await self._move(TransferKind.REFUND, f"tenant:{tenant}", "clearing:CNY", amount)

    async def _move(self, kind: TransferKind, payer: str, payee: str, amount: str) -> None:
        rows = await self.database.fetch("SELECT id, name FROM accounts")
        ids = {row["name"]: row["id"] for row in rows}
        transfer = TransferRequest(
            id=new_id(),
            kind=kind,
            from_account_id=ids[payer],
            to_account_id=ids[payee],
            amount_micros=parse_micros(amount),
        )
        teller = Teller(self.database)
        await teller.start()
        [answer] = await teller.submit([transfer], Urgency.SETTLE)
        await teller.stop()
        assert answer.outcome is Outcome.GRANTED

    async def kill_switch(self) -> None:
        """End callctl's switch as kill -9 does."""
        assert self.its_switch is not None
        await self.its_switch.kill()
        self.happened.append((clock.monotonic(), "is killed (kill -9)"))

    async def start_switch(self) -> None:
        """Start it again; returns when it has taken up what it found."""
        assert self.its_switch is not None
        await self.its_switch.start(self.switch_settings)
        self.happened.append((clock.monotonic(), "was started again"))

    async def followed(self, revision_id: int, seconds: float = 3.0) -> None:
        """Wait until the switch has loaded this revision of the directory: calls tell which."""

        async def look() -> bool | None:
            call = await self.call("4000000000", "01062009999")  # no number of anybody's
            await call.ended()
            revision = (await self.cdr(call)).revision_id or 0
            return True if revision >= revision_id else None

        await eventually(look, f"revision {revision_id} to be followed", seconds)

    async def nothing_left(self, seconds: float = 5.0) -> None:
        """No channel, bridge, live call, held money or open reservation is left over."""

        async def look() -> bool | None:
            channels, bridges = await self.ari.channels.list(), await self.ari.bridges.list()
            live = await self.views.live_calls()
            held = [a for a in await self.views.accounts() if a.held_micros or a.open_reservations]
            return None if channels or bridges or live or held else True

        await eventually(look, "nothing to be left over", seconds)


async def eventually(
    look: Callable[[], Awaitable[Found | None]], what: str, seconds: float
) -> Found:
    """Look again and again until there is something; fails after `seconds`."""
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        found = await look()
        if found is not None:
            return found
        await clock.sleep(_LOOK_SECONDS)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def billed_as_talked(leg: CdrLeg, call: PlacedCall) -> None:
    """The leg has the time that its telephone saw, and is billed by the second, each one begun.

    Not by the telephone's seconds: two clocks may disagree by which one was begun last.
    """
    assert call.answered_at is not None
    assert call.ended_at is not None
    seconds = call.ended_at - call.answered_at
    assert abs(float(leg.talk_seconds) - seconds) < 0.5, f"{seconds:.3f} s: {leg}"
    assert leg.billed_seconds == math.ceil(leg.talk_seconds), leg
