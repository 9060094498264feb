"""Each command to a channel against the real Asterisk; both ends of a call are channels in it."""

import contextlib
import uuid

import pytest

from callctl.ari.client import AriClient, AriSettings
from callctl.ari.models import ChannelHangupRequest, ChannelStateChange, StasisEnd, StasisStart
from callctl.errors import AriRefused, AriUnavailable, HungUp, InvalidInput

from .conftest import Inbox, Pair, destroyed, new_name

PROMPT = "sound:callctl/unavailable"


async def test_create_then_stasis_start_carries_our_id_and_arguments(
    ari: AriClient, inbox: Inbox
) -> None:
    """A created channel has the id that we chose and enters our application with our words."""
    channel_id = new_name("l")
    channel = await ari.channels.create(
        "Local/4001@from-carrier", channel_id=channel_id, app_args="line,42"
    )
    start = await inbox.take(StasisStart, lambda e: e.channel.id == channel_id)
    assert (channel.id, channel.state) == (channel_id, "Down")
    assert start.args == ["line", "42"]


async def test_create_again_with_the_same_id_returns_the_same_channel(
    ari: AriClient, line: str
) -> None:
    """Whoever does not know whether a create was carried out sends it again."""
    again = await ari.channels.create("Local/4001@from-carrier", channel_id=line)
    assert again.id == line
    assert [c.id for c in await ari.channels.list() if c.id == line] == [line]


async def test_create_with_the_beginning_of_a_living_id_is_refused(
    ari: AriClient, line: str
) -> None:
    """Asterisk takes an id that another one begins with for that other; we do not."""
    with pytest.raises(AriRefused, match="already exists") as refused:
        await ari.channels.create("Local/4001@from-carrier", channel_id=line[:-1])
    assert refused.value.status == 409


async def test_create_of_an_unknown_endpoint_is_refused(ari: AriClient) -> None:
    """A line on a trunk that Asterisk does not have is a clear no, not an outage."""
    with pytest.raises(AriRefused, match="Allocation failed"):
        await ari.channels.create("PJSIP/4001@nowhere", channel_id=new_name("l"))


async def test_create_with_a_timer_ends_the_channel_by_itself(ari: AriClient, inbox: Inbox) -> None:
    """A leg is born with its own end, so a dead controller leaves no ringing telephone (R4)."""
    channel_id = new_name("l")
    await ari.channels.create(
        "Local/4001@from-carrier",
        channel_id=channel_id,
        variables={"TIMEOUT(absolute)": "1.000"},
    )
    await destroyed(inbox, channel_id)


async def test_dial_brings_the_inbound_leg_with_a_call_id(
    ari: AriClient, inbox: Inbox, line: str
) -> None:
    """The dialplan hands a call over as inbound,<call id>."""
    await ari.channels.dial(line, timeout=30)
    start = await inbox.take(StasisStart, lambda e: e.channel.id == f"{line};2")
    assert start.args[0] == "inbound"
    assert uuid.UUID(start.args[1]).hex == start.args[1].replace("-", "")


async def test_dial_ends_by_itself_when_nobody_answers(
    ari: AriClient, inbox: Inbox, line: str
) -> None:
    """The ring time of a dial is kept by Asterisk."""
    await ari.channels.dial(line, timeout=1)
    end = await destroyed(inbox, line)
    assert end.cause in {0, 16, 19, 26}


async def test_dial_of_a_channel_before_stasis_start_is_hung_up_or_done(ari: AriClient) -> None:
    """Dialling at once is a race (R16): never an error of another kind."""
    channel_id = new_name("l")
    await ari.channels.create("Local/4001@from-carrier", channel_id=channel_id)
    with contextlib.suppress(HungUp):
        await ari.channels.dial(channel_id, timeout=5)


async def test_ring_progress_and_answer_are_seen_at_the_other_end(
    ari: AriClient, inbox: Inbox, pair: Pair
) -> None:
    """What one leg is told, the other leg's channel shows."""
    await ari.channels.ring(pair.caller)
    await inbox.take(
        ChannelStateChange, lambda e: e.channel.id == pair.line and e.channel.state == "Ringing"
    )
    await ari.channels.progress(pair.caller)
    await ari.channels.answer(pair.caller)
    await inbox.take(
        ChannelStateChange, lambda e: e.channel.id == pair.line and e.channel.state == "Up"
    )
    await ari.channels.answer(pair.caller)
    assert (await ari.channels.get(pair.caller)).state == "Up"


async def test_hangup_passes_the_cause_on_and_may_be_repeated(
    ari: AriClient, inbox: Inbox, line: str
) -> None:
    """The Q.850 cause of a hang-up is the channel's; hanging up twice is no error."""
    await ari.channels.hangup(line, reason_code=21)
    assert (await destroyed(inbox, line)).cause == 21
    await ari.channels.hangup(line, reason_code=21)


async def test_hangup_with_a_cause_outside_q850_is_invalid(ari: AriClient) -> None:
    """Asterisk would take any number; the caller of the client hears of it instead."""
    with pytest.raises(InvalidInput, match=r"Q\.850"):
        await ari.channels.hangup("nobody", reason_code=200)


async def test_hung_up_channel_raises_hung_up_for_every_command(
    ari: AriClient, inbox: Inbox, line: str
) -> None:
    """A command after the hang-up is the call's own end, not a failure."""
    await ari.channels.hangup(line)
    await destroyed(inbox, line)
    bridge_id = new_name("b")
    await ari.bridges.create(bridge_id)
    for command in (
        ari.channels.answer(line),
        ari.channels.ring(line),
        ari.channels.progress(line),
        ari.channels.dial(line),
        ari.channels.get(line),
        ari.channels.get_channel_var(line, "X"),
        ari.channels.set_channel_var(line, "X", "1"),
        ari.channels.set_timeout_absolute(line, 5),
        ari.channels.play(line, media=PROMPT, playback_id=new_name("p")),
        ari.channels.continue_in_dialplan(line),
        ari.bridges.add_channel(bridge_id, line),
    ):
        with pytest.raises(HungUp):
            await command


async def test_timeout_absolute_reads_back_and_ends_the_channel(
    ari: AriClient, inbox: Inbox, line: str
) -> None:
    """The paid time is Asterisk's to keep: it can be shortened and extended; it ends the leg."""
    await ari.channels.set_timeout_absolute(line, 14_400)
    assert float(await ari.channels.get_channel_var(line, "TIMEOUT(absolute)") or 0) > 14_398
    await ari.channels.set_timeout_absolute(line, 1)
    await destroyed(inbox, line)


async def test_timeout_absolute_that_reads_back_unlimited_is_refused(
    ari: AriClient, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If Asterisk kept no limit (as for a value it cannot read), the caller must know."""
    monkeypatch.setattr("callctl.ari.names.timeout_seconds", lambda _seconds: "nan")
    with pytest.raises((AriRefused, ValueError), match="is 0 after"):
        await ari.channels.set_timeout_absolute(line, 5)


async def test_channel_variables_are_written_and_read(ari: AriClient, line: str) -> None:
    """A value comes back as it was sent, whatever characters it has; an unknown one is None."""
    await ari.channels.set_channel_var(line, "NOTE", "a&b=c%20 号码+")
    assert await ari.channels.get_channel_var(line, "NOTE") == "a&b=c%20 号码+"
    assert await ari.channels.get_channel_var(line, "NOBODY_SET_THIS") is None


async def test_variables_of_a_new_channel_are_set(ari: AriClient) -> None:
    """Variables given to create are there from the beginning."""
    channel_id = new_name("l")
    await ari.channels.create(
        "Local/4001@from-carrier", channel_id=channel_id, variables={"NOTE": "x", "TENANT": "7"}
    )
    assert await ari.channels.get_channel_var(channel_id, "TENANT") == "7"


async def test_end_of_an_inbound_leg_reaches_us(ari: AriClient, inbox: Inbox, pair: Pair) -> None:
    """Billing ends at ChannelDestroyed, which an inbound leg sends to subscribers only (R8)."""
    await ari.channels.hangup(pair.caller)
    await inbox.take(ChannelHangupRequest, lambda e: e.channel.id == pair.caller)
    await inbox.take(StasisEnd, lambda e: e.channel.id == pair.caller)
    await destroyed(inbox, pair.caller)


async def test_continue_in_dialplan_ends_our_control(
    ari: AriClient, inbox: Inbox, pair: Pair
) -> None:
    """A leg given back to the dialplan goes on there; commands to it are HungUp."""
    await ari.channels.continue_in_dialplan(
        pair.caller, context="callctl-away", extension="s", priority=1
    )
    await inbox.take(StasisEnd, lambda e: e.channel.id == pair.caller)
    with pytest.raises(HungUp):
        await ari.channels.answer(pair.caller)


async def test_originate_enters_the_application_once_answered(ari: AriClient, inbox: Inbox) -> None:
    """Originate is create and dial in one; the other end answers, then we get the leg."""
    channel_id, other_id = new_name("l"), new_name("c")
    for _ in range(2):  # the second time it is there already
        made = await ari.channels.originate(
            "Local/4001@from-carrier",
            channel_id=channel_id,
            other_channel_id=other_id,
            app_args="line,7",
            caller_id="010 <01012345678>",
        )
        assert made.id == channel_id
    inbound = await inbox.take(StasisStart, lambda e: e.channel.id == other_id)
    await ari.channels.answer(inbound.channel.id)
    start = await inbox.take(StasisStart, lambda e: e.channel.id == channel_id)
    assert start.args == ["line", "7"]


async def test_command_to_a_playing_channel_ends_at_its_deadline(
    ari: AriClient, settings: AriSettings, pair: Pair
) -> None:
    """A command waits for the end of what plays on the channel; our deadline comes first."""
    await ari.channels.answer(pair.caller)
    await ari.channels.play(pair.caller, media=[PROMPT] * 5, playback_id=new_name("p"))
    hasty = AriSettings(settings.url, settings.user, settings.password, command_seconds=0.3)
    async with AriClient(hasty) as client:
        with pytest.raises(AriUnavailable, match=r"in 0\.3 s"):
            await client.channels.set_channel_var(pair.caller, "X", "1")
