"""Commands from outside: for the owner of the moment, and for nobody after it."""

import pytest

from callctl.db import commands
from callctl.db.commands import Verb
from callctl.db.lease import Lease, Owner
from callctl.db.pool import Database
from callctl.errors import NotFound
from callctl.values.ids import new_id

ASTERISK = "pbx-1"


async def _owner(database: Database) -> Owner:
    return await Lease(database, ASTERISK).acquire(on_wait=lambda: None)


async def test_without_an_owner_there_is_nobody_to_ask(database: Database) -> None:
    """Neither when no switch ever came, nor when the last one has gone."""
    with pytest.raises(NotFound, match="no switch owns pbx-1"):
        await commands.ask(database, ASTERISK, Verb.DRAIN)
    lease = Lease(database, ASTERISK)
    await lease.release(await lease.acquire(on_wait=lambda: None))
    with pytest.raises(NotFound):
        await commands.ask(database, ASTERISK, Verb.DRAIN)


async def test_commands_are_taken_once_and_in_order(database: Database) -> None:
    """Each is taken by its owner alone, and tells how far it has got."""
    owner, call_id = await _owner(database), new_id()
    first = await commands.ask(database, ASTERISK, Verb.HANG_UP, call_id=call_id)
    second = await commands.ask(database, ASTERISK, Verb.DRAIN, within_seconds=1.5)

    taken = [await commands.take(database, owner) for _ in range(3)]

    assert taken == [
        commands.Command(first, Verb.HANG_UP, call_id, None),
        commands.Command(second, Verb.DRAIN, None, 1.5),
        None,
    ]
    await commands.note(database, second, calls_left=7)
    progress = await commands.read(database, second)
    assert progress.taken_at is not None
    assert (progress.calls_left, progress.outcome, progress.is_owner) == (7, None, True)


async def test_who_owns_it_later_does_nothing_of_it(database: Database) -> None:
    """A command that its owner did not take dies with him, and whoever asked can see it."""
    owner = await _owner(database)
    asked = await commands.ask(database, ASTERISK, Verb.DRAIN)
    await database.execute("UPDATE switch_leases SET holder = ''")
    later = await _owner(database)

    assert later.epoch > owner.epoch
    assert await commands.take(database, later) is None
    assert not (await commands.read(database, asked)).is_owner


async def test_another_asterisks_switch_is_left_alone(database: Database) -> None:
    """Each Asterisk has its own owner."""
    await _owner(database)
    other = await Lease(database, "pbx-2").acquire(on_wait=lambda: None)
    await commands.ask(database, ASTERISK, Verb.DRAIN)
    assert await commands.take(database, other) is None


async def test_a_call_that_does_not_live_has_no_asterisk(database: Database) -> None:
    """It can't be hung up."""
    with pytest.raises(NotFound, match="no live call"):
        await commands.asterisk_of(database, new_id())
