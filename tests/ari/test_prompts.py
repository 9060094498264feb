"""Which file Asterisk plays for a prompt in a language, as a telephone hears it."""

import asyncio

import pytest

from callctl.ari.client import AriClient
from callctl.ari.models import PlaybackFinished, StasisStart
from callctl.stack.asterisk import Asterisk
from tests.agents import Caller
from tests.agents.prompts import PROMPT_HZ

from .conftest import Inbox, new_name

DID = "4006001234"
NUMBER = "13800138000"


@pytest.mark.parametrize(
    ("lang", "language"),
    [
        ("zh", "zh"),
        ("en", "en"),
        ("fr", "fr"),
        ("zh-CN", "zh"),  # of a region: as the language
        ("de", ""),  # of which there is none: the tones
        (None, "zh"),  # the trunk's own, of pjsip.conf
    ],
)
async def test_prompt_is_played_in_its_language(
    asterisk: Asterisk, ari: AriClient, inbox: Inbox, lang: str | None, language: str
) -> None:
    """The caller hears the announcements of the language, or those of none, and no other."""
    async with Caller() as caller:
        call = await caller.call(DID, server=("127.0.0.1", asterisk.ports.sip), from_number=NUMBER)
        channel_id = (await inbox.take(StasisStart)).channel.id
        await ari.channels.answer(channel_id)
        await call.answered()
        for name in ("warning", "final"):
            playback_id = new_name("p")
            await ari.channels.play(
                channel_id, media=f"sound:callctl/{name}", playback_id=playback_id, lang=lang
            )
            await call.hears(PROMPT_HZ[language, name])
            await ari.playbacks.stop(playback_id)
        await call.hang_up()
    others = {hz for key, hz in PROMPT_HZ.items() if key[0] != language}
    assert others & {tone.hz for tone in call.tones if tone.seconds >= 0.1} == set()


async def test_prompt_without_the_language_is_played_in_none(
    asterisk: Asterisk, ari: AriClient, inbox: Inbox
) -> None:
    """A prompt that a language lacks, as a tenant's own ringback may, is played nevertheless."""
    async with Caller() as caller:
        call = await caller.call(DID, server=("127.0.0.1", asterisk.ports.sip), from_number=NUMBER)
        channel_id = (await inbox.take(StasisStart)).channel.id
        await ari.channels.play(
            channel_id, media="sound:callctl/ringback-demo", playback_id=new_name("p"), lang="fr"
        )
        await call.hears(PROMPT_HZ["", "ringback-demo"])
        await call.hang_up()


async def test_a_whisper_is_heard_by_one_and_mutes_nobody(
    asterisk: Asterisk, ari: AriClient, inbox: Inbox
) -> None:
    """A prompt through a snoop channel reaches one leg of a talk; both voices go on."""
    snoop_id, playback_id, bridge_id = new_name("s"), new_name("p"), new_name("b")
    server = ("127.0.0.1", asterisk.ports.sip)
    await ari.bridges.create(bridge_id)
    async with Caller(voice_hz=440) as one, Caller(voice_hz=700) as other:
        calls, legs = [], []
        for caller in (one, other):
            calls.append(await caller.call(DID, server=server, from_number=NUMBER))
            legs.append((await inbox.take(StasisStart)).channel.id)
            await ari.channels.answer(legs[-1])
            await ari.bridges.add_channel(bridge_id, legs[-1])
        await asyncio.gather(calls[0].hears(700), calls[1].hears(440))

        await ari.channels.snoop(legs[0], snoop_id=snoop_id, whisper="out", app_args="snoop")
        start = await inbox.take(StasisStart, lambda e: e.channel.id == snoop_id)
        assert start.args == ["snoop"]
        await ari.channels.play(
            snoop_id, media="sound:callctl/warning", playback_id=playback_id, lang="fr"
        )
        await calls[0].hears(PROMPT_HZ["fr", "warning"])
        async with asyncio.timeout(1):  # the prompt takes three
            await ari.channels.set_timeout_absolute(legs[0], 30)
        await inbox.take(PlaybackFinished, lambda e: e.playback.id == playback_id)
        heard = calls[1].heard(440)
        assert max(tone.seconds for tone in heard) > 3, calls[1].told()
        assert not calls[1].heard(PROMPT_HZ["fr", "warning"])
        await ari.channels.hangup(snoop_id)
        await asyncio.gather(*(call.hang_up() for call in calls))
