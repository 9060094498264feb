"""Voicemails on real calls: spoken, kept as a file, and mailed through a real SMTP server."""

import pytest

from callctl.stack.asterisk import Asterisk
from callctl.stack.processes import Child
from callctl.views import CdrFilter, Voicemail
from tests.agents import Busy, Caller, PlacedCall
from tests.agents.prompts import PROMPT_HZ
from tests.demo.world import World, eventually
from tests.plugins.mailbox import Mailbox

from .answered import CALLER, CALLER_HZ, DESK, provide, seconds_of, tones_of, written

GREETING_HZ, BEEP_HZ = PROMPT_HZ["", "leave-a-message"], PROMPT_HZ["", "beep"]
SAVED_HZ = PROMPT_HZ["", "message-saved"]


@pytest.fixture
def switch_settings(switch_settings: dict[str, str], mailbox: Mailbox) -> dict[str, str]:
    """The switch's, with a server for its mail."""
    return switch_settings | mailbox.environment


@pytest.fixture
async def answered(world: World) -> World:
    """The world with the tenant of voicemail.yaml."""
    await provide(world)
    return world


async def _left(world: World, call: PlacedCall) -> Voicemail | None:
    """What the call left, once it has a CDR."""
    cdr = await world.cdr(call)
    found = await world.views.voicemails(CdrFilter())
    return next((one for one in found if one.call_id == cdr.call_id), None)


async def test_message_arrives_by_mail(
    answered: World, asterisk: Asterisk, mailbox: Mailbox
) -> None:
    """A caller who speaks and hangs up has left a message: a file, a row, a mail with his voice."""
    call = await answered.call("4003330001", CALLER)
    await call.hears(GREETING_HZ)
    await call.hears(BEEP_HZ)
    path = await written(answered, asterisk, "-voicemail.wav", 1.5)
    await call.hang_up()

    voicemail = await _left(answered, call)
    assert voicemail is not None
    assert (voicemail.box, voicemail.caller, voicemail.area) == ("night", "+8613901710001", "上海")
    assert 1.5 <= seconds_of(path) < 3.0
    assert float(voicemail.seconds) == round(seconds_of(path), 1)
    sound = path.read_bytes()
    assert tones_of(sound)[CALLER_HZ] > 1.4

    async def mailed() -> bool | None:
        return True if mailbox.mails else None

    await eventually(mailed, "the mail", 3)
    [mail] = mailbox.mails
    assert mail["To"] == "desk@example.cn"
    assert "+8613901710001（上海）" in mail["Subject"]
    [attached] = mail.iter_attachments()
    assert attached.get_content() == sound
    cdr = await answered.cdr(call)
    assert (cdr.stage, cdr.ended_by) == ("voicemail", "caller")
    assert cdr.cost_micros > 0, "a box answers, so the call is charged"
    assert cdr.trace[-1]["rule"] == "voicemail night"
    await answered.nothing_left()


async def test_message_ends_by_hash_and_is_confirmed(answered: World, asterisk: Asterisk) -> None:
    """A caller who presses # hears that his message is kept, and is then hung up."""
    call = await answered.call("4003330001", CALLER)
    await call.hears(BEEP_HZ, seconds=5)
    await written(answered, asterisk, "-voicemail.wav", 1.2)
    await call.send_dtmf("#")
    await call.hears(SAVED_HZ)
    outcome = await call.ended()

    assert outcome.ended_by == "them"
    voicemail = await _left(answered, call)
    assert voicemail is not None
    assert 1.0 <= float(voicemail.seconds) < 3.0
    await answered.nothing_left()


async def test_message_ends_at_its_limit(answered: World, asterisk: Asterisk) -> None:
    """A box of five seconds takes five seconds, and sends no mail without an address.

    callctl ends it. Asterisk, which compares whole seconds of the clock, would take 5 to 6 s.
    """
    call = await answered.call("4003330002", CALLER)
    await call.hears(SAVED_HZ, seconds=10)
    await call.ended()

    voicemail = await _left(answered, call)
    assert voicemail is not None
    seconds = seconds_of(asterisk.recordings_path / f"{voicemail.call_id}-voicemail.wav")
    assert 4.8 < seconds < 6
    assert float(voicemail.seconds) == round(seconds, 1)
    assert (voicemail.email, voicemail.emailed_at) == (None, None)
    await answered.nothing_left()


async def test_silence_is_no_message(answered: World, asterisk: Asterisk, mailbox: Mailbox) -> None:
    """A caller who says nothing is hung up after five seconds and has left nothing."""
    async with Caller(voice_hz=0) as silent:
        server = ("127.0.0.1", answered.sip_port)
        call = await silent.call("4003330001", server=server, from_number=CALLER)
        await call.hears(BEEP_HZ, seconds=5)
        outcome = await call.ended(10)

        assert outcome.ended_by == "them"
        assert await _left(answered, call) is None
        assert not call.heard(SAVED_HZ)
    cdr = await answered.cdr(call)
    assert cdr.trace[-1]["why"] == "nothing was said"
    assert not (asterisk.recordings_path / f"{cdr.call_id}-voicemail.wav").exists()
    assert mailbox.mails == []
    await answered.nothing_left()


async def test_caller_gone_before_the_beep_left_nothing(
    answered: World, asterisk: Asterisk
) -> None:
    """Who hangs up during the greeting has left no row, no file and no mail."""
    call = await answered.call("4003330001", CALLER)
    await call.hears(GREETING_HZ)
    await call.hang_up()

    assert await _left(answered, call) is None
    assert await answered.database.fetch("SELECT FROM voicemails") == []
    cdr = await answered.cdr(call)
    assert not (asterisk.recordings_path / f"{cdr.call_id}-voicemail.wav").exists()
    assert cdr.ended_by == "caller"
    await answered.nothing_left()


async def test_busy_lines_lead_to_the_box(answered: World, asterisk: Asterisk) -> None:
    """When no line takes the call the caller is answered by the box, and the list says both."""
    answered.carrier.line(DESK, Busy())
    call = await answered.call("4003330003", CALLER)
    await call.hears(BEEP_HZ, seconds=5)
    await written(answered, asterisk, "-voicemail.wav", 1.2)
    await call.hang_up()

    voicemail = await _left(answered, call)
    [missed] = [one for one in await answered.views.missed(CdrFilter()) if one.tenant == "answered"]
    assert voicemail is not None
    assert (missed.reason, missed.voicemail_id) == ("no_answer", voicemail.id)
    await answered.nothing_left()


async def test_hostile_caller_id_stays_text(
    answered: World, asterisk: Asterisk, mailbox: Mailbox
) -> None:
    """A caller id that would be a header, a path or markup leads to one plain mail (R17)."""
    call = await answered.call("4003330001", "138%0d%0aBcc%3a%20spy%40example.com")
    await call.hears(BEEP_HZ, seconds=5)
    await written(answered, asterisk, "-voicemail.wav", 1.2)
    await call.hang_up()

    async def mailed() -> bool | None:
        return True if mailbox.mails else None

    await eventually(mailed, "the mail", 3)
    [mail] = mailbox.mails
    assert mail["Bcc"] is None
    assert mail["To"] == "desk@example.cn"
    await answered.nothing_left()


async def test_message_outlives_the_switch(
    answered: World,
    asterisk: Asterisk,
    mailbox: Mailbox,
    switch: Child,
    switch_settings: dict[str, str],
) -> None:
    """Who ends his message while no switch runs: it is kept whole, and mailed by the next."""
    call = await answered.call("4003330001", CALLER)
    await call.hears(BEEP_HZ, seconds=5)
    path = await written(answered, asterisk, "-voicemail.wav", 1.0)
    await switch.kill()
    heard_by_then = seconds_of(path)
    assert await answered.database.fetchval("SELECT seconds FROM voicemails") is None

    await call.hang_up()
    await switch.start(switch_settings)
    await answered.database.execute(
        "UPDATE voicemails SET recorded_at = recorded_at - make_interval(mins => 5)"
    )
    await answered.database.execute("SELECT pg_notify('callctl_mails', '')")

    async def mailed() -> bool | None:
        return True if mailbox.mails else None

    await eventually(mailed, "the mail", 3)
    [attached] = mailbox.mails[0].iter_attachments()
    assert attached.get_content() == path.read_bytes()
    assert seconds_of(path) >= heard_by_then
    await answered.nothing_left()
