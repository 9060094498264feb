"""Voicemails and their mails: rows in PostgreSQL, files in a folder, a real SMTP server."""

import asyncio
import uuid
from array import array
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from callctl import clock
from callctl.db.pool import Database
from callctl.errors import InvalidInput, NotFound
from callctl.recording import Folder
from callctl.voicemail import Mailer, NewVoicemail, SmtpServer, Voicemails
from tests.demo.world import eventually
from tests.plugins.database import free_port
from tests.plugins.mailbox import Mailbox

NEW = NewVoicemail(
    call_id=uuid.UUID(int=1),
    tenant="acme",
    did="4001234567",
    box="night",
    caller="+8613901710001",
    area="上海",
    language="zh",
    timezone="Asia/Shanghai",
    email="desk@example.cn",
    seconds_max=120,
    days_kept=30,
)
TONE = array("h", [8000, -8000] * 2000).tobytes()  # half a second
SOUND = bytes(44) + bytes(16_000) + TONE * 4  # a second of silence, two of sound

Later = Callable[[timedelta], None]


@pytest.fixture
def voicemails(database: Database, tmp_path: Path) -> Voicemails:
    """Voicemails whose files are in a folder of the test's own."""
    return Voicemails(database, Folder(tmp_path))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Puts the clock forward."""
    now = clock.now

    def put(by: timedelta) -> None:
        monkeypatch.setattr(clock, "now", lambda: now() + by)

    return put


async def _left(voicemails: Voicemails, voicemail: NewVoicemail = NEW) -> None:
    """Somebody has spoken for three seconds."""
    await voicemails.begin(voicemail, clock.now())
    (voicemails.folder.path / f"{voicemail.name}.wav").write_bytes(SOUND)
    assert await voicemails.end(voicemail) == 3.0


def _mailer(voicemails: Voicemails, database: Database, server: SmtpServer) -> Mailer:
    return Mailer(database, "", voicemails, server)


async def _mail(database: Database) -> dict[str, object]:
    return dict(await database.fetchrow("SELECT * FROM mails"))


async def test_what_was_said_is_kept_and_mailed(
    database: Database, voicemails: Voicemails, mailbox: Mailbox
) -> None:
    """A message goes out once, with its sound, and is then done."""
    await _left(voicemails)
    mailer = _mailer(voicemails, database, mailbox.server())

    assert [await mailer.send_next() for _ in range(2)] == [True, False]
    [mail] = mailbox.mails
    [attached] = mail.iter_attachments()
    assert (mail["To"], attached.get_content()) == ("desk@example.cn", SOUND)
    row = await _mail(database)
    assert (row["attempts"], row["last_error"]) == (1, "")
    assert row["sent_at"] is not None


@pytest.mark.parametrize(
    "sound",
    [
        None,
        b"",
        bytes(44),
        bytes(44) + TONE,  # too short
        bytes(44) + bytes(16_000 * 4),  # silence
        bytes(44) + bytes(16_000 * 4) + TONE[:3200],  # a click
        bytes(44) + array("h", [300, -300] * 20_000).tobytes(),  # the line's noise
    ],
)
async def test_nothing_said_is_no_message(
    database: Database, voicemails: Voicemails, sound: bytes | None
) -> None:
    """Less than a second, or silence, leaves no row, no mail and no file."""
    await voicemails.begin(NEW, clock.now())
    path = voicemails.folder.path / f"{NEW.name}.wav"
    if sound is not None:
        path.write_bytes(sound)

    assert await voicemails.end(NEW) == 0.0
    assert not path.exists()
    assert await database.fetch("SELECT FROM voicemails") == []
    assert await database.fetch("SELECT FROM mails") == []


async def test_only_the_first_end_counts(database: Database, voicemails: Voicemails) -> None:
    """A voicemail that is ended again stays as it was, and is not mailed again."""
    await _left(voicemails)

    path = voicemails.folder.path / f"{NEW.name}.wav"
    path.write_bytes(SOUND + TONE)
    await voicemails.end(NEW)
    path.write_bytes(b"")
    await voicemails.end(NEW)

    rows = await database.fetch("SELECT seconds::float8 FROM voicemails")
    assert [row["seconds"] for row in rows] == [3.0]
    assert len(await database.fetch("SELECT FROM mails")) == 1


async def test_box_without_address_sends_no_mail(
    database: Database, voicemails: Voicemails
) -> None:
    """Where no address is set the voicemail is only kept."""
    await _left(voicemails, replace(NEW, email=None))

    assert await database.fetchval("SELECT seconds::float8 FROM voicemails") == 3.0
    assert await database.fetch("SELECT FROM mails") == []


@pytest.mark.parametrize("where", ["to_recipient", "to_data"])
async def test_refused_for_now_is_tried_again(
    database: Database, voicemails: Voicemails, mailbox: Mailbox, later: Later, where: str
) -> None:
    """A server that says "not now" gets the same mail again after the wait, and not before it."""
    getattr(mailbox, where).append("451 4.3.0 not now")
    await _left(voicemails)
    mailer = _mailer(voicemails, database, mailbox.server())

    assert await mailer.send_next()
    assert not await mailer.send_next()
    row = await _mail(database)
    assert (row["sent_at"], row["given_up_at"]) == (None, None)
    assert "not now" in str(row["last_error"])

    later(timedelta(seconds=31))
    assert await mailer.send_next()
    assert [mail["To"] for mail in mailbox.mails] == ["desk@example.cn"]
    assert (await _mail(database))["attempts"] == 2


@pytest.mark.parametrize("where", ["to_recipient", "to_data"])
async def test_refused_for_good_is_given_up(
    database: Database, voicemails: Voicemails, mailbox: Mailbox, where: str
) -> None:
    """A server that will never take the mail is asked once."""
    getattr(mailbox, where).append("550 5.1.1 nobody of that name")
    await _left(voicemails)

    await _mailer(voicemails, database, mailbox.server()).send_next()

    row = await _mail(database)
    assert row["given_up_at"] is not None
    assert "nobody of that name" in str(row["last_error"])


async def test_server_that_is_down_is_asked_for_a_day(
    database: Database, voicemails: Voicemails, later: Later
) -> None:
    """With nobody there the waits grow to an hour, and after 24 hours the mail is given up."""
    await _left(voicemails)
    down = SmtpServer("127.0.0.1", free_port(), "", "", "callctl@example.cn", False)
    mailer = _mailer(voicemails, database, down)
    begun = clock.now()
    waits = []
    while (row := await _mail(database))["given_up_at"] is None:
        due = row["next_try_at"]
        assert isinstance(due, datetime)
        later(due - begun + timedelta(seconds=1))
        waits.append(due)
        assert await mailer.send_next()

    steps = [round((b - a).total_seconds()) for a, b in pairwise(waits)]
    assert [step // 10 * 10 for step in steps[:4]] == [30, 60, 120, 240]
    assert max(steps) < 3610
    assert timedelta(hours=22) < waits[-1] - begun < timedelta(hours=24)
    assert len(waits) < 40


async def test_no_server_is_a_reason_too(database: Database, voicemails: Voicemails) -> None:
    """Without CALLCTL_SMTP_HOST the mail waits, and says why."""
    await _left(voicemails)
    server = SmtpServer("", 587, "", "", "callctl@example.cn", True)

    await _mailer(voicemails, database, server).send_next()

    row = await _mail(database)
    assert (row["last_error"], row["given_up_at"]) == ("CALLCTL_SMTP_HOST is not set", None)


async def test_nothing_goes_out_in_clear_unless_allowed(
    database: Database, voicemails: Voicemails, mailbox: Mailbox
) -> None:
    """A server that offers no STARTTLS gets no mail while it is required."""
    await _left(voicemails)

    await _mailer(voicemails, database, mailbox.server(is_starttls=True)).send_next()

    assert mailbox.mails == []
    assert "STARTTLS" in str((await _mail(database))["last_error"])


async def test_answer_that_was_lost_is_asked_for_under_the_same_id(
    database: Database, voicemails: Voicemails, mailbox: Mailbox, later: Later
) -> None:
    """A mail that was taken and not noted goes out again under the same Message-ID."""
    await _left(voicemails)
    mailer = _mailer(voicemails, database, mailbox.server())
    await mailer.send_next()
    await database.execute("UPDATE mails SET sent_at = NULL")  # as if the switch had died there

    assert not await mailer.send_next(), "the claim still holds"
    later(timedelta(minutes=4))
    assert await mailer.send_next()

    first, second = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]


async def test_two_switches_send_each_mail_once(
    database: Database, voicemails: Voicemails, mailbox: Mailbox
) -> None:
    """Of several mailers at one outbox each mail is sent by one."""
    for number in range(1, 9):
        await _left(voicemails, replace(NEW, call_id=uuid.UUID(int=number)))
    mailers = [_mailer(voicemails, database, mailbox.server()) for _ in range(3)]

    async def send_all(mailer: Mailer) -> None:
        while await mailer.send_next():
            pass

    await asyncio.gather(*map(send_all, mailers))

    ids = [mail["Message-ID"] for mail in mailbox.mails]
    assert (len(ids), len(set(ids))) == (8, 8)


async def test_files_of_another_folder_are_left_to_its_switch(
    database: Database, voicemails: Voicemails, mailbox: Mailbox, tmp_path: Path
) -> None:
    """A switch whose folder has not the file does not touch the mail."""
    await _left(voicemails)
    other = tmp_path / "other"
    other.mkdir()

    elsewhere = Voicemails(database, Folder(other))

    assert not await _mailer(elsewhere, database, mailbox.server()).send_next()
    assert await _mailer(voicemails, database, mailbox.server()).send_next()


async def test_file_that_is_gone_is_given_up(
    database: Database, voicemails: Voicemails, mailbox: Mailbox
) -> None:
    """A mail whose sound was removed says so and is not tried again."""
    await _left(voicemails)
    (voicemails.folder.path / f"{NEW.name}.wav").unlink()

    await _mailer(voicemails, database, mailbox.server()).send_next()

    row = await _mail(database)
    assert row["given_up_at"] is not None
    assert "is not there" in str(row["last_error"])
    assert mailbox.mails == []


async def test_mailer_runs_beside_the_calls(
    database: Database, database_url: str, voicemails: Voicemails, mailbox: Mailbox
) -> None:
    """A message is mailed within two seconds of its end, by the notification."""
    mailer = Mailer(database, database_url, voicemails, mailbox.server())
    running = asyncio.create_task(mailer.run())
    try:
        for number in (1, 2):
            await _left(voicemails, replace(NEW, call_id=uuid.UUID(int=number)))

            async def came(wanted: int = number) -> bool | None:
                return True if len(mailbox.mails) == wanted else None

            await eventually(came, "the mail", 2)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_message_of_a_switch_that_died_is_kept(
    database: Database, voicemails: Voicemails, later: Later
) -> None:
    """What Asterisk had written is kept and mailed once nobody can be speaking any more."""
    silent = replace(NEW, call_id=uuid.UUID(int=2))
    for voicemail, sound in ((NEW, SOUND), (silent, SOUND[:44])):
        await voicemails.begin(voicemail, clock.now())
        (voicemails.folder.path / f"{voicemail.name}.wav").write_bytes(sound)

    assert await voicemails.end_lost() == 0
    later(timedelta(seconds=NEW.seconds_max + 121))
    assert await voicemails.end_lost() == 1

    rows = await database.fetch("SELECT id, seconds::float8 FROM voicemails")
    assert [(row["id"], row["seconds"]) for row in rows] == [(NEW.id, 3.0)]
    assert len(await database.fetch("SELECT FROM mails")) == 1


async def test_folder_that_cannot_be_used_is_named(database: Database, tmp_path: Path) -> None:
    """Without the folder no message is begun, and the error says which setting to look at."""
    voicemails = Voicemails(database, Folder(tmp_path / "missing"))

    with pytest.raises(InvalidInput, match="CALLCTL_RECORDINGS_DIR"):
        await voicemails.begin(NEW, clock.now())


def test_folder_keeps_its_id(tmp_path: Path) -> None:
    """Two processes that open one folder find one id; another folder has another."""
    first, second, other = Folder(tmp_path), Folder(tmp_path), tmp_path / "other"
    other.mkdir()

    assert first.id == second.id != Folder(other).id
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [".callctl-folder"]


@pytest.mark.parametrize("name", ["../secret.wav", "/etc/passwd", "x.wav", f"{uuid.UUID(int=1)}"])
async def test_only_our_own_names_are_read(tmp_path: Path, name: str) -> None:
    """A name that is not made of a call's id leads to no file."""
    with pytest.raises(NotFound):
        await Folder(tmp_path).read(name)
