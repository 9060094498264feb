"""Each command to bridges and playbacks against the real Asterisk."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from callctl.ari.client import AriClient
from callctl.ari.models import PlaybackFinished, RecordingFinished, StasisStart
from callctl.errors import AriRefused, HungUp, InvalidInput
from callctl.stack.asterisk import Asterisk
from tests.agents import Caller, PlacedCall
from tests.demo.world import eventually

from .conftest import Inbox, Pair, destroyed, new_line, new_name

PROMPT = "sound:callctl/unavailable"


async def test_create_again_with_the_same_id_returns_the_same_bridge(ari: AriClient) -> None:
    """Whoever does not know whether a create was carried out sends it again."""
    bridge_id = new_name("b")
    first = await ari.bridges.create(bridge_id, bridge_type="mixing", name="call")
    again = await ari.bridges.create(bridge_id, bridge_type="mixing")
    assert first.id == again.id == bridge_id
    assert [b.id for b in await ari.bridges.list()].count(bridge_id) == 1


async def test_channels_enter_and_leave_a_bridge(ari: AriClient, inbox: Inbox, line: str) -> None:
    """Both legs go in by one command and are listed; one can be taken out again."""
    other = await new_line(ari, inbox)
    bridge_id = new_name("b")
    await ari.bridges.create(bridge_id)
    await ari.bridges.add_channel(bridge_id, [line, other])
    assert set((await ari.bridges.get(bridge_id)).channels) == {line, other}
    await ari.bridges.remove_channel(bridge_id, line)
    assert (await ari.bridges.get(bridge_id)).channels == [other]
    with pytest.raises(AriRefused, match="not in this bridge"):
        await ari.bridges.remove_channel(bridge_id, line)


async def test_adding_a_channel_that_is_gone_is_hung_up(
    ari: AriClient, inbox: Inbox, line: str
) -> None:
    """The glare of a hang-up with a bridge is the call's end, not a refusal."""
    bridge_id = new_name("b")
    await ari.bridges.create(bridge_id)
    await ari.channels.hangup(line)
    await destroyed(inbox, line)
    with pytest.raises(HungUp):
        await ari.bridges.add_channel(bridge_id, [line])


async def test_adding_to_a_bridge_that_is_gone_is_refused(ari: AriClient, line: str) -> None:
    """A missing bridge is our mistake, and no hang-up."""
    with pytest.raises(AriRefused, match="Bridge not found") as refused:
        await ari.bridges.add_channel(new_name("b"), [line])
    assert refused.value.status == 404


async def test_destroy_removes_the_bridge_and_may_be_repeated(ari: AriClient) -> None:
    """Removing a bridge twice is no error; Asterisk soon knows nothing of it."""
    bridge_id = new_name("b")
    await ari.bridges.create(bridge_id)
    await ari.bridges.destroy(bridge_id)
    await ari.bridges.destroy(bridge_id)

    async def get_until_gone() -> None:
        while True:  # answers come from a cache that is a moment behind
            await ari.bridges.get(bridge_id)

    with pytest.raises(AriRefused) as refused:
        await asyncio.wait_for(get_until_gone(), 5)
    assert refused.value.status == 404


async def test_playback_on_a_channel_is_stopped(ari: AriClient, inbox: Inbox, pair: Pair) -> None:
    """What plays on an unanswered leg is early media; stopping it frees the channel at once."""
    playback_id = new_name("p")
    await ari.channels.play(pair.caller, media=[PROMPT] * 5, playback_id=playback_id)
    playback = await ari.playbacks.get(playback_id)
    assert playback.target_uri == f"channel:{pair.caller}"
    await ari.playbacks.stop(playback_id)
    await inbox.take(PlaybackFinished, lambda e: e.playback.id == playback_id)
    await ari.channels.set_channel_var(pair.caller, "X", "1")
    await ari.playbacks.stop(playback_id)
    with pytest.raises(AriRefused) as refused:
        await ari.playbacks.get(playback_id)
    assert refused.value.status == 404


async def test_playback_on_a_bridge_holds_up_no_command(
    ari: AriClient, inbox: Inbox, pair: Pair
) -> None:
    """While a prompt plays on the bridge its channels answer commands; its end is told."""
    bridge_id, playback_id = new_name("b"), new_name("p")
    await ari.channels.answer(pair.caller)
    await ari.bridges.create(bridge_id)
    await ari.bridges.add_channel(bridge_id, pair.caller)
    await ari.bridges.play(bridge_id, media=[PROMPT] * 5, playback_id=playback_id, lang="fr")
    playback = await ari.playbacks.get(playback_id)
    assert playback.target_uri == f"bridge:{bridge_id}"
    async with asyncio.timeout(1):  # the prompt takes eighteen
        await ari.channels.set_timeout_absolute(pair.caller, 30)
    await ari.playbacks.stop(playback_id)
    await inbox.take(PlaybackFinished, lambda e: e.playback.id == playback_id)


async def test_a_playback_is_stopped_in_the_moment_it_begins(
    ari: AriClient, inbox: Inbox, pair: Pair
) -> None:
    """However soon after its start, a playback that is stopped ends, and the next one plays."""
    bridge_id = new_name("b")
    await ari.channels.answer(pair.caller)
    await ari.bridges.create(bridge_id)
    await ari.bridges.add_channel(bridge_id, pair.caller)
    for _ in range(50):
        playback_id = new_name("p")
        await ari.bridges.play(bridge_id, media=[PROMPT], playback_id=playback_id)
        await ari.playbacks.stop(playback_id)

        def is_it(event: PlaybackFinished, wanted: str = playback_id) -> bool:
            return event.playback.id == wanted

        async with asyncio.timeout(1):  # the prompt takes four
            await inbox.take(PlaybackFinished, is_it)


async def test_a_playback_that_is_there_already_follows_the_one_that_is_stopped(
    ari: AriClient, inbox: Inbox
) -> None:
    """On many bridges at once, again and again; else Asterisk refuses some, and may die of it."""

    async def stop(playback_id: str) -> None:
        await ari.playbacks.stop(playback_id)
        await inbox.take(PlaybackFinished, lambda e: e.playback.id == playback_id)

    async def swap(line: str) -> None:
        bridge_id, playing = new_name("b"), new_name("p")
        await ari.bridges.create(bridge_id)
        await ari.bridges.add_channel(bridge_id, line)
        await ari.bridges.play(bridge_id, media=[PROMPT], playback_id=playing)
        for _ in range(50):
            before, playing = playing, new_name("p")
            await ari.bridges.play(bridge_id, media=[PROMPT], playback_id=playing)
            await stop(before)
        await stop(playing)

    lines = [await new_line(ari, inbox) for _ in range(6)]
    await asyncio.gather(*map(swap, lines))


@contextlib.asynccontextmanager
async def _talking(
    asterisk: Asterisk, ari: AriClient, inbox: Inbox
) -> AsyncIterator[tuple[PlacedCall, str]]:
    """A caller who speaks, alone in a bridge."""
    async with Caller() as caller:
        server = ("127.0.0.1", asterisk.ports.sip)
        call = await caller.call("4006001234", server=server, from_number="13800138000")
        channel_id = (await inbox.take(StasisStart)).channel.id
        bridge_id = new_name("b")
        await ari.channels.answer(channel_id)
        await ari.bridges.create(bridge_id)
        await ari.bridges.add_channel(bridge_id, channel_id)
        await call.answered()
        yield call, bridge_id


async def test_record_until_stopped(asterisk: Asterisk, ari: AriClient, inbox: Inbox) -> None:
    """What is said in a bridge becomes a file; its end is told once stopped, which may be again."""
    async with _talking(asterisk, ari, inbox) as (_, bridge_id):
        name = new_name("x")
        recording = await ari.bridges.record(bridge_id, name=name, seconds_max=60)
        assert recording.target_uri == f"bridge:{bridge_id}"
        path = asterisk.recordings_path / f"{name}.wav"

        async def look() -> bool | None:
            return True if path.exists() and path.stat().st_size > 4000 else None

        await eventually(look, "the file", 5)
        await ari.recordings.stop(name)
        end = await inbox.take(RecordingFinished, lambda e: e.recording.name == name)
        assert (end.recording.state, end.recording.target_uri) == ("done", f"bridge:{bridge_id}")
        assert end.recording.duration is not None
        await ari.recordings.stop(name)
        with pytest.raises(AriRefused, match="already exists") as refused:
            await ari.bridges.record(bridge_id, name=name, seconds_max=60)
        assert refused.value.status == 409
        with pytest.raises(InvalidInput):
            await ari.bridges.record(bridge_id, name="../etc/x", seconds_max=60)


@pytest.mark.parametrize("end", ["key", "silence", "limit", "last one gone", "bridge gone"])
async def test_record_ends_by_itself(
    asterisk: Asterisk, ari: AriClient, inbox: Inbox, end: str
) -> None:
    """By the digit wanted, by silence, at its limit, and with whom or what it records."""
    async with _talking(asterisk, ari, inbox) as (call, bridge_id):
        name = new_name("x")
        await ari.bridges.record(
            bridge_id,
            name=name,
            seconds_max=1 if end == "limit" else 60,
            silence_seconds=1,
            terminate_on="#",
        )
        if end == "key":
            await call.send_dtmf("#")
        elif end == "silence":
            call.media.speak(0)
        elif end == "last one gone":
            await call.hang_up()
        elif end == "bridge gone":
            await ari.bridges.destroy(bridge_id)
        async with asyncio.timeout(4):
            await inbox.take(RecordingFinished, lambda e: e.recording.name == name)
