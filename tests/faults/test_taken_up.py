"""kill -9, or SIGTERM, of the switch while callers are answered and nobody talks yet, or just does.

Who was answered goes on in the next run: from where he was in the routing, or with his line.
"""

import asyncio

import pytest

from callctl import clock
from callctl.cdr import Stage
from callctl.errors import AriRefused
from callctl.stack.processes import Child
from callctl.views import Cdr
from tests.agents import Answers, NoAnswer, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import eventually
from tests.faults.people import charged_throughout
from tests.faults.site import Site
from tests.faults.stages import ALONE, MOBILE, SILENT, TALK

_MENU_DID, _GREETED_DID, _BOX_DID = "4005550005", "4005550004", "4005550009"
_TALK_DID, _SILENT_DID, _MOBILE_DID = "4005550001", "4005550002", "4005550008"
_QUEUE_DID, _SILENT_MENU_DID = "4005550006", "4005550013"
_CALLER, _LINE_HZ = "01062005001", 440
_CLOSED_HZ, _MENU_HZ = PROMPT_HZ["", "closed"], PROMPT_HZ["", "unavailable"]
_BEEP_HZ = PROMPT_HZ["", "beep"]
_FORWARDED_MICROS = 2_000  # a second
_JOINED = {  # the moment at which the two are there and the row does not say so yet
    _TALK_DID: "db write_journal before:2",
    _MENU_DID: "ari POST bridges/*/addChannel after:2",
    _MOBILE_DID: "ari POST bridges/*/addChannel after:1",
}


async def _end(site: Site, switch: Child, how: str) -> None:
    if how == "killed":
        await switch.kill()
    else:
        assert await switch.stop() == 0
    await site.start(switch)


async def _recorded(site: Site) -> None:
    """Until Asterisk records the only call there is."""
    [row] = await site.database.fetch("SELECT call_id FROM live_calls")

    async def look() -> bool | None:
        try:
            recording = await site.ari.recordings.get(f"{row['call_id']}-voicemail")
        except AriRefused:
            return None
        return True if recording.state == "recording" else None

    await eventually(look, "the recording to begin", 10)


async def _noted(site: Site, line: str) -> None:
    """Until the row of the only call tells that the line is rung."""

    async def look() -> bool | None:
        rows = await site.database.fetch("SELECT stage, line FROM live_calls")
        return (
            True if [(row["stage"], row["line"]) for row in rows] == [("ringing", line)] else None
        )

    await eventually(look, f"{line} to be noted", 1)


async def _ends_well(site: Site, call: PlacedCall) -> Cdr:
    """He hangs up, is charged throughout, and nothing is left."""
    await call.hang_up()
    cdr = await charged_throughout(site, call)
    assert cdr.ended_by == "caller"
    await site.invariants()
    return cdr


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_caller_in_a_menu_hears_it_again(site: Site, how: str) -> None:
    """His key leads on; the switchboard's time is charged throughout."""
    switch = site.switch()
    await site.start(switch)
    site.carrier.line(TALK, Answers(voice_hz=_LINE_HZ))
    call = await site.call(_MENU_DID, _CALLER)
    await call.hears(_MENU_HZ, 10)
    await _end(site, switch, how)
    await call.hears(_MENU_HZ, 10, since=clock.monotonic())
    await call.send_dtmf("1")
    await call.hears(_LINE_HZ, 10)
    await _ends_well(site, call)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_greeting_begins_anew(site: Site, how: str) -> None:
    """It is heard once more from its beginning, then the line rings."""
    switch = site.switch()
    await site.start(switch)
    site.carrier.line(TALK, Answers(voice_hz=_LINE_HZ))
    call = await site.call(_GREETED_DID, _CALLER)
    await call.hears(_CLOSED_HZ, 10)
    await _end(site, switch, how)
    await call.hears(_LINE_HZ, 15, since=clock.monotonic())
    await _ends_well(site, call)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_message_goes_on_being_recorded(site: Site, how: str) -> None:
    """One voicemail, with what was said before, meanwhile and after."""
    switch = site.switch()
    await site.start(switch)
    call = await site.call(_BOX_DID, _CALLER)
    await call.hears(_BEEP_HZ, 10)
    await _recorded(site)
    spoken_at = clock.monotonic()
    await _end(site, switch, how)
    await site.logged(switch, "call_adopted")
    await clock.sleep(max(0.0, spoken_at + 4 - clock.monotonic()))  # he speaks
    await call.send_dtmf("#")
    await call.hears(PROMPT_HZ["", "message-saved"], 10)
    await _ends_well(site, call)
    [voicemail] = await site.database.fetch("SELECT seconds FROM voicemails")
    assert voicemail["seconds"] >= 3


async def test_who_has_said_nothing_yet_is_asked_again(site: Site) -> None:
    """The switch dies while the beep sounds, before Asterisk records."""
    switch = site.switch()
    await site.start(switch, CALLCTL_CRASH_AT="ari POST bridges/*/record before:1")
    call = await site.call(_BOX_DID, _CALLER)
    async with asyncio.timeout(10):
        await switch.wait()
    await site.start(switch)
    await call.hears(_BEEP_HZ, 10, since=clock.monotonic())
    await _recorded(site)
    await _ends_well(site, call)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_lines_ring_anew_for_who_was_answered(site: Site, how: str) -> None:
    """The line that rang is let go and rung again; its first leg costs nothing."""
    switch = site.switch()
    await site.start(switch)
    site.carrier.line(SILENT, NoAnswer(), Answers(voice_hz=_LINE_HZ))
    call = await site.call(_SILENT_MENU_DID, _CALLER)
    await call.hears(_MENU_HZ, 10)
    await call.send_dtmf("1")
    await site.carrier.called(SILENT)
    await _noted(site, "silent")
    await _end(site, switch, how)
    await call.hears(_LINE_HZ, 10)
    await _ends_well(site, call)


async def test_a_line_may_answer_while_no_switch_runs(site: Site) -> None:
    """Asterisk joins the two; they are taken up as they talk, and charged from the answer on."""
    switch = site.switch()
    await site.start(switch)
    site.carrier.line(SILENT, Answers(after_seconds=1.5, voice_hz=_LINE_HZ))
    call = await site.call(_SILENT_DID, _CALLER)
    await site.carrier.called(SILENT)
    await _noted(site, "silent")
    await switch.kill()
    await call.hears(_LINE_HZ, 10)
    await site.start(switch)
    await site.logged(switch, "call_adopted")
    await site.both_hear(call, SILENT)
    cdr = await _ends_well(site, call)
    assert (cdr.line, cdr.disposition) == ("silent", "answered")


@pytest.mark.parametrize("did", [_TALK_DID, _MENU_DID, _MOBILE_DID])
async def test_a_talk_that_was_not_noted_yet_goes_on(site: Site, did: str) -> None:
    """The switch dies when the bridge is filled, before the row says that they talk."""
    switch = site.switch()
    await site.start(switch, CALLCTL_CRASH_AT=_JOINED[did])
    line = MOBILE if did == _MOBILE_DID else TALK
    site.carrier.line(line, Answers(after_seconds=0.2, voice_hz=_LINE_HZ))
    call = await site.call(did, _CALLER)
    if did == _MENU_DID:
        await call.hears(_MENU_HZ, 10)
        await call.send_dtmf("1")
    if did == _MOBILE_DID:
        mobile = await site.carrier.called(MOBILE)
        await mobile.answered()
        await mobile.send_dtmf("1")
    async with asyncio.timeout(10):
        await switch.wait()
    assert Stage.TALKING not in await site.stages()
    await site.start(switch)
    await call.hears(_LINE_HZ, 10)
    await site.both_hear(call, line)
    cdr = await _ends_well(site, call)
    assert cdr.line == ("mobile" if did == _MOBILE_DID else "talk")
    b_leg = cdr.legs[-1]
    assert b_leg.cost_micros == b_leg.billed_seconds * (
        _FORWARDED_MICROS if did == _MOBILE_DID else 0
    )


async def test_who_is_served_at_that_moment_waits_no_more(site: Site) -> None:
    """The switch dies when a caller from the queue is joined with the line: he has left it."""
    switch = site.switch()
    await site.start(switch, CALLCTL_CRASH_AT="ari POST bridges/*/addChannel after:3")
    site.carrier.line(ALONE, Answers(after_seconds=0.2, voice_hz=_LINE_HZ))
    served = await site.call(_QUEUE_DID, "01062005002")
    await served.hears(_LINE_HZ, 10)
    call = await site.call(_QUEUE_DID, _CALLER)
    await call.hears(PROMPT_HZ["", "hold"], 10)
    await served.hang_up()
    async with asyncio.timeout(10):
        await switch.wait()
    await site.start(switch)
    await site.logged(switch, "call_adopted")
    await site.both_hear(call, ALONE)

    async def left() -> bool | None:
        return None if await site.database.fetch("SELECT FROM queue_places") else True

    await eventually(left, "his place to be free", 5)
    await _ends_well(site, call)
