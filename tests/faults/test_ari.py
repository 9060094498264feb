"""Asterisk's ARI harmed by a proxy: the event socket, its events, and the answers to commands.

Calls talk on and are charged on; what came to pass unheard is found out from Asterisk; whatever a
command's answer, no other call waits for it, and nothing is left over.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from callctl import clock
from callctl.stack.processes import Child
from tests.agents import Answers, NoAnswer, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import eventually
from tests.faults import scripts
from tests.faults.forms import IS_LONG, SECONDS_MAX, chance, pick
from tests.faults.lossy import Harm
from tests.faults.proxy import Answer, AriProxy, Line
from tests.faults.site import Site

FOUND_SECONDS = 5.0
LEFT_SECONDS = 20.0
SETUP_SECONDS = 1.0
TALK, SILENT, MENU = "4005550001", "4005550002", "4005550005"
TALK_LINE, SILENT_LINE = "01062000401", "01062000402"
LINE_HZ, SILENT_HZ, PROBE_HZ = 440, 480, 520
CALLS = pick(short=24, long=200)
COMMANDS = pick(short=4, long=1000)
_MENU_HZ = PROMPT_HZ["", "unavailable"]
_FREE_LINE, _FREE = "01062000403", "4005550011"
SLICE_SECONDS = 20  # of paid time: longer than a lost answer stays unknown
_UNHEARD_SECONDS = 20.0  # what nobody heard of is found out within


@pytest.fixture
async def proxy(site: Site, request: pytest.FixtureRequest) -> AsyncIterator[AriProxy]:
    """A proxy on the way of every switch of the test's site."""
    async with AriProxy(site.ari_url, chance(request.node.name)) as made:
        site.ari_url = made.url
        site.settings["CALLCTL_SLICE_SECONDS"] = str(SLICE_SECONDS)
        yield made


# -- the socket

_SOCKETS: dict[str, Callable[[AriProxy], None]] = {
    "reset": lambda proxy: proxy.reset(),
    "closed": lambda proxy: proxy.close_socket(),
    "black hole": lambda proxy: proxy.set_line(Line.BLACK_HOLE),
    "stalled": lambda proxy: proxy.set_line(Line.STALLED),
    "all a black hole": lambda proxy: proxy.set_line(Line.BLACK_HOLE, is_for_commands=True),
}
_SHORT_SOCKETS = {"black hole"}
_KEEPS_APP = {"black hole", "stalled", "all a black hole"}  # as far as Asterisk can see


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("how", [how for how in _SOCKETS if IS_LONG or how in _SHORT_SOCKETS])
async def test_a_broken_event_socket_is_found_and_made_good(
    site: Site, proxy: AriProxy, how: str
) -> None:
    """Talks go on; who hung up, answered, came or pressed a key meanwhile is not forgotten."""
    switch = site.switch()
    await site.start(switch)
    site.carrier.line(SILENT_LINE, NoAnswer())
    talk = await site.talking(TALK, "01062001001", TALK_LINE)
    ending = await site.talking(TALK, "01062001002", TALK_LINE)
    ringing = await site.call(SILENT, "01062001003")
    silent = await site.carrier.called(SILENT_LINE)
    menu = await site.call(MENU, "01062001004")
    await menu.hears(_MENU_HZ, 10)

    proxy.line = Line.CUT  # for a while, so that something can come to pass unheard
    broken_at, broken = clock.monotonic(), clock.now()
    _SOCKETS[how](proxy)
    await _end(ending)
    silent.voice_hz = SILENT_HZ
    silent.answer()
    await menu.send_dtmf("1")
    unheard = None
    if how in _KEEPS_APP:
        unheard = await site.call(TALK, "01062001005")
    await site.logged(switch, "ari_not_connected", seconds=FOUND_SECONDS + 2)
    if how == "all a black hole":
        await clock.sleep(6.0)
    proxy.heal()
    await _reconnected(proxy, broken_at)
    site.tell(found_s=_found_at(switch, broken))
    assert _found_at(switch, broken) < FOUND_SECONDS

    healed_at = clock.monotonic()
    await asyncio.gather(ringing.hears(SILENT_HZ, 10), silent.hears(700, 10))
    if unheard is not None:
        await unheard.hears(LINE_HZ, 10)
    await menu.hears(_MENU_HZ, 25, since=healed_at)
    await menu.send_dtmf("1")
    await menu.hears(LINE_HZ, 10)
    later = await site.talking(TALK, "01062001006", TALK_LINE)
    assert talk.answered_at is not None
    await talk.hears(LINE_HZ, 30, since=talk.answered_at + SLICE_SECONDS + 2)
    await _as_long_as_it_talked(site, ending)
    calls = [talk, ringing, menu, later, *([unheard] if unheard else [])]
    await asyncio.gather(*(_end(call) for call in calls))
    for call in (talk, ringing, later):
        await _as_long_as_it_talked(site, call)
    await site.invariants()


@pytest.mark.skipif(not IS_LONG, reason="make faults")
@pytest.mark.timeout(SECONDS_MAX)
async def test_a_socket_that_drops_events_in_silence_is_found(site: Site, proxy: AriProxy) -> None:
    """Asterisk keeps a stalled socket open and drops what it can't write (R11): it is found."""
    switch = site.switch()
    await site.start(switch)
    talk = await site.talking(TALK, "01062001001", TALK_LINE)
    broken_at, broken = clock.monotonic(), clock.now()
    proxy.set_line(Line.STALLED)
    flood = {"flood": "x" * 6_000}
    for _ in range(40):
        await asyncio.gather(
            *(site.ari.events.user_event("flood", variables=flood) for _ in range(25))
        )
    await _reconnected(proxy, broken_at)
    site.tell(found_s=_found_at(switch, broken))
    assert _found_at(switch, broken) < FOUND_SECONDS
    later = await site.talking(TALK, "01062001002", TALK_LINE)
    for call in (talk, later):
        await _end(call)
        await _as_long_as_it_talked(site, call)
    await site.invariants()


# -- events

_ALL_OF_A_CALL = frozenset(
    {"StasisStart", "ChannelStateChange", "ChannelHangupRequest", "StasisEnd", "ChannelDestroyed"}
)


async def test_what_no_event_told_is_found_without_a_reconnect(site: Site, proxy: AriProxy) -> None:
    """An end, an answer and a caller whose events are lost are known 15 s later, and when."""
    switch = site.switch()
    await site.start(switch)
    site.carrier.line(SILENT_LINE, NoAnswer())
    ending = await site.talking(TALK, "01062001001", TALK_LINE)
    ringing = await site.call(SILENT, "01062001002")
    silent = await site.carrier.called(SILENT_LINE)
    proxy.harm = Harm(dropped=1.0, only=_ALL_OF_A_CALL)
    await _end(ending)
    silent.voice_hz = SILENT_HZ
    silent.answer()
    unheard = await site.call(TALK, "01062001003")
    await _dropped(proxy, "StasisStart", 1)
    proxy.heal()
    lost_at = clock.monotonic()
    await unheard.hears(LINE_HZ, _UNHEARD_SECONDS)
    await _as_long_as_it_talked(site, ending)
    site.tell(found_s=clock.monotonic() - lost_at)
    await ringing.hears(SILENT_HZ, 10)
    await asyncio.gather(_end(ringing), _end(unheard))
    await _as_long_as_it_talked(site, ringing)
    assert len(proxy.connected_at) == 1, "it was found without a new connection"
    await site.invariants()


_NOT_AGAIN = frozenset({"ChannelDtmfReceived"})  # Asterisk keeps no record of digits
_HARMS = {
    "dropped": Harm(dropped=0.05, spared=_NOT_AGAIN),
    "doubled": Harm(doubled=0.3),
    "reordered": Harm(reordered=0.3),
    "delayed": Harm(delayed=0.5),
    "all at once": Harm(dropped=0.03, doubled=0.2, reordered=0.2, delayed=0.2, spared=_NOT_AGAIN),
}


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("harm", [name for name in _HARMS if IS_LONG or name == "all at once"])
async def test_harmed_events_change_no_charge(site: Site, proxy: AriProxy, harm: str) -> None:
    """CDRs and ledger are those of calls whose events all came, in order and once."""
    await scripts.open_lines(site)
    switch = site.switch()
    await site.start(switch)
    clean = await scripts.run(site, scripts.SCRIPTS)
    assert len({one.disposition for one in clean}) >= 5, clean
    before = (await site.account("scripted")).balance_micros
    proxy.harm = _HARMS[harm]
    told = await scripts.run(site, CALLS, first=scripts.SCRIPTS * 1000)
    proxy.heal()
    site.tell(calls=CALLS, **dict(sorted(proxy.done.items())))
    expected = [clean[number % scripts.SCRIPTS] for number in range(CALLS)]
    wrong = [
        f"call {number} {found}\ninstead of {wanted}"
        for number, (found, wanted) in enumerate(zip(told, expected, strict=True))
        if found != wanted
    ]
    assert not wrong, "\n".join([f"{len(wrong)} of {CALLS}:", *wrong])
    paid = before - (await site.account("scripted")).balance_micros
    assert paid == sum(one.cost_micros for one in expected)
    await site.invariants(seconds=LEFT_SECONDS)


# -- commands


@dataclass(frozen=True, slots=True)
class Case:
    """A command, the call that uses it, and whether that is at its end."""

    command: str
    did: str = TALK
    is_at_end: bool = False


_CASES = [
    Case("ari POST channels/create"),
    Case("ari POST channels/*/dial"),
    Case("ari POST bridges/*"),
    Case("ari POST bridges/*/addChannel"),
    Case("ari POST channels/*/variable"),
    Case("ari GET channels/*/variable"),
    Case("ari DELETE channels/*", is_at_end=True),
    Case("ari DELETE bridges/*", is_at_end=True),
    Case("ari POST channels/*/answer", did=MENU),
    Case("ari POST bridges/*/play/*", did=MENU),
    Case("ari POST channels/*/play/*", did="4005550003"),
    Case("ari POST channels/*/ring", did="4005550008"),
    Case("ari POST bridges/*/record", did="4005550009"),
]
_ALL = [
    pytest.param(case, answer, id=f"{case.command} {answer.name}")
    for case in _CASES
    for answer in Answer
]


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize(
    ("case", "answer"), chance("commands").sample(_ALL, min(COMMANDS, len(_ALL)))
)
async def test_a_command_without_a_right_answer_harms_no_other_call(
    site: Site, proxy: AriProxy, case: Case, answer: Answer
) -> None:
    """Its call goes on or ends; others are set up in less than 1 s meanwhile; nothing is left."""
    switch = site.switch()
    await site.start(switch)
    site.carrier.line(TALK_LINE, Answers(after_seconds=0.3, voice_hz=LINE_HZ))
    site.carrier.line("13701000406", Answers(after_seconds=0.3, voice_hz=LINE_HZ, presses="1"))
    site.carrier.line("01062000407", Answers(after_seconds=0.0, voice_hz=PROBE_HZ))
    call = await _failed(site, proxy, case, answer)
    setups = [await _setup_seconds(site, nth) for nth in range(3)]
    await _lives_or_ends(call)
    call.start_hanging_up()
    await call.ended(20)
    await site.nothing_left(LEFT_SECONDS)
    cdr = await site.cdr(call, 20)
    site.tell(slowest_setup_s=max(setups))
    assert max(setups) < SETUP_SECONDS, f"others waited {setups} s"
    assert cdr.talk_seconds < 30
    proxy.heal()
    await site.invariants(seconds=LEFT_SECONDS)


@pytest.mark.skipif(not IS_LONG, reason="make faults")
async def test_a_caller_who_was_refused_in_vain_makes_no_second_call(
    site: Site, proxy: AriProxy
) -> None:
    """A channel that outlives its call, since no hang-up got through, is ended and not accepted."""
    switch = site.switch()
    await site.start(switch)
    proxy.fail(Answer.ERROR_INSTEAD, "ari DELETE channels/*", times=3)
    call = await site.call("4000000000", "01062001001")
    await call.ended(_UNHEARD_SECONDS + 10)
    await site.nothing_left(LEFT_SECONDS)
    await site.logged(switch, '"channel_left_over"', seconds=2)
    assert '"caller_not_heard_of"' not in switch.log_path.read_text()
    await site.invariants()


async def _failed(site: Site, proxy: AriProxy, case: Case, answer: Answer) -> PlacedCall:
    """Let one command of one call fail; that call."""
    if case.is_at_end:
        call = await site.call(case.did, "01064000000")
        await call.hears(LINE_HZ, 10)
        proxy.fail(answer, case.command)
        call.start_hanging_up()
    else:
        proxy.fail(answer, case.command)
        call = await site.call(case.did, "01064000000")

    async def has_failed() -> bool | None:
        return True if proxy.failed_at else None

    await eventually(has_failed, f"{case.command} to fail", 20)
    return call


async def _setup_seconds(site: Site, number: int) -> float:
    """How long another call takes from its INVITE to its answer."""
    began = clock.monotonic()
    call = await site.call("4005550010", f"010650{number:05}")
    await call.answered()
    assert call.answered_at is not None
    await _end(call)
    return call.answered_at - began


async def _lives_or_ends(call: PlacedCall) -> None:
    """It talks, or hears what it is to hear, or is over: within the time of two commands."""

    async def look() -> bool | None:
        return True if call.outcome is not None or call.answered_at is not None else None

    await eventually(look, "the call to be answered or to end", 15)


# -- witnesses


async def _end(call: PlacedCall) -> None:
    call.start_hanging_up()
    await call.ended(10)


async def _reconnected(proxy: AriProxy, since: float) -> None:
    async def look() -> bool | None:
        is_new = bool(proxy.connected_at) and proxy.connected_at[-1] > since
        return True if is_new and proxy.event_sockets else None

    await eventually(look, "a new event socket", 15)


async def _dropped(proxy: AriProxy, kind: str, count: int) -> None:
    async def look() -> bool | None:
        return True if proxy.done[f"dropped {kind}"] >= count else None

    await eventually(look, f"{count} {kind} to be dropped", 5)


def _found_at(switch: Child, broken: datetime) -> float:
    """Seconds until the switch said that it hears no events any more."""
    for line in switch.log_path.read_text().splitlines():
        if '"ari_not_connected"' in line:
            said: dict[str, Any] = json.loads(line)
            at = datetime.fromisoformat(said["timestamp"])
            if at > broken:
                return (at - broken).total_seconds()
    raise AssertionError("the switch did not find it")


async def _as_long_as_it_talked(site: Site, call: PlacedCall) -> None:
    """Charged is what the caller's telephone saw."""
    cdr = await site.cdr(call, _UNHEARD_SECONDS)
    assert call.outcome is not None
    assert call.outcome.talk_seconds is not None
    assert cdr.disposition == "answered"
    assert abs(float(cdr.talk_seconds) - call.outcome.talk_seconds) < 0.5, str(cdr)
