"""Callbacks in PostgreSQL: asked for once, claimed by one switch, freed when it dies."""

import asyncio
import uuid
from typing import Any

import pytest

from callctl.callbacks import CallbackRequest, Callbacks, CallbackState
from callctl.callbacks.store import ATTEMPTS_MAX, Since
from callctl.db.pool import Database
from callctl.directory.answering import LINES_GROUP, Target, TargetKind
from callctl.directory.models import Answering, Did, Tenant
from callctl.values.ids import new_id
from callctl.values.phone_number import PhoneNumber
from callctl.values.tariff import Tariff
from tests.db.ledger_desk import open_account

HERE, THERE = "switch-1", "switch-2"
CALLER = PhoneNumber.parse("13800138000")
DID = Did(
    number="4001234567",
    tenant=Tenant("acme", "zh", "Asia/Shanghai", 1, "tenant:acme", 2, "CNY", ()),
    tariff=Tariff("retail", 1, "CNY", ()),
    answering=Answering(),
    default=Target(TargetKind.GROUP, LINES_GROUP),
)


@pytest.fixture
def callbacks(database: Database) -> Callbacks:
    """The store over the test's database."""
    return Callbacks(database)


async def ask(callbacks: Callbacks, caller: PhoneNumber = CALLER, **told: Any) -> CallbackRequest:
    """Have somebody called back who waits for no callback yet."""
    told = {"call_id": new_id(), "group_name": "support", "line": None, "by": "ann", **told}
    request = await callbacks.ask(DID, caller, **told)
    assert request is not None
    return request


async def begun(callbacks: Callbacks, request: CallbackRequest) -> CallbackRequest:
    """The callback as a call of this switch."""
    claimed = await callbacks.claim(HERE)
    assert claimed is not None
    assert claimed.id == request.id
    calling = await callbacks.begin(claimed, HERE, new_id())
    assert calling is not None
    return calling


async def lapse(database: Database) -> None:
    """What time does to the claims of a switch that has died."""
    await database.execute("UPDATE callbacks SET lease_until = now() WHERE lease_until IS NOT NULL")


async def due(database: Database) -> None:
    """What time does to a callback that is to be tried again."""
    await database.execute("UPDATE callbacks SET not_before = now()")


async def end_call(
    database: Database, call_id: uuid.UUID | None, disposition: str, ended_by: str, **more: Any
) -> None:
    """The CDR of a callback's call, or of another."""
    columns = {"direction": "callback", "answered_at": None, "caller": CALLER.text} | more
    await database.execute(
        "INSERT INTO cdrs (call_id, did, tenant, caller, area_code, area, line, disposition,"
        " hangup_cause, ended_by, setup_at, answered_at, ended_at, ring_seconds, talk_seconds,"
        " cost_micros, currency, sip_call_id, trace, direction)"
        " VALUES ($1, '4001234567', 'acme', $2, '', '', NULL, $3, 16, $4, now(), $5, now(), 0, 0,"
        " 0, 'CNY', '', '[]', $6)",
        call_id,
        columns["caller"],
        disposition,
        ended_by,
        columns["answered_at"],
        columns["direction"],
    )


async def stand(callbacks: Callbacks, request: CallbackRequest) -> tuple[str, str]:
    """State and reason as they are now."""
    now = await callbacks.read(request.id)
    assert now is not None
    return now.state, now.reason


async def test_a_caller_is_asked_for_once(callbacks: Callbacks) -> None:
    """Of many who ask at once for one caller of one number one succeeds."""
    asking = [
        callbacks.ask(DID, CALLER, call_id=new_id(), group_name=None, line="desk", by=f"{n}")
        for n in range(8)
    ]
    got = [one for one in await asyncio.gather(*asking) if one is not None]

    assert len(got) == 1
    assert (got[0].state, got[0].line, got[0].attempts) == (CallbackState.WAITING, "desk", 0)
    assert await ask(callbacks, PhoneNumber.parse("13900139000"))


async def test_two_switches_never_claim_the_same(callbacks: Callbacks) -> None:
    """Ten callbacks and twenty claims at once by two switches: each is had once."""
    asked = {(await ask(callbacks, PhoneNumber.parse(f"1380013800{n}"))).id for n in range(10)}
    claims = [callbacks.claim(HERE if n % 2 else THERE) for n in range(20)]
    got = [one.id for one in await asyncio.gather(*claims) if one is not None]

    assert len(got) <= len(asked)
    while (one := await callbacks.claim(HERE)) is not None:
        got.append(one.id)
    assert sorted(got) == sorted(asked)


async def test_a_dead_switch_frees_its_claim(callbacks: Callbacks, database: Database) -> None:
    """Nobody else gets it while the lease stands; after it another switch does."""
    request = await ask(callbacks)
    assert await callbacks.claim(HERE) is not None
    await callbacks.clear()
    assert await callbacks.claim(THERE) is None

    await lapse(database)
    await callbacks.renew(THERE, [request.id])
    await callbacks.clear()
    assert await stand(callbacks, request) == ("waiting", "interrupted")
    await due(database)
    again = await callbacks.claim(THERE)
    assert again is not None
    assert again.attempts == 2


async def test_who_renews_keeps_his_claim(callbacks: Callbacks, database: Database) -> None:
    """A lease that was about to lapse stands again."""
    request = await ask(callbacks)
    await callbacks.claim(HERE)
    await lapse(database)
    await callbacks.renew(HERE, [request.id])
    await callbacks.clear()

    assert await stand(callbacks, request) == ("claimed", "")


async def test_a_caller_who_was_rung_is_not_rung_again(
    callbacks: Callbacks, database: Database
) -> None:
    """A switch that dies after it rang the caller has spent the callback."""
    request = await begun(callbacks, await ask(callbacks))
    assert await callbacks.note(request, HERE, "caller rings", is_caller_rung=True)
    await lapse(database)
    await callbacks.clear()

    assert await stand(callbacks, request) == ("failed", "interrupted")


async def test_the_caller_is_not_rung_once_the_claim_has_lapsed(
    callbacks: Callbacks, database: Database
) -> None:
    """A switch that was frozen learns, before it rings the caller, that he is not its own."""
    request = await begun(callbacks, await ask(callbacks))
    await lapse(database)
    assert not await callbacks.note(request, HERE, "caller rings", is_caller_rung=True)

    await callbacks.clear()
    await due(database)
    assert await callbacks.claim(THERE) is not None
    assert not await callbacks.note(request, HERE, "caller rings", is_caller_rung=True)


@pytest.mark.parametrize(
    ("is_promised", "disposition", "ended_by", "state"),
    [
        (False, "answered", "caller", "done"),
        (True, "answered", "line", "done"),
        (False, "no_answer", "no_line", "failed"),
        (True, "no_answer", "no_line", "waiting"),
        (False, "failed", "shutdown", "waiting"),
        (False, "lost", "recovery", "waiting"),
    ],
)
async def test_what_became_of_it_is_in_its_cdr(
    callbacks: Callbacks,
    database: Database,
    is_promised: bool,
    disposition: str,
    ended_by: str,
    state: str,
) -> None:
    """A talk is done; without a line what was promised is tried again, else it has failed."""
    request = await begun(callbacks, await ask(callbacks, is_promised=is_promised))
    await end_call(database, request.callback_call_id, disposition, ended_by)
    settled = await callbacks.settle(request)

    assert settled is not None
    assert settled.state == state
    assert settled.reason == ("" if state == "done" else ended_by)
    assert await callbacks.claim(HERE) is None, "not at once again"
    assert await callbacks.settle(request) is None


async def test_tries_are_counted(callbacks: Callbacks, database: Database) -> None:
    """A promise that no line keeps fails after ATTEMPTS_MAX attempts."""
    request = await ask(callbacks, is_promised=True)
    for attempt in range(ATTEMPTS_MAX):
        await due(database)
        calling = await begun(callbacks, request)
        assert calling.attempts == attempt + 1
        await end_call(database, calling.callback_call_id, "no_answer", "no_line")
        await callbacks.settle(calling)

    assert await stand(callbacks, request) == ("failed", "no_line")


async def test_it_expires(callbacks: Callbacks, database: Database) -> None:
    """Nobody is called a day later; a new request may then be made."""
    request = await ask(callbacks)
    await database.execute("UPDATE callbacks SET expires_at = now()")
    assert await callbacks.claim(HERE) is None
    await callbacks.clear()

    assert await stand(callbacks, request) == ("expired", "nobody called back in time")
    await ask(callbacks)


async def test_a_live_call_is_left_alone(callbacks: Callbacks, database: Database) -> None:
    """While its call has a live row a lapsed callback is not tried by anybody."""
    request = await begun(callbacks, await ask(callbacks))
    await live(database, request.callback_call_id, "callback")
    await lapse(database)
    await callbacks.clear()

    assert await stand(callbacks, request) == ("calling", "")


async def live(database: Database, call_id: uuid.UUID | None, direction: str) -> None:
    """A live call of the caller's."""
    account_id = await open_account(database, f"tenant:{direction}")
    await database.execute(
        "INSERT INTO live_calls (call_id, did, tenant, account_id, caller, area, stage, setup_at,"
        " a_channel_id, revision_id, charges, counts, reservations, direction, line)"
        " VALUES ($1, '4001234567', 'acme', $4, $2, '', 'ringing', now(), 'a', 1, '[]', '[]',"
        " '{}', $3, 'desk')",
        call_id,
        CALLER.text,
        direction,
        account_id,
    )


async def test_who_calls_again_himself(callbacks: Callbacks, database: Database) -> None:
    """A later answered call of his is known; so is one that lives now; a missed one is nothing."""
    request = await ask(callbacks)
    await end_call(database, new_id(), "no_answer", "no_line", direction="inbound")
    assert await callbacks.since(request) is Since.NOTHING
    await live(database, new_id(), "inbound")
    assert await callbacks.since(request) is Since.CALLING
    await end_call(
        database,
        new_id(),
        "answered",
        "caller",
        direction="inbound",
        answered_at=request.requested_at,
    )
    assert await callbacks.since(request) is Since.ANSWERED


async def test_what_is_given_back_costs_no_attempt(
    callbacks: Callbacks, database: Database
) -> None:
    """A claim whose caller is in a call just now is had again a little later."""
    request = await ask(callbacks)
    claimed = await callbacks.claim(HERE)
    assert claimed is not None
    await callbacks.give_back(claimed, HERE, 5)
    assert await callbacks.claim(HERE) is None
    await due(database)

    again = await callbacks.claim(THERE)
    assert again is not None
    assert (again.id, again.attempts) == (request.id, 1)
    await callbacks.end(again, THERE, CallbackState.DONE, "called again")
    assert await stand(callbacks, request) == ("done", "called again")


async def test_a_place_in_a_queue_is_claimed_by_name(callbacks: Callbacks) -> None:
    """What waits for its turn in a queue is none of the others' business."""
    request = await ask(callbacks, is_promised=True, keeps_place=True)
    assert await callbacks.claim(HERE) is None
    assert [one.id for one in await callbacks.keeping_places()] == [request.id]

    assert await callbacks.claim(HERE, request.id) is not None
    assert await callbacks.claim(THERE, request.id) is None


async def test_what_happened_is_told_in_order(callbacks: Callbacks, database: Database) -> None:
    """The history, and the line of the live call, are what --wait prints."""
    request = await begun(callbacks, await ask(callbacks))
    await live(database, request.callback_call_id, "callback")
    for what in ("line desk answered", "caller rings"):
        assert await callbacks.note(request, HERE, what)

    now = await callbacks.read(request.id)
    assert now is not None
    assert [one.what for one in now.history] == ["line desk answered", "caller rings"]
    assert now.live_line == "desk"
