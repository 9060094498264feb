"""`callctl drain` and `callctl hangup`: what operators ask of the switch that has the calls."""

import asyncio
import sys
import uuid
from typing import Annotated

import typer

from callctl import clock
from callctl.cli.session import load_settings, open_database
from callctl.db import commands
from callctl.db.commands import Progress, Verb
from callctl.db.pool import Database
from callctl.errors import StackFailed

_TAKEN_SECONDS_MAX = 15.0  # a notification that was lost is made good after 10 s
_LOOK_SECONDS = 0.3
_SILENCE_SECONDS_MAX = 10.0  # of a switch that has taken a command


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("drain")(drain)
    app.command("hangup")(hangup)


def drain(
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Show how many are left, to the end.")] = (
        False
    ),
    within: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds; calls that last longer go to the next switch."),
    ] = None,
    asterisk: Annotated[
        str | None, typer.Option(help="Another Asterisk's name than CALLCTL_ASTERISK.")
    ] = None,
) -> None:
    """Take no more calls, let those that live end by themselves, then end the switch."""
    asyncio.run(_drain(asterisk, within, is_waiting=wait))


def hangup(
    call: Annotated[uuid.UUID, typer.Argument(help="The call: see callctl calls --json.")],
) -> None:
    """Hang up a live call, both legs; it is charged to this moment."""
    outcome = asyncio.run(_hang_up(call))
    print(outcome)
    if outcome != "hung up":
        raise typer.Exit(1)


async def _hang_up(call_id: uuid.UUID) -> str:
    async with open_database(load_settings()) as database:
        asterisk = await commands.asterisk_of(database, call_id)
        asked = await commands.ask(database, asterisk, Verb.HANG_UP, call_id=call_id)
        return str((await _followed(database, asked)).outcome)


async def _drain(asterisk: str | None, within: float | None, *, is_waiting: bool) -> None:
    settings = load_settings()
    name = asterisk or settings.asterisk_name
    async with open_database(settings) as database:
        asked = await commands.ask(database, name, Verb.DRAIN, within_seconds=within)
        if is_waiting:
            progress = await _followed(database, asked, is_told=True)
            print(progress.outcome)
        else:
            await _taken(database, asked)
            print(f"the switch of {name} takes no more calls")


async def _followed(database: Database, asked: uuid.UUID, *, is_told: bool = False) -> Progress:
    """Wait for the outcome; tell how many calls are left, on a terminal in one line."""
    progress = await _taken(database, asked)
    told: int | None = None
    beat, beat_at = progress.beat, clock.monotonic()
    end = "\r" if sys.stdout.isatty() else "\n"
    while progress.outcome is None:
        if is_told and progress.calls_left not in {told, None}:
            told = progress.calls_left
            print(f"calls left: {told}  ", end=end, flush=True)
        await clock.sleep(_LOOK_SECONDS)
        progress = await _read(database, asked)
        if progress.beat != beat:
            beat, beat_at = progress.beat, clock.monotonic()
        elif clock.monotonic() - beat_at > _SILENCE_SECONDS_MAX:
            raise StackFailed("the switch that was asked gives no sign of life: see its log")
    return progress


async def _taken(database: Database, asked: uuid.UUID) -> Progress:
    """Wait until the switch has taken the command; raises StackFailed when it does not."""
    give_up_at = clock.monotonic() + _TAKEN_SECONDS_MAX
    while True:
        progress = await _read(database, asked)
        if progress.taken_at is not None:
            return progress
        if clock.monotonic() > give_up_at:
            raise StackFailed(f"the switch did nothing for {_TAKEN_SECONDS_MAX:g} s: see its log")
        await clock.sleep(_LOOK_SECONDS)


async def _read(database: Database, asked: uuid.UUID) -> Progress:
    """How it stands; raises StackFailed when the switch that was asked owns nothing any more."""
    progress = await commands.read(database, asked)
    if progress.outcome is None and not progress.is_owner:
        raise StackFailed("the switch that was asked has ended, and was not drained")
    return progress
