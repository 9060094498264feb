"""Each command to bridges and playbacks against the real Asterisk."""

import asyncio

import pytest

from callctl.ari.client import AriClient
from callctl.ari.models import PlaybackFinished
from callctl.errors import AriRefused, HungUp

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
