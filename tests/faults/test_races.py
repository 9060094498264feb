"""Moments that cross: an answer and a hang-up, a CANCEL and a 200, two answers at once."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
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
AT_ONCE_SECONDS_MAX = 0.001  # half of the pairs are so near that one in five crosses in Asterisk
MEETING_SECONDS_MAX = 0.025  # what comes so near each other Asterisk's threads take in any order
ORPHAN_SECONDS_MAX = 2.0
MANY_DID, MANY = "4005550010", "01062000407"
PAIR_DID, PAIR = "4005550011", ("01062000401", "01062000403")
_MICROS = 1_000_000
_CDRS = """
SELECT c.sip_call_id, c.disposition, c.ended_by, c.cost_micros, c.line,
    array(SELECT l.channel_id FROM cdr_legs AS l WHERE l.call_id = c.call_id) AS channels,
    (SELECT l.channel_id FROM cdr_legs AS l
        WHERE l.call_id = c.call_id AND l.side = 'a') AS caller_channel
FROM cdrs AS c
"""


@dataclass
class Pair:
    """A caller who hangs up as his line answers, before it or after it.

    Both moments in seconds of Unix; a line that was cancelled before it could answer is silent.
    """

    call: PlacedCall
    hung_up_at: float
    picked_up_at: float

    @property
    def before_seconds(self) -> float:
        """So long before the answer he hung up; negative: after it."""
        return self.picked_up_at - self.hung_up_at


@pytest.mark.alone  # so that they come as near each other as was drawn
@pytest.mark.timeout(SECONDS_MAX)
async def test_a_caller_hangs_up_as_the_line_answers(site: Site) -> None:
    """No leg outlives the hang-up by 2 s; an answered call costs a second, others nothing.

    Answered is what Asterisk says. It may answer a caller whose CANCEL it has not read yet, and
    tell him 487; but not one who had hung up clearly before his line answered.
    """
    site.carrier.line(MANY, NoAnswer())
    await site.start(site.switch())
    places = asyncio.Semaphore(PAIRS_AT_ONCE)

    async def race(number: int) -> Pair:
        async with places:
            return await _race(site, number)

    pairs: list[Pair] = []
    while missing := PAIRS - sum(abs(one.before_seconds) <= APART_SECONDS_MAX for one in pairs):
        numbers = range(len(pairs), len(pairs) + missing)  # more, for those that a stall drew apart
        pairs += await asyncio.gather(*(race(number) for number in numbers))
    await site.nothing_left()
    cdrs, (answers, ends) = await _cdrs(site), _recorded(site)
    answered, crossed, late = 0, [], 0.0
    for pair in pairs:
        cdr = cdrs[pair.call.sip_call_id]
        assert pair.call.outcome is not None
        is_answered = cdr["disposition"] == "answered"
        answered += is_answered
        assert is_answered == (cdr["caller_channel"] in answers), cdr
        assert is_answered or pair.call.outcome.status == 487, cdr
        assert cdr["cost_micros"] == (SECOND_MICROS if is_answered else 0), cdr
        assert is_answered or cdr["disposition"] == "cancelled", cdr
        assert cdr["ended_by"] == "caller", cdr
        assert not is_answered or pair.before_seconds <= MEETING_SECONDS_MAX, (pair, cdr)
        if pair.call.outcome.status != 200 and is_answered:
            crossed.append(pair.before_seconds)
        late = max(late, *(ends[one] - pair.hung_up_at for one in cdr["channels"]))
    site.tell(pairs=len(pairs), answered=answered, crossed=len(crossed), latest_leg_seconds=late)
    site.tell(earliest_crossed_seconds=max(crossed, default=0.0))
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


async def _race(site: Site, number: int) -> Pair:
    """Once the line rings, let it answer and the caller hang up; every other one hangs up first."""
    caller, dice = f"0106300{number:04}", chance(f"pair {number}")
    answer_seconds = dice.uniform(0.05, 0.1)
    apart = dice.uniform(0.0, AT_ONCE_SECONDS_MAX if number % 4 < 2 else APART_SECONDS_MAX)
    call = await site.call(MANY_DID, caller)
    line = await _reached(site, caller)
    loop = asyncio.get_running_loop()
    hung_up: asyncio.Future[float] = loop.create_future()
    picked_up: asyncio.Future[float] = loop.create_future()

    def pick_up() -> None:
        picked_up.set_result(clock.now().timestamp())  # before it is told, and a hang-up after:
        line.answer()

    def hang_up() -> None:
        call.start_hanging_up()
        hung_up.set_result(clock.now().timestamp())  # a stall here tears no pair apart

    loop.call_later(answer_seconds, pick_up)
    loop.call_later(answer_seconds + (apart if number % 2 else -apart), hang_up)
    await call.ended()
    await line.ended()
    return Pair(call, await hung_up, await picked_up)


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


def _recorded(site: Site) -> tuple[dict[str, float], dict[str, float]]:
    """When each channel was answered, and when hung up, by Asterisk: in seconds of Unix."""
    answers: dict[str, float] = {}
    ends: dict[str, float] = {}
    for event in read_events(site.asterisk.legs_path):
        (answers if event.is_answer else ends)[event.channel_id] = event.at_micros / _MICROS
    return answers, ends
