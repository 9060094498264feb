"""Moments that cross: an answer and a hang-up, a CANCEL and a 200, two answers at once."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from callctl import clock
from callctl.cdr.asterisk_events import read_events
from tests.agents import Answers, NoAnswer, PlacedCall, ReceivedCall, Together
from tests.faults.dialogs import cancel_at_the_answer
from tests.faults.forms import SECONDS_MAX, chance, pick
from tests.faults.site import Site
from tests.faults.stages import SECOND_MICROS

PAIRS = pick(short=40, long=1000)
PAIRS_AT_ONCE = 8
CROSSINGS = pick(short=3, long=100)
ROUNDS = pick(short=4, long=200)
APART_SECONDS_MAX = 0.05
ORPHAN_SECONDS_MAX = 2.0
MANY_DID, MANY = "4005550010", "01062000407"
PAIR_DID, PAIR = "4005550011", ("01062000401", "01062000403")
_MICROS = 1_000_000
_CDRS = """
SELECT c.sip_call_id, c.disposition, c.ended_by, c.cost_micros, c.line,
    array(SELECT l.channel_id FROM cdr_legs AS l WHERE l.call_id = c.call_id) AS channels
FROM cdrs AS c
"""


@dataclass
class Pair:
    """A caller who hangs up within 50 ms of his line's answer, before it or after it."""

    call: PlacedCall
    hung_up_at: datetime


@pytest.mark.alone  # how many cross tells of the machine as well
@pytest.mark.timeout(SECONDS_MAX)
async def test_a_caller_hangs_up_as_the_line_answers(site: Site) -> None:
    """No leg outlives the hang-up by 2 s; an answered call costs a second, others nothing.

    Answered is what Asterisk says: its own record is compared with the CDRs at the end.
    """
    site.carrier.line(MANY, NoAnswer())
    await site.start(site.switch())
    dice, places = chance("pairs"), asyncio.Semaphore(PAIRS_AT_ONCE)
    draws = [
        (dice.uniform(0.05, 0.1), dice.uniform(-APART_SECONDS_MAX, APART_SECONDS_MAX))
        for _ in range(PAIRS)
    ]

    async def race(number: int) -> Pair:
        async with places:
            answer_seconds, apart = draws[number]
            return await _race(site, number, answer_seconds, answer_seconds + apart)

    pairs = await asyncio.gather(*(race(number) for number in range(PAIRS)))
    await site.nothing_left()
    cdrs, ends = await _cdrs(site), _hangups(site)
    answered, crossed, late = 0, 0, 0.0
    for pair in pairs:
        cdr = cdrs[pair.call.sip_call_id]
        assert pair.call.outcome is not None
        is_answered = cdr["disposition"] == "answered"
        answered += is_answered
        if pair.call.outcome.status != 200 and is_answered:
            crossed += 1  # Asterisk answered him, and had his CANCEL before its 200 was out
        assert is_answered or pair.call.outcome.status == 487, cdr
        assert cdr["cost_micros"] == (SECOND_MICROS if is_answered else 0), cdr
        assert is_answered or cdr["disposition"] == "cancelled", cdr
        assert cdr["ended_by"] == "caller", cdr
        hung_up_at = pair.hung_up_at.timestamp()
        late = max(late, *(ends[one] / _MICROS - hung_up_at for one in cdr["channels"]))
    site.tell(pairs=PAIRS, answered=answered, crossed=crossed, latest_leg_seconds=late)
    assert crossed <= PAIRS // 20
    assert late <= ORPHAN_SECONDS_MAX
    await site.invariants()


async def test_a_cancel_crosses_the_answer(site: Site) -> None:
    """The caller was answered before his CANCEL came: one second is charged, and no leg is left."""
    site.carrier.line(MANY, Answers(after_seconds=0.05))
    await site.start(site.switch())
    for number in range(CROSSINGS):
        call = await site.call(MANY_DID, f"0106301{number:04}")
        cancel_at_the_answer(call)
        outcome = await call.ended()
        assert outcome.status == 200
        line = await _reached(site, f"0106301{number:04}")
        await line.ended(ORPHAN_SECONDS_MAX)
    site.tell(crossings=CROSSINGS)
    await site.invariants()
    costs = [cdr["cost_micros"] for cdr in (await _cdrs(site)).values()]
    assert costs == [SECOND_MICROS] * CROSSINGS


@pytest.mark.timeout(SECONDS_MAX)
async def test_two_lines_answer_at_once(site: Site) -> None:
    """One of them talks, the other is ended within 2 s and costs nobody anything."""
    await site.start(site.switch())
    for number in range(ROUNDS):
        together = Together(2)
        for line in PAIR:
            site.carrier.line(line, Answers(after_seconds=0.02, together=together))
        call = await site.call(PAIR_DID, f"0106302{number:04}")
        await call.answered()
        both = [await site.carrier.called(line, nth=number) for line in PAIR]
        ended = [asyncio.ensure_future(one.ended(ORPHAN_SECONDS_MAX + 3)) for one in both]
        done, _ = await asyncio.wait(
            ended, timeout=ORPHAN_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED
        )
        assert len(done) == 1, f"{len(done)} of the lines ended"
        [talking] = [one for one in both if one.outcome is None]
        await call.hears(440)
        await talking.hears(site.caller.voice_hz)
        await call.hang_up()
        await asyncio.gather(*ended)
    site.tell(rounds=ROUNDS)
    await site.nothing_left()
    for cdr in (await _cdrs(site)).values():
        assert cdr["disposition"] == "answered"
        assert len(cdr["channels"]) == 3
    await site.invariants()


async def _race(site: Site, number: int, answer_seconds: float, hang_up_seconds: float) -> Pair:
    """Once the line rings, let it answer and the caller hang up, each after its time."""
    caller = f"0106300{number:04}"
    call = await site.call(MANY_DID, caller)
    line = await _reached(site, caller)
    loop = asyncio.get_running_loop()
    hung_up: asyncio.Future[datetime] = loop.create_future()

    def hang_up() -> None:
        hung_up.set_result(clock.now())
        call.start_hanging_up()

    loop.call_later(answer_seconds, line.answer)
    loop.call_later(hang_up_seconds, hang_up)
    await call.ended()
    await line.ended()
    return Pair(call, await hung_up)


async def _reached(site: Site, caller: str) -> ReceivedCall:
    """The line's end of this caller's call."""

    def found() -> ReceivedCall | None:
        return next((one for one in site.carrier.calls if one.from_number == caller), None)

    await site.carrier._timeline.until(
        lambda: found() is not None, what=f"a call from {caller}", seconds=5
    )
    line = found()
    assert line is not None
    return line


async def _cdrs(site: Site) -> Mapping[str, Any]:
    """All CDRs, by the caller's SIP Call-ID."""
    return {row["sip_call_id"]: row for row in await site.database.fetch(_CDRS)}


def _hangups(site: Site) -> dict[str, int]:
    """When each channel hung up, by Asterisk's own record, in microseconds."""
    events = read_events(site.asterisk.legs_path)
    return {event.channel_id: event.at_micros for event in events if not event.is_answer}
