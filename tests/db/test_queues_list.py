"""`callctl line list` and `callctl queue list` over real rows."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callctl.cli.main import app
from callctl.db.pool import Database
from tests.db.waiting_room import Room, open_room


@pytest.fixture
async def room(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Room:
    """A tenant with two lines and a queue, and an environment in which commands find it."""
    monkeypatch.setenv("CALLCTL_DATABASE_URL", database_url)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))
    return await open_room(database, database_url, 2)


async def _run(*arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, list(arguments)))


async def _json(*arguments: str) -> Any:
    result = await _run(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.output)


async def test_line_list_shows_what_lines_do(room: Room) -> None:
    """Live calls, calls today, and why and until when a line rests; idle lines too."""
    assert [line["live_calls"] for line in await _json("line", "list")] == [0, 0]
    async with room.switch() as switch:
        tried, good = room.lines
        for _ in range(3):
            call_id = uuid.uuid4()
            await switch.lines.take(tried, call_id, capacity=1)
            await switch.lines.give_back(
                *(tried, call_id),
                is_answered=False,
                is_failed=True,
                wrap_up_seconds=0,
                why="congested (cause 34)",
            )
        for is_over in (True, False):
            call_id = uuid.uuid4()
            await switch.lines.take(good, call_id, capacity=1)
            if is_over:
                await switch.lines.give_back(
                    good, call_id, is_answered=True, is_failed=False, wrap_up_seconds=60
                )
        rested, busy = await _json("line", "list", "--tenant", "t")
    assert rested["rested_why"] == "3 failures in a row, the last: congested (cause 34)"
    assert rested["rested_until"]
    assert (busy["live_calls"], busy["calls_today"], busy["rested_until"]) == (1, 1, None)
    assert busy["wraps_up_until"] > busy["last_call_at"]
    shown = (await _run("line", "list")).output
    assert "3 failures in a row" in shown
    assert await _json("line", "list", "--tenant", "other") == []


async def test_queue_list_shows_who_waits_in_order(room: Room) -> None:
    """VIP callers first; who rings and who is to be called back keep their places."""
    assert "nobody waits" in (await _run("queue", "list")).output
    async with room.switch() as switch:
        early = await switch.enter(room, 1)
        vip = await switch.enter(room, 2, is_vip=True)
        assert await switch.claim(vip)
        listed = await _json("queue", "list")
    assert [(one["place"], one["call_id"], one["state"]) for one in listed] == [
        (1, str(vip.call_id), "ringing"),
        (2, str(early.call_id), "waiting"),
    ]
    assert listed[0]["group"] == "support"
    assert "01062001234" in (await _run("queue", "list")).output
