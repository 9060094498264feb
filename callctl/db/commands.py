"""Commands from outside to the switch that owns an Asterisk; asked by cli, carried out by app.

They go through PostgreSQL, since nobody else knows which switch owns what. A command is for the
owner of the moment: when another one takes over, nobody does it.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from callctl.db.lease import Owner
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import NotFound
from callctl.values.ids import new_id

CHANNEL = "callctl_commands"
"""What is notified, with the Asterisk's name, when there is a new command."""


class Verb(StrEnum):
    """What a switch can be asked to do."""

    DRAIN = "drain"
    HANG_UP = "hang_up"


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was taken. `within_seconds` is a drain's; None: as long as calls last."""

    id: uuid.UUID
    verb: Verb
    call_id: uuid.UUID | None
    within_seconds: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a command has got; `outcome` is None until it is done.

    `is_owner` says whether the switch that was asked still owns its Asterisk, or nobody has taken
    it over yet; while it lives, `beat` grows each second.
    """

    taken_at: datetime | None
    calls_left: int | None
    outcome: str | None
    is_owner: bool
    beat: int


async def ask(
    database: Database,
    asterisk: str,
    verb: Verb,
    *,
    call_id: uuid.UUID | None = None,
    within_seconds: float | None = None,
) -> uuid.UUID:
    """Hand in a command, return its id; raises NotFound when no switch owns the Asterisk."""
    command_id = new_id()
    epoch = await queries.ask_switch(
        database,
        id=command_id,
        asterisk=asterisk,
        command=str(verb),
        call_id=call_id,
        within_seconds=within_seconds,
    )
    if epoch is None:
        raise NotFound(f"no switch owns {asterisk}: is one running, is CALLCTL_ASTERISK its name?")
    return command_id


async def read(database: Database, command_id: uuid.UUID) -> Progress:
    """How far it has got."""
    row = await queries.read_command(database, id=command_id)
    if row is None:
        raise NotFound(f"command {command_id} is gone")
    return Progress(
        row["taken_at"], row["calls_left"], row["outcome"], row["is_owner"], row["beat"]
    )


async def asterisk_of(database: Database, call_id: uuid.UUID) -> str:
    """Whose call it is; raises NotFound when it does not live."""
    row = await queries.find_asterisk_of_call(database, call_id=call_id)
    if row is None or row["asterisk"] is None:
        raise NotFound(f"no live call {call_id}: see callctl calls --json")
    asterisk: str = row["asterisk"]
    return asterisk


async def take(database: Database, owner: Owner) -> Command | None:
    """The next command for this owner, now taken."""
    row: Any = await queries.take_command(database, asterisk=owner.asterisk, epoch=owner.epoch)
    if row is None:
        return None
    return Command(row["id"], Verb(row["command"]), row["call_id"], row["within_seconds"])


async def note(
    database: Database,
    command_id: uuid.UUID,
    *,
    calls_left: int | None = None,
    outcome: str | None = None,
) -> None:
    """Tell whoever asked how far it has got."""
    await queries.note_command(database, id=command_id, calls_left=calls_left, outcome=outcome)
