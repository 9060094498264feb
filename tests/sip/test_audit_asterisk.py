"""Asterisk's own record of real calls beside the CDRs, by `callctl audit --asterisk`."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from callctl import clock
from callctl.cli.auditing import Wanted, run_audit
from callctl.stack.asterisk import Asterisk
from callctl.views import Cdr
from callctl.views.audit import Breach
from tests.agents import Answers, Busy, NoAnswer
from tests.demo.calls import HEADQUARTERS, HOTLINE
from tests.demo.world import World, eventually


async def _calls(world: World) -> list[Cdr]:
    """An answered call, one that the second line answers, a busy one, one cancelled."""
    cdrs = []
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440, hang_up_after_seconds=1.1))
    world.carrier.line(HEADQUARTERS, NoAnswer())
    answered = await world.call("4007654321", "01062001234")
    await answered.ended()
    cdrs.append(await world.cdr(answered))
    cancelled = await world.call("4001234567", "01062001234")
    await cancelled.early_media()
    await cancelled.hang_up()
    cdrs.append(await world.cdr(cancelled))
    world.carrier.line(HOTLINE[0], Busy())
    world.carrier.line(HOTLINE[1], Answers(voice_hz=440))
    world.carrier.line(HOTLINE[2], Busy())
    second = await world.call("4007654321", "01062001234")
    await second.hears(440)
    await second.hang_up()
    cdrs.append(await world.cdr(second))
    world.carrier.line(HOTLINE[1], Busy())
    busy = await world.call("4007654321", "01062001234")
    await busy.ended()
    cdrs.append(await world.cdr(busy))
    await world.nothing_left()
    return cdrs


async def _written(world: World, path: Path, events: int) -> list[str]:
    """The lines of Asterisk's file about this test's legs, once all are there."""
    channels = {
        row["channel_id"] for row in await world.database.fetch("SELECT channel_id FROM cdr_legs")
    }

    async def look() -> list[str] | None:
        ours = [line for line in _lines(path) if _channel(line) in channels]
        return ours if len(ours) >= events else None

    return await eventually(look, f"{events} answers and hang-ups in {path.name}", 5)


async def _differences(database_url: str, path: Path, since: datetime) -> tuple[Breach, ...]:
    wanted = Wanted(asterisk=[path], since=since, grace_seconds=0)
    _, found = await run_audit(database_url, wanted, lambda *_: None)
    broken = {timed.proof.name: timed.proof.breaches for timed in found if timed.proof.count}
    assert set(broken) <= {"asterisk"}
    return broken.get("asterisk", ())


async def test_asterisk_and_the_books_agree(
    world: World, asterisk: Asterisk, database_url: str, tmp_path: Path
) -> None:
    """Of answered, cancelled and busy calls nothing differs; a line lost or added is found."""
    since = clock.now()
    cdrs = await _calls(world)
    assert [cdr.disposition for cdr in cdrs] == ["answered", "cancelled", "answered", "busy"]
    legs = [leg for cdr in cdrs for leg in cdr.legs]
    answered = [leg for leg in legs if leg.answered_at is not None]
    assert len(answered) == 4
    lines = await _written(world, asterisk.legs_path, len(legs) + len(answered))

    assert len(lines) == len(legs) + len(answered), "one answer and one hang-up a leg"
    assert await _differences(database_url, asterisk.legs_path, since) == ()

    changes: list[tuple[Callable[[list[str]], list[str]], str, str]] = [
        (lambda all_lines: all_lines[1:], "1", "0"),
        (lambda all_lines: [*all_lines, all_lines[0]], "1", "2"),
        (
            lambda all_lines: [*all_lines, all_lines[0].replace(_channel(all_lines[0]), "1.1", 1)],
            "1",
            "0",
        ),
    ]
    assert lines[0].startswith("ANSWER,")
    for change, expected, found in changes:
        changed = tmp_path / "legs.csv"
        changed.write_text("".join(change(lines)))
        [breach] = await _differences(database_url, changed, since)
        assert (breach.expected, breach.found) == (expected, found)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


def _channel(line: str) -> str:
    return line.split(",")[2]


async def test_talk_that_differs_by_more_than_a_second_is_found(
    world: World, asterisk: Asterisk, database_url: str
) -> None:
    """A CDR that has charged less talk than Asterisk saw does not pass."""
    since = clock.now()
    world.carrier.line(HOTLINE[0], Answers(voice_hz=440, hang_up_after_seconds=1.2))
    call = await world.call("4007654321", "01062001234")
    await call.ended()
    cdr = await world.cdr(call)
    await _written(world, asterisk.legs_path, 4)
    await world.nothing_left()

    world.unproven = frozenset({"asterisk"})
    await world.database.execute("UPDATE cdr_legs SET talk_seconds = 0.1 WHERE side = 'a'")

    [breach] = await _differences(database_url, asterisk.legs_path, since)
    assert float(breach.expected) == pytest.approx(float(cdr.talk_seconds), abs=0.05)
    assert breach.found == "0.100"
