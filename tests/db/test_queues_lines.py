"""Seats, counts, rests and wrap-up of lines, with two switches on one database."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from structlog.testing import capture_logs

from callctl import clock
from callctl.db.pool import Database
from callctl.directory.answering import Line
from callctl.errors import DatabaseUnavailable
from callctl.queues import LineBook
from callctl.values.line_state import LineState
from tests.db.waiting_room import Room, Switch, eventually, open_room


@pytest.fixture
async def room(database: Database, database_url: str) -> Room:
    """A tenant with three lines."""
    return await open_room(database, database_url)


@pytest.fixture
async def switches(room: Room) -> AsyncIterator[tuple[Switch, Switch]]:
    """Two switches."""
    async with room.switch() as one, room.switch() as other:
        yield one, other


async def _end(
    book: LineBook, line: Line, call_id: uuid.UUID, *, failed: bool = False, wrap_up: int = 0
) -> None:
    await book.give_back(
        line, call_id, is_answered=not failed, is_failed=failed, wrap_up_seconds=wrap_up
    )


def _state(switch: Switch, room: Room, line: Line) -> LineState:
    return switch.lines.states(room.did).get(line.name, LineState())


def _has_calls(switch: Switch, room: Room, line: Line, count: int) -> bool:
    return _state(switch, room, line).call_count == count


async def test_never_more_calls_than_the_capacity(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """Of calls that two switches send to a line at once just as many get it as it takes."""
    chance, line = random.Random(4), room.lines[0]
    count = 0
    for _ in range(40):
        capacity = chance.randint(1, 3)
        calls = [(chance.choice(switches), uuid.uuid4()) for _ in range(8)]
        taken = await asyncio.gather(
            *(switch.lines.take(line, call_id, capacity=capacity) for switch, call_id in calls)
        )
        assert sum(taken) == capacity
        held = [call for call, is_taken in zip(calls, taken, strict=True) if is_taken]
        await asyncio.gather(*(_end(switch.lines, line, call_id) for switch, call_id in held))
        count += capacity
    assert await room.database.fetchval("SELECT count(*) FROM line_seats") == 0
    idle = LineState(call_count=count)

    def all_know() -> bool:
        states = [_state(switch, room, line) for switch in switches]
        return all(replace(state, last_call_at=None) == idle for state in states)

    await eventually(all_know, "both switches to know that the line is idle")


async def test_the_other_switch_hears_of_a_seat(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """Within a second each switch knows that the other's call has taken or left a line."""
    one, other = switches
    line, call_id = room.lines[0], uuid.uuid4()
    assert await one.lines.take(line, call_id, capacity=1)
    assert _state(one, room, line).live_calls == 1
    await eventually(lambda: _state(other, room, line).live_calls == 1, "the seat to be heard of")
    assert not await other.lines.take(line, uuid.uuid4(), capacity=1)

    await _end(one.lines, line, call_id)
    await eventually(lambda: _state(other, room, line).live_calls == 0, "the line to be free")
    assert await other.lines.take(line, uuid.uuid4(), capacity=1)


async def test_a_seat_is_free_when_its_switch_is_gone(room: Room) -> None:
    """A seat that nobody renews is free after its lease, and its line known to be idle."""
    line = room.lines[0]
    async with room.switch(seat_seconds=0.6) as survivor:
        async with room.switch(seat_seconds=0.6) as gone:
            assert await gone.lines.take(line, uuid.uuid4(), capacity=1)
            await eventually(lambda: _state(survivor, room, line).live_calls == 1, "the seat")
        assert not await survivor.lines.take(line, uuid.uuid4(), capacity=1)
        await eventually(lambda: _state(survivor, room, line).live_calls == 0, "its end", 3)
        assert await survivor.lines.take(line, uuid.uuid4(), capacity=1)


async def test_a_seat_lives_while_its_switch_renews_it(room: Room) -> None:
    """A call longer than a lease keeps its line."""
    line = room.lines[0]
    async with room.switch(seat_seconds=0.6) as one, room.switch() as other:
        assert await one.lines.take(line, uuid.uuid4(), capacity=1)
        ends_at = clock.monotonic() + 0.7
        await eventually(lambda: clock.monotonic() > ends_at, "the first lease to end", 2)
        assert not await other.lines.take(line, uuid.uuid4(), capacity=1)


async def test_seats_of_an_earlier_run_are_released_or_taken_over(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """The next run frees the seats of calls that are gone, and keeps those of calls it adopts."""
    one, other = switches
    line, adopted, gone = room.lines[0], uuid.uuid4(), uuid.uuid4()
    for call_id in (adopted, gone):
        assert await one.lines.take(line, call_id, capacity=2)
    assert await other.lines.take(line, adopted, capacity=2)
    await other.lines.release_seats([gone])

    await eventually(lambda: _state(other, room, line).live_calls == 1, "one call to be left")
    assert await other.lines.take(line, uuid.uuid4(), capacity=2)
    await _end(other.lines, line, adopted)
    assert await other.lines.take(line, uuid.uuid4(), capacity=2)


async def test_a_seat_whose_lease_is_over_is_kept_for_who_talks_on(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """The switch was away for longer: nobody else gets the line before it is taken over."""
    one, other = switches
    line, talking = room.lines[0], uuid.uuid4()
    assert await one.lines.take(line, talking, capacity=1)
    await room.database.execute("UPDATE line_seats SET until = clock_timestamp() - interval '1 s'")
    await other.lines.keep_seats([talking])
    assert not await other.lines.take(line, uuid.uuid4(), capacity=1)
    await eventually(lambda: _state(other, room, line).live_calls == 1, "the seat to be heard of")
    assert await other.lines.take(line, talking, capacity=1)


async def test_a_call_lets_go_of_all_that_it_has(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """What an error has cut off is given back with the call's end; others keep what they have."""
    one, _ = switches
    cut_off, other = uuid.uuid4(), uuid.uuid4()
    for line in room.lines[:2]:
        await one.lines.take(line, cut_off, capacity=2)
    await one.lines.take(room.lines[2], cut_off, capacity=None)
    await one.lines.take(room.lines[0], other, capacity=2)
    await one.lines.let_go(cut_off)
    assert [_state(one, room, line).live_calls for line in room.lines] == [1, 0, 0]
    assert await room.database.fetchval("SELECT count(*) FROM line_seats") == 1


async def test_a_line_without_capacity_costs_no_statement(room: Room) -> None:
    """Taking it, and giving it back when it was busy, touches no database."""
    book = LineBook(None, room.dsn)  # type: ignore[arg-type]
    line, call_id = room.lines[0], uuid.uuid4()
    assert await book.take(line, call_id, capacity=None)
    assert book.states(room.did)[line.name].live_calls == 1
    await book.give_back(line, call_id, is_answered=False, is_failed=False, wrap_up_seconds=0)
    assert book.states(room.did)[line.name].live_calls == 0


async def test_what_came_of_a_call_is_written_behind(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """A line without capacity is counted in the background, and both switches know its calls."""
    one, other = switches
    line = room.lines[0]
    for _ in range(2):
        call_id = uuid.uuid4()
        await one.lines.take(line, call_id, capacity=None)
        await _end(one.lines, line, call_id)
    for switch in switches:
        await eventually(partial(_has_calls, switch, room, line, 2), "two calls")
    assert _state(one, room, line).last_call_at == _state(other, room, line).last_call_at


async def test_a_line_wraps_up_before_it_is_free(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """Who hears that a line is free hears its wrap-up with it; its mean hold includes that."""
    one, other = switches
    line, call_id = room.lines[0], uuid.uuid4()
    await one.lines.take(line, call_id, capacity=1)
    seen = []
    one.lines.watch(lambda _: seen.append(_state(one, room, line)))
    await _end(one.lines, line, call_id, wrap_up=10)
    free = next(state for state in seen if not state.live_calls)
    assert free.wraps_up_until is not None
    assert timedelta(seconds=9) < free.wraps_up_until - clock.now() <= timedelta(seconds=10)
    await eventually(lambda: _state(other, room, line) == free, "the other to know it too")
    assert one.lines.hold_seconds([line.id]) == pytest.approx(10, abs=1)
    assert one.lines.hold_seconds([room.lines[1].id]) == 180


async def test_a_line_that_fails_again_and_again_rests(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """Three failures in a row rest it 60 s, each further one twice as long, 600 s at most."""
    one, other = switches
    line, rests = room.lines[0], []
    with capture_logs() as logs:
        for _ in range(8):
            call_id = uuid.uuid4()
            await one.lines.take(line, call_id, capacity=1)
            await _end(one.lines, line, call_id, failed=True)
            until = _state(one, room, line).rested_until
            rests.append(round((until - clock.now()).total_seconds()) if until else 0)
    assert rests == [0, 0, 60, 120, 240, 480, 600, 600]
    told = [log for log in logs if log["event"] == "line_rested"]
    assert len(told) == 6
    assert told[0]["line"] == line.name
    assert told[0]["why"] == "3 failures in a row"
    assert one.lines.is_rested(line.id, clock.now())
    await eventually(
        lambda: other.lines.is_rested(line.id, clock.now() + timedelta(seconds=590)), "the rest"
    )


async def test_a_success_ends_the_row_of_failures(
    room: Room, switches: tuple[Switch, Switch]
) -> None:
    """Failures that are not in a row rest nobody, and an answered call ends a rest."""
    one, _ = switches
    line = room.lines[0]
    for failed in (True, True, False, True, True):
        call_id = uuid.uuid4()
        await one.lines.take(line, call_id, capacity=1)
        await _end(one.lines, line, call_id, failed=failed)
        assert _state(one, room, line).rested_until is None
    for failed in (True, False):
        call_id = uuid.uuid4()
        await one.lines.take(line, call_id, capacity=1)
        await _end(one.lines, line, call_id, failed=failed)
        assert one.lines.is_rested(line.id, clock.now()) is failed


async def test_without_the_database_no_seat_is_given(room: Room) -> None:
    """A line with a capacity can't be taken then; what is known of it stays."""
    async with room.switch() as switch:
        line, call_id = room.lines[0], uuid.uuid4()
        await switch.lines.take(line, call_id, capacity=1)
        await switch.database.close()
        with pytest.raises(DatabaseUnavailable):
            await switch.lines.take(line, uuid.uuid4(), capacity=1)
        assert _state(switch, room, line).live_calls == 1
        assert await switch.lines.take(line, call_id, capacity=1), "it has it already"


async def test_each_day_begins_without_calls(
    room: Room, switches: tuple[Switch, Switch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At midnight of the tenant's zone a line has had no call today, in memory and in rows."""
    one, _ = switches
    line, call_id, now = room.lines[0], uuid.uuid4(), clock.now()
    await one.lines.take(line, call_id, capacity=1)
    await _end(one.lines, line, call_id)
    one.lines._begin_days()
    assert _state(one, room, line).call_count == 1
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=1))
    one.lines._begin_days()
    assert _state(one, room, line).call_count == 0

    await room.database.execute("UPDATE line_states SET counted_on = counted_on - 1")
    async with room.switch() as later:
        assert _state(later, room, line).call_count == 0
        assert _state(later, room, line).last_call_at is not None


async def test_turns_are_counted_by_group(room: Room) -> None:
    """Round robin goes on from call to call of a number."""
    book = LineBook(None, room.dsn)  # type: ignore[arg-type]
    assert book.turns(room.did.number) == {}
    for _ in range(2):
        book.turn(room.did.number, "support")
    assert book.turns(room.did.number) == {"support": 2}
