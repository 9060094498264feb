"""Lines and callers that vanish, hold, change codec, refer, redirect, or refuse in every way."""

import asyncio

import pytest

from callctl import clock
from tests.agents import AgentFailure, Answers, NoAnswer, PlacedCall, ReceivedCall, Rejects
from tests.agents.tones import ALAW, ULAW
from tests.faults.dialogs import ask, hold, in_codec, redirect, vanish
from tests.faults.forms import IS_LONG, SECONDS_MAX, chance, pick
from tests.faults.other_asterisk import reconfigured, with_option
from tests.faults.site import Site
from tests.faults.stages import SECOND_MICROS, TALK

DID = "4005550001"
FRAUD = "0088299123456"
SILENCE_SECONDS_MAX = 60  # as shipped
SESSION_SECONDS = 90  # no session may be shorter
REFER_SECONDS = pick(short=1, long=5)
SHORT_SILENCE_SECONDS = pick(short=2, long=5)
ROUNDS = pick(short=1, long=3)
REFUSALS = {
    300: "failed",
    302: "failed",
    400: "failed",
    401: "rejected",
    403: "rejected",
    404: "failed",
    408: "no_answer",
    410: "failed",
    480: "no_answer",
    484: "failed",
    486: "busy",
    488: "failed",
    500: "failed",
    502: "failed",
    503: "congested",
    504: "failed",
    600: "busy",
    603: "rejected",
    604: "failed",
    606: "failed",
}


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("_round", range(ROUNDS))
async def test_silence_ends_the_call(site: Site, _round: int) -> None:
    """Who is gone without a BYE, or sends no audio, ends his call, and the charge with it."""
    files = with_option(site.grounds, f"rtp_timeout = {SHORT_SILENCE_SECONDS}")
    async with reconfigured(site.grounds, site.folder, files=files):
        await _silence_ends(site, SHORT_SILENCE_SECONDS)


@pytest.mark.skipif(not IS_LONG, reason="it lasts more than a minute: make faults")
async def test_a_minute_of_silence_ends_the_call(site: Site) -> None:
    """Likewise, with the configuration as it is shipped."""
    await _silence_ends(site, SILENCE_SECONDS_MAX)


async def _silence_ends(site: Site, silence_seconds: int) -> None:
    await site.start(site.switch())
    talks = [await _talk(site) for _ in range(6)]
    *_, (caller_gone, _), (_, line_gone), lively = talks
    silent = (*talks[0], talks[1][0], talks[2][1])  # both sides, a caller, a line
    silent_at = clock.monotonic()
    for party in silent:
        party.media._pacer.remove(party.media)
    for party in (caller_gone, line_gone):
        vanish(party)
    await asyncio.gather(*(one.ended(silence_seconds + 5) for pair in talks[:-1] for one in pair))
    noticed_seconds = clock.monotonic() - silent_at
    assert noticed_seconds > silence_seconds - 1
    await lively[0].hears(440, since=clock.monotonic())
    await lively[0].hang_up()
    for talk, _ in talks:
        cdr = await site.cdr(talk)
        assert talk.answered_at is not None
        until = silent_at + noticed_seconds + 1
        assert cdr.disposition == "answered"
        assert cdr.legs[0].billed_seconds <= until - talk.answered_at + 1
    site.tell(silence_seconds=silence_seconds, noticed_seconds=noticed_seconds)
    await site.invariants()


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.skipif(not IS_LONG, reason="it lasts more than a minute: make faults")
async def test_a_session_that_is_not_refreshed_ends(site: Site) -> None:
    """A caller who asked for a session timer and then only sends audio is taken for gone."""
    await site.start(site.switch())
    site.carrier.line(TALK, Answers(voice_hz=440))
    asked = {"Supported": "timer", "Session-Expires": f"{SESSION_SECONDS};refresher=uac"}
    server = ("127.0.0.1", site.sip_port)
    call = await site.caller.call(DID, server=server, from_number="01063420099", headers=asked)
    await call.hears(440, seconds=10)
    assert call.answered_at is not None
    outcome = await call.ended(SESSION_SECONDS + 5)
    assert outcome.ended_by == "them"
    cdr = await site.cdr(call)
    assert call.ended_at is not None
    lasted = call.ended_at - call.answered_at
    assert lasted > SESSION_SECONDS / 2
    assert float(cdr.talk_seconds) == pytest.approx(lasted, abs=1.0)
    assert cdr.cost_micros == SECOND_MICROS * cdr.legs[0].billed_seconds
    site.tell(session_seconds=SESSION_SECONDS, lasted_seconds=lasted)
    await site.invariants()


async def test_silence_ends_a_call_as_shipped(site: Site) -> None:
    """Asterisk is told to, by the project's own configuration; on hold it waits longer."""
    shown = await site.asterisk.cli("pjsip show endpoint carrier")
    options = dict(
        line.split(":", 1) for line in shown.replace(" ", "").splitlines() if ":" in line
    )
    assert int(options["rtp_timeout"]) == SILENCE_SECONDS_MAX
    assert int(options["rtp_timeout_hold"]) > SILENCE_SECONDS_MAX
    assert options["timers"] == "yes"


async def test_hold_and_another_codec_are_taken(site: Site) -> None:
    """Re-INVITEs of either side are accepted, and afterwards both hear each other."""
    await site.start(site.switch())
    talk, line = await _talk(site)
    for party, other in ((talk, line), (line, talk)):
        offers = (hold(party), party._offer(), in_codec(party, ULAW), in_codec(party, ALAW))
        for sdp in offers:
            response = await ask(party, "INVITE", sdp=sdp)
            assert response.status_code == 200
            if "a=sendonly" not in sdp:
                party._take_description(response.text)
                since = clock.monotonic()
                await asyncio.gather(party.hears(other.voice_hz, since=since + 0.2))
                await other.hears(party.voice_hz, since=since + 0.2)
    await talk.hang_up()
    cdr = await site.cdr(talk)
    assert cdr.cost_micros == SECOND_MICROS * cdr.legs[0].billed_seconds
    await site.invariants()


async def test_a_refer_moves_no_call(site: Site) -> None:
    """Nobody outside takes a call out of its charge: the talk goes on where it is."""
    await site.start(site.switch())
    talk, line = await _talk(site)
    for party in (talk, line):
        to = f"<sip:{FRAUD}@127.0.0.1:{site.asterisk.ports.carrier}>"
        headers = {"Refer-To": to, "Referred-By": to}
        asked = ask(party, "REFER", headers=headers, seconds=REFER_SECONDS)
        try:
            assert (await asked).status_code >= 400
        except AgentFailure:  # there is no module that would look at it
            assert not site.carrier.calls_to(FRAUD)
    since = clock.monotonic()
    await asyncio.gather(talk.hears(440, since=since), line.hears(700, since=since))
    assert not site.carrier.calls_to(FRAUD)
    await talk.hang_up()
    await site.invariants()


async def test_a_redirection_is_never_followed(site: Site) -> None:
    """302 of a line is a refusal: its tenant pays for no call to where it points."""
    site.carrier.line(TALK, NoAnswer())
    site.carrier.line(FRAUD, Answers())
    await site.start(site.switch())
    call = await site.call(DID, "01063400001")
    line = await site.carrier.called(TALK)
    redirect(line, f"sip:{FRAUD}@127.0.0.1:{site.asterisk.ports.carrier}")
    outcome = await call.ended()
    assert outcome.talk_seconds is None
    cdr = await site.cdr(call)
    assert (cdr.disposition, cdr.cost_micros) == ("failed", 0)
    assert not site.carrier.calls_to(FRAUD)
    await site.invariants()


async def test_each_refusal_of_a_line_is_told_in_the_cdr(site: Site) -> None:
    """3xx, 4xx, 5xx and 6xx of a line: what became of its leg, and nothing is charged."""
    await site.start(site.switch())
    found = {}
    chosen = chance("refusals").sample(sorted(REFUSALS), pick(short=8, long=len(REFUSALS)))
    for status in chosen:
        site.carrier.line(TALK, Rejects(status))
        call = await site.call(DID, f"01063410{status}")
        outcome = await call.ended()
        assert outcome.status >= 400
        cdr = await site.cdr(call)
        assert cdr.cost_micros == 0
        assert len(cdr.legs) == 2, cdr
        found[status] = cdr.legs[1].disposition
        if len(found) % 2 == 0:  # three failures in a row would rest the line
            await (await site.talking(DID, "01063410000", TALK)).hang_up()
    assert found == {status: REFUSALS[status] for status in chosen}
    await site.invariants()


async def _talk(site: Site) -> tuple[PlacedCall, ReceivedCall]:
    """A caller and his line, who hear each other."""
    count = len(site.carrier.calls_to(TALK))
    talk = await site.talking(DID, f"010634200{count:02}", TALK)
    line = await site.carrier.called(TALK, nth=count)
    await line.hears(site.caller.voice_hz)
    return talk, line
