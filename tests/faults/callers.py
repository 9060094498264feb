"""Callers while PostgreSQL is away, and when it is back; used by test_postgres, test_disk_full."""

import asyncio
import math

import pytest

from callctl import clock
from tests.agents import Answers, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import eventually
from tests.faults.site import Site

MANY, MANY_LINE = "4005550010", "01062000407"
SORRY_HZ = PROMPT_HZ["", "unavailable"]
TOLD_SECONDS_MAX, KNOWN_SECONDS_MAX = 2.8, 0.5  # from the INVITE to the first announcement packet
BACK_SECONDS_MAX = 5.0
SETTLED_SECONDS_MAX = 25.0  # a request under way when it went may last to its deadline
_SECOND_MICROS = 5_000


async def told(call: PlacedCall) -> float:
    """The caller is told, unanswered, and refused; seconds from his INVITE to the announcement."""
    outcome = await call.ended(20)
    assert outcome.status == 503, call.timeline
    assert call.answered_at is None
    invited_at = call.timeline.at("sent INVITE")
    heard = call.heard(SORRY_HZ)
    assert heard, f"{call.timeline}\n{call.told()}"
    assert invited_at is not None
    return heard[0].started_at - invited_at


async def refused(site: Site, did: str = MANY) -> float:
    """A new caller is told; after how many seconds."""
    return await told(await site.call(did, "01062001999"))


async def talk_again(site: Site, did: str, line: str) -> tuple[PlacedCall, float]:
    """A new call that is connected, and after how long that works again."""
    began = clock.monotonic()
    site.carrier.line(line, Answers(voice_hz=440))

    async def look() -> PlacedCall | None:
        call = await site.call(did, "01062001888")

        async def settled() -> bool | None:
            return True if call.answered_at or call.outcome or call.heard(SORRY_HZ) else None

        await eventually(settled, "an answer, an announcement or an end", 20)
        if call.answered_at:
            return call
        await call.hang_up()
        return None

    call = await eventually(look, "a call to be connected", 30)
    await call.hears(440, seconds=5)
    return call, clock.monotonic() - began


async def talk_on(calls: list[PlacedCall], seconds: float) -> None:
    """Each hears the line for so long from now on, without a gap."""
    sounding = [(call, call.heard(440)[-1].seconds + seconds) for call in calls]
    await asyncio.gather(
        *(
            call.hears(440, since=clock.monotonic(), lasting=lasting, seconds=seconds + 5)
            for call, lasting in sounding
        )
    )


async def charged_exactly(site: Site, call: PlacedCall) -> None:
    """The talk that the caller had is what his CDR says and costs."""
    cdr = await site.cdr(call, SETTLED_SECONDS_MAX)
    assert call.ended_at is not None
    assert call.answered_at is not None
    assert cdr.ended_by == "caller", cdr
    assert float(cdr.talk_seconds) == pytest.approx(call.ended_at - call.answered_at, abs=0.7)
    assert cdr.cost_micros == math.ceil(cdr.talk_seconds) * _SECOND_MICROS
