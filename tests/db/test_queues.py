"""The order of those who wait, with two switches on one database, against a tiny oracle."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest

from callctl import clock
from callctl.db.pool import Database
from callctl.queues import Place
from callctl.values.line_state import QueueState
from tests.db.waiting_room import Room, Switch, after, eventually, open_room
from tests.demo.world import eventually as found


@pytest.fixture
async def room(database: Database, database_url: str) -> Room:
    """A tenant with three lines and a queue."""
    return await open_room(database, database_url)


@pytest.fixture
async def switches(room: Room) -> AsyncIterator[tuple[Switch, Switch]]:
    """Two switches."""
    async with room.switch() as one, room.switch() as other:
        yield one, other


async def _count(room: Room) -> int:
    count: int = await room.database.fetchval("SELECT count(*) FROM queue_places")
    return count


def _has_states(switch: Switch, room: Room, states: dict[str, QueueState]) -> bool:
    return switch.queues.states(room.did) == states


def _oracle(places: list[Place]) -> list[uuid.UUID]:
    """VIP callers first, then who entered first, then by call id."""
    rows = [place.row for place in places]
    rows.sort(key=lambda row: (not row.is_vip, row.entered_at, row.call_id))
    return [row.call_id for row in rows]


@pytest.mark.parametrize("seed", range(2))
async def test_crowd_is_served_in_order(
    room: Room, switches: tuple[Switch, Switch], seed: int
) -> None:
    """Of 200 callers who come and go on two switches those who stay are served in their order."""
    chance = random.Random(seed)
    staying: dict[uuid.UUID, tuple[Switch, Place]] = {}

    async def come() -> None:
        switch = chance.choice(switches)
        place = await switch.enter(room, chance.randrange(40), is_vip=chance.random() < 0.2)
        if chance.random() < 0.3:
            await switch.queues.leave(place)
        else:
            staying[place.call_id] = switch, place

    await asyncio.gather(*(come() for _ in range(200)))
    expected = _oracle([place for _, place in staying.values()])
    assert await _count(room) == len(expected)

    while staying:  # many ask at once: those who are let through are the first of all
        asking = [staying[call_id] for call_id in chance.sample(expected[:12], len(expected[:12]))]
        lines = await asyncio.gather(*(one.seat(place, room.lines) for one, place in asking))
        found = zip(lines, asking, strict=True)
        seated = {place.call_id: line for line, (_, place) in found if line is not None}
        assert set(seated) == set(expected[: len(seated)])
        assert len({line.id for line in seated.values()}) == len(seated) > 0
        for call_id in seated:
            switch, place = staying[call_id]
            await switch.lines.let_go(call_id)
            if chance.random() < 0.3:
                await switch.queues.release_claim(place)  # the line did not take the call
            else:
                await switch.queues.leave(place)
                del staying[call_id]
                expected.remove(call_id)
    assert await room.database.fetchval("SELECT count(*) FROM line_seats") == 0
    assert await _count(room) == 0
    for switch in switches:
        await eventually(partial(_has_states, switch, room, {}), "the end")


async def test_only_the_first_may_ring(room: Room, switches: tuple[Switch, Switch]) -> None:
    """Whose turn it is not waits; while the first rings it is the next one's; then his again."""
    one, other = switches
    first, second, third = [
        await switch.enter(room, at) for at, switch in ((1, one), (2, other), (3, one))
    ]
    assert not await other.claim(second)
    assert await one.claim(first)
    assert await other.claim(second)
    await one.queues.release_claim(first)
    assert not await one.claim(third)
    assert await one.claim(first)
    assert await one.claim(third)


async def test_who_is_let_through_has_a_line(room: Room, switches: tuple[Switch, Switch]) -> None:
    """The first gets the first line that is free; while none is, he keeps everybody's turn."""
    one, other = switches
    a, b, _ = room.lines
    first, second = await one.enter(room, 1), await other.enter(room, 2)
    assert await other.lines.take(a, uuid.uuid4(), capacity=1)
    assert await one.seat(first, [a]) is None
    assert await other.seat(second, [a, b]) is None
    assert await one.seat(first, [a, b]) == b
    assert one.lines.states(room.did)[b.name].live_calls == 1
    assert await one.lines.take(b, first.call_id, capacity=1), "it is his already"
    assert await other.seat(second, [a, b]) is None
    await one.lines.let_go(first.call_id)
    assert await other.seat(second, [a, b]) == b


async def test_a_seat_is_his_who_was_quicker(room: Room, switches: tuple[Switch, Switch]) -> None:
    """Of one who waits and calls that do not, on two switches, just one gets the line."""
    one, other = switches
    line = room.lines[0]
    first = await one.enter(room, 1)
    for _ in range(25):
        calls = [uuid.uuid4() for _ in range(5)]
        taken = [other.lines.take(line, call_id, capacity=1) for call_id in calls]
        seat, *others = await asyncio.gather(one.seat(first, [line]), *taken)
        assert [seat is not None, *others].count(True) == 1
        for switch, call_id in [(one, first.call_id), *((other, call_id) for call_id in calls)]:
            await switch.lines.let_go(call_id)
        await one.queues.release_claim(first)


async def test_vip_callers_come_first(room: Room, switches: tuple[Switch, Switch]) -> None:
    """A VIP who comes last is served first, and each knows his position."""
    one, other = switches
    early = await one.enter(room, 1)
    late = await one.enter(room, 2)
    vip = await other.enter(room, 3, is_vip=True)
    await eventually(lambda: early.position == 2, "the VIP to be heard of")
    assert [place.position for place in (vip, early, late)] == [1, 2, 3]
    assert not await one.claim(early)
    assert await other.claim(vip)
    assert await one.claim(early)


async def test_who_enters_at_the_same_time_has_an_order_too(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """Of two who entered in the same microsecond just one is first."""
    one, other = switches
    places = [await one.enter(room, 1), await other.enter(room, 1)]
    claims = [await one.claim(places[1]), await one.claim(places[0])]
    assert claims in ([True, True], [False, True])


async def test_a_full_queue_lets_nobody_in(room: Room, switches: tuple[Switch, Switch]) -> None:
    """Of 30 who come at once to two switches as many get a place as there are; then none."""

    async def come(number: int) -> bool:
        place = await switches[number % 2].queues.enter(
            *(room.did, room.group, uuid.uuid4()),
            caller="",
            is_vip=False,
            line_ids=[],
            length_max=7,
            on_change=lambda: None,
        )
        return place is not None

    entered = await asyncio.gather(*map(come, range(30)))
    assert sum(entered) == 7
    assert await _count(room) == 7


async def test_places_survive_a_restart(room: Room) -> None:
    """Who comes back to the next run of his switch, in any order, is where he was."""
    async with room.switch() as run:
        before = [
            await run.enter(room, at, is_vip=is_vip)
            for at, is_vip in ((1, False), (2, False), (3, True))
        ]
        assert await run.claim(before[2])  # he was ringing when the run ended
    expected = _oracle(before)
    rows = await room.database.fetch("SELECT call_id FROM queue_places ORDER BY entered_at DESC")
    async with room.switch() as run:
        newcomer = await run.enter(room, length_max=4)
        again = [
            await run.enter(room, 10 + number, call_id=row["call_id"])
            for number, row in enumerate(rows)
        ]
        assert _oracle([*again, newcomer]) == [*expected, newcomer.call_id]
        assert not await run.claim(newcomer)
        assert [place.position for place in again] == [1, 3, 2]
        assert [await run.claim(one) for one in (again[0], again[2], again[1])] == [True] * 3


async def test_a_place_whose_switch_is_gone_is_given_up(room: Room) -> None:
    """After its lease it is removed, and who was behind it is woken."""
    async with room.switch(place_seconds=0.6) as survivor:
        async with room.switch(place_seconds=0.6) as gone:
            await gone.enter(room, 1)
            mine = await survivor.enter(room, 2)
            assert not await survivor.claim(mine)
        mine.is_changed = False
        await eventually(lambda: mine.is_changed and not mine.is_blocked, "his turn", 3)
        assert mine.position == 1
        assert await survivor.claim(mine)
        assert await _count(room) == 1


async def test_a_place_lives_while_its_switch_renews_it(room: Room) -> None:
    """A wait longer than a lease keeps its place, even if its row was lost on the way."""
    async with room.switch(place_seconds=0.6) as one, room.switch(place_seconds=0.6) as other:
        first = await one.enter(room, 1, is_vip=True)
        second = await other.enter(room, 2)
        await room.database.execute("DELETE FROM queue_places")  # an outage longer than a lease
        ends_at = clock.monotonic() + 0.8
        await eventually(lambda: clock.monotonic() > ends_at, "the first lease to end", 2)
        assert await _count(room) == 2
        assert not await other.claim(second)
        assert await one.claim(first)


async def test_the_other_switch_hears_of_places(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """Within a second each switch knows how many wait at the other, and for how long."""
    one, other = switches
    assert other.queues.states(room.did) == {}
    places = [await one.enter(room, at) for at in (1, 2)]
    # three lines, 180 s each: the third waits as long as a call
    two_wait = {"support": QueueState(2, 180)}
    for switch in switches:
        await eventually(partial(_has_states, switch, room, two_wait), "two to be heard of")
    await one.claim(places[0])
    one_waits = {"support": QueueState(1, 120)}  # who rings waits no more
    await eventually(partial(_has_states, other, room, one_waits), "one to be heard of")


async def test_a_free_line_wakes_the_first_only(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """When a line is given back on any switch the first is woken, on his switch; no one else."""
    one, other = switches
    line, call_id = room.lines[1], uuid.uuid4()
    assert await other.lines.take(line, call_id, capacity=1)
    places = [await one.enter(room, at) for at in (1, 2)]
    await eventually(lambda: one.lines.states(room.did).get(line.name), "the seat")
    for place in places:
        place.is_changed = False
    await other.lines.give_back(line, call_id, is_answered=True, is_failed=False, wrap_up_seconds=0)
    await eventually(lambda: places[0].is_changed, "the first to be woken")
    assert not places[1].is_changed
    assert places[1].is_blocked


async def test_nobody_is_blocked_by_one_whom_the_free_line_does_not_serve(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """A line bound to an area is not kept waiting by a first caller from elsewhere."""
    one, other = switches
    north, south, anywhere = room.lines
    southern = await one.enter(room, 1, lines=[south, anywhere])
    northern = await other.enter(room, 2, lines=[north, anywhere])
    assert not northern.is_blocked
    assert await other.seat(northern, [north, anywhere]) is None
    assert await other.seat(northern, [north]) == north
    assert await one.seat(southern, [anywhere]) == anywhere


async def test_the_estimate_follows_the_lines(room: Room, switches: tuple[Switch, Switch]) -> None:
    """It is the mean hold, times the position, by the lines that are open and not at rest."""
    one, _ = switches
    assert one.queues.estimate_seconds(room.group, 2) == 120
    for _ in range(3):
        call_id = uuid.uuid4()
        await one.lines.take(room.lines[0], call_id, capacity=1)
        await one.lines.give_back(
            room.lines[0], call_id, is_answered=False, is_failed=True, wrap_up_seconds=0
        )
    assert one.queues.estimate_seconds(room.group, 2) == 180


async def _promise(switch: Switch, room: Room, at: float, *, seconds: float = 60) -> uuid.UUID:
    call_id = uuid.uuid4()
    await switch.queues.keep_for_callback(
        *(room.did, room.group, call_id),
        caller="01062001234",
        is_vip=False,
        line_ids=[line.id for line in room.lines],
        entered_at=after(at),
        until=clock.now() + timedelta(seconds=seconds),
    )
    return call_id


async def _claim_callback(switch: Switch, room: Room, kept: uuid.UUID) -> Place | None:
    """The place, with the first line taken for the call to him: nobody else wants that line."""
    seats = [(room.lines[0], 9)]
    claimed = await switch.queues.claim_callback(kept, room.group, seats, uuid.uuid4())
    return claimed and claimed[0]


async def test_who_is_to_be_called_back_keeps_his_place(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """He is called back by one switch when he is first and a line is free; others wait for him."""
    one, other = switches
    first = await one.enter(room, 1)
    call_id = await _promise(one, room, 2)
    last = await other.enter(room, 3)
    for switch in switches:
        assert await _claim_callback(switch, room, call_id) is None, "he is not the first"
    assert await one.claim(first)
    await one.queues.leave(first)
    assert not await other.claim(last)
    await eventually(lambda: last.position == 2, "the first to have left")
    claims = await asyncio.gather(*(_claim_callback(switch, room, call_id) for switch in switches))
    assert sorted(place is not None for place in claims) == [False, True]
    place = claims[0] or claims[1]
    assert place is not None
    assert place.call_id == call_id
    assert await other.claim(last)
    caller = one if claims[0] else other
    await caller.queues.release_claim(place)  # no line took it
    again = await _claim_callback(caller, room, call_id)
    assert again is not None
    await caller.queues.leave(again)
    await other.queues.leave(last)
    assert await _count(room) == 0


async def test_a_callback_outlives_the_switch_that_called_back(room: Room) -> None:
    """When that switch is gone he is called back by another; past his time he is forgotten."""
    async with room.switch(place_seconds=0.6) as survivor:
        async with room.switch(place_seconds=0.6) as gone:
            call_id = await _promise(gone, room, 1, seconds=4)
            assert await _claim_callback(gone, room, call_id)
        orders = survivor.queues._orders.of("t", "support")
        await eventually(lambda: orders.unblocked, "the lease to end", 3)
        place = await found(
            lambda: _claim_callback(survivor, room, call_id), "the server's clock to agree", 3
        )
        assert place.call_id == call_id
        await survivor.queues.release_claim(place)
        await eventually(lambda: not orders.rows, "his time to be over", 6)
        assert await _count(room) == 0


async def test_callers_of_an_earlier_run_who_are_gone_are_removed(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """The next run need not wait for the lease of who hung up meanwhile."""
    one, other = switches
    gone, waiting = await one.enter(room, 1), await other.enter(room, 2)
    await other.queues.release_places([gone.call_id, uuid.uuid4()])
    assert await other.claim(waiting)
    assert await _count(room) == 1


async def test_without_the_database_who_leaves_is_let_go(room: Room) -> None:
    """Leaving waits for PostgreSQL in bounds and raises nothing."""
    async with room.switch() as switch:
        place = await switch.enter(room, 1)
        switch.queues._batcher._deadline_seconds = 0.2
        await switch.database.close()
        await switch.queues.leave(place)
        assert not switch.queues._ours
