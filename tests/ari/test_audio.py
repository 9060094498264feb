"""What is uploaded is what a telephone hears from the real Asterisk."""

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest

from callctl.ari.client import AriClient
from callctl.ari.models import PlaybackFinished, StasisStart
from callctl.audio import SoundLibrary, add_audio
from callctl.db.pool import Database
from callctl.stack.asterisk import Asterisk
from tests.agents import Caller
from tests.agents.prompts import PROMPT_HZ, tone_wav

from .conftest import Inbox, new_name

DID, NUMBER = "4006001234", "13800138000"
FIRST_HZ, SECOND_HZ = 1325, 1475


@pytest.fixture
async def library(asterisk: Asterisk, database: Database) -> AsyncIterator[SoundLibrary]:
    """The files of the session's Asterisk, as a switch keeps them."""
    yield SoundLibrary(database, asterisk.sounds_path)
    shutil.rmtree(asterisk.sounds_path / "tenants" / "acme", ignore_errors=True)


async def test_uploaded_audio_is_heard_in_early_media(
    asterisk: Asterisk, ari: AriClient, inbox: Inbox, database: Database, library: SoundLibrary
) -> None:
    """An upload is heard by an unanswered caller; if replaced meanwhile, it goes on to its end."""
    await add_audio(database, "acme", "welcome", tone_wav(FIRST_HZ, 1.5), "welcome.wav")
    await library.sync()
    async with Caller() as caller:
        call = await caller.call(DID, server=("127.0.0.1", asterisk.ports.sip), from_number=NUMBER)
        channel_id = (await inbox.take(StasisStart)).channel.id

        async def play(lang: str) -> str:
            playback_id = new_name("p")
            await ari.channels.play(
                channel_id, media="sound:tenants/acme/welcome", playback_id=playback_id, lang=lang
            )
            return playback_id

        playing = await play("fr")
        await call.hears(FIRST_HZ)
        await add_audio(database, "acme", "welcome", tone_wav(SECOND_HZ), "welcome.wav")
        await library.sync()
        await inbox.take(PlaybackFinished, lambda event: event.playback.id == playing)
        [first] = call.heard(FIRST_HZ)
        assert first.seconds == pytest.approx(1.5, abs=0.1)
        assert not call.heard(SECOND_HZ)

        await play("zh")
        await call.hears(SECOND_HZ)
        assert call.answered_at is None
        call.start_hanging_up()
        await asyncio.wait_for(call.ended(), 5)


async def test_spoken_prompts_are_tones_in_tests(
    asterisk: Asterisk, ari: AriClient, inbox: Inbox
) -> None:
    """The session's Asterisk plays the tests' tone for a shipped prompt, in any language."""
    async with Caller() as caller:
        call = await caller.call(DID, server=("127.0.0.1", asterisk.ports.sip), from_number=NUMBER)
        channel_id = (await inbox.take(StasisStart)).channel.id
        for lang, name in (("zh", "closed"), ("fr", "place/3"), ("en", "digit/4")):
            await ari.channels.play(
                channel_id, media=f"sound:callctl/{name}", playback_id=new_name("p"), lang=lang
            )
            await call.hears(PROMPT_HZ["", name])
        call.start_hanging_up()
        await asyncio.wait_for(call.ended(), 5)
