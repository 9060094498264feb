"""Calls whose course is written down, to be run again; used by tests/faults/test_ari.py.

Whatever becomes of events on their way, CDRs and ledger must say the same of them.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callctl import clock
from callctl.directory.apply import apply
from callctl.directory.reading import read_document
from tests.agents import Answers, Busy, NoAnswer, PlacedCall, Rejects
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import eventually
from tests.faults.site import Site

TALK_SECONDS = 3.0  # in the midst of what is charged for as one step
MENU_SECONDS = 9.0  # from the caller's answer; likewise
LINE_HZ = 440
_PACE_SECONDS = 0.15
_UNHEARD_SECONDS = 40.0  # a call of which the switch did not hear is taken up within so long
_CALLER = "010630{:05d}"
_NEVER = 3600.0
_MENU_HZ = PROMPT_HZ["", "closed"]
SCRIPTS = 8
_DIDS = [f"400555005{n}" for n in range(1, SCRIPTS + 1)]


@dataclass(frozen=True, slots=True)
class Told:
    """What is written of one call; equal for calls that came to the same."""

    disposition: str
    cause: int
    ended_by: str
    line: str | None
    cost_micros: int
    legs: tuple[tuple[str, str, int, int], ...]  # side, disposition, billed seconds, cost


async def open_lines(site: Site) -> None:
    """Make the tenant known, and have his telephones behave."""
    document = Path(__file__).with_name("ari.yaml").read_bytes()
    await apply(site.database, read_document(document))
    carrier = site.carrier
    carrier.line("01062000501", Answers(voice_hz=LINE_HZ))
    carrier.line("01062000502", Answers(voice_hz=LINE_HZ, hang_up_after_seconds=TALK_SECONDS))
    carrier.line("01062000503", Busy())
    carrier.line("01062000504", NoAnswer())
    carrier.line("01062000505", NoAnswer())
    carrier.line("01062000506", Rejects(603, cause=21))


async def run(site: Site, count: int, *, first: int = 0) -> list[Told]:
    """Place so many calls, each to its end; what was written of each, in their order.

    The scripts come in turn; `first` is the number of the first one, and of its caller.
    """
    numbers = range(first, first + count)
    running = []
    for number in numbers:
        running.append(asyncio.ensure_future(_call(site, number)))
        await clock.sleep(_PACE_SECONDS)
    failures = [one for one in await asyncio.gather(*running, return_exceptions=True) if one]
    assert not failures, f"{len(failures)} calls did not go as written: {failures[0]}"
    callers = [_CALLER.format(number) for number in numbers]

    async def look() -> list[Told] | None:
        told = await _told(site, callers)
        return told if len(told) == count else None

    return await eventually(look, f"{count} CDRs", _UNHEARD_SECONDS)


async def _call(site: Site, number: int) -> None:
    kind = number % len(_DIDS)
    call = await site.call(_DIDS[kind], _CALLER.format(number))
    if kind in {0, 6}:
        await call.answered(_UNHEARD_SECONDS)
        await _hang_up_after(call, TALK_SECONDS)
    elif kind == 4:
        await _rings(call)
        await _hang_up_after(call, 1.5)
    elif kind == 7:
        await call.answered(_UNHEARD_SECONDS)
        await call.hears(_MENU_HZ, _UNHEARD_SECONDS)
        await call.send_dtmf("1")
        left = (call.answered_at or 0.0) + MENU_SECONDS - clock.monotonic()
        await _hang_up_after(call, left)
    await call.ended(_UNHEARD_SECONDS + 30)


async def _rings(call: PlacedCall) -> None:
    def rings() -> bool:
        return call.timeline.at("received 180") is not None

    await call.timeline.until(rings, what="180", seconds=_UNHEARD_SECONDS)


async def _hang_up_after(call: PlacedCall, seconds: float) -> None:
    await clock.sleep(seconds)
    call.start_hanging_up()


async def _told(site: Site, callers: list[str]) -> list[Told]:
    rows = await site.database.fetch(_CDRS, [f"+86{one[1:]}" for one in callers])
    found = [row["caller"] for row in rows]
    assert len(set(found)) == len(found), f"two CDRs of one call: {found}"
    return [_one(row) for row in rows]


def _one(row: Any) -> Told:
    return Told(
        disposition=row["disposition"],
        cause=row["hangup_cause"],
        ended_by=row["ended_by"],
        line=row["line"],
        cost_micros=row["cost_micros"],
        legs=tuple(tuple(leg) for leg in row["legs"]),
    )


_CDRS = """
SELECT
    c.caller, c.disposition, c.hangup_cause, c.ended_by, c.line, c.cost_micros,
    (SELECT jsonb_agg(jsonb_build_array(l.side, l.disposition, l.billed_seconds, l.cost_micros)
        ORDER BY l.side, l.setup_at)
     FROM cdr_legs AS l WHERE l.call_id = c.call_id) AS legs
FROM cdrs AS c WHERE c.caller = ANY($1) ORDER BY c.caller
"""
