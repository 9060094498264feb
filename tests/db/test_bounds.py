"""How much is done at a time, and how long it is tried, of what lies in the database."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callctl import clock
from callctl.db.pool import Database
from callctl.recording import Folder, NewRecording, Recordings, Retention, retention
from callctl.voicemail import Mailer, NewVoicemail, SmtpServer, Voicemails, mailer, store
from tests.db.test_voicemails import NEW, SOUND
from tests.plugins.mailbox import Mailbox

_SECONDS_MAX = 5.0
_STARTED_AT = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def voicemails(database: Database, tmp_path: Path) -> Voicemails:
    """Voicemails whose files are in a folder of the test's own."""
    return Voicemails(database, Folder(tmp_path))


async def _left(voicemails: Voicemails, voicemail: NewVoicemail = NEW) -> None:
    await voicemails.begin(voicemail, clock.now())
    (voicemails.folder.path / f"{voicemail.name}.wav").write_bytes(SOUND)
    await voicemails.end(voicemail)


async def test_a_round_of_deletions_is_bounded(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many files in so many statements; the next round goes on with what is left."""
    monkeypatch.setattr(retention, "_BATCH", 2)
    monkeypatch.setattr(retention, "_BATCHES_MAX", 2)
    folder = Folder(tmp_path)
    recordings = Recordings(database, folder)
    for number in range(5):
        talk = NewRecording(
            *(uuid.UUID(int=number), uuid.UUID(int=number), "acme", "4006001234", "beijing"),
            started_at=_STARTED_AT,
            days_kept=30,
        )
        await recordings.begin(talk)
    monkeypatch.setattr(clock, "now", lambda: _STARTED_AT + timedelta(days=31))
    due = Retention(database, folder)
    assert [await due.delete_due() for _ in range(3)] == [4, 1, 0]


async def test_messages_of_a_dead_switch_are_ended_few_at_a_time(
    voicemails: Voicemails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is listened to whole: the mails that are due do not wait for all of them."""
    monkeypatch.setattr(store, "_LOST_AT_ONCE", 2)
    for number in range(3):
        lost = replace(NEW, call_id=uuid.UUID(int=number))
        await voicemails.begin(lost, _STARTED_AT)
        (voicemails.folder.path / f"{lost.name}.wav").write_bytes(SOUND)
    assert [await voicemails.end_lost() for _ in range(3)] == [2, 1, 0]


async def test_a_servers_answer_is_kept_in_short(
    database: Database, voicemails: Voicemails, mailbox: Mailbox
) -> None:
    """Of what a mail server says the beginning is kept, whatever its length."""
    mailbox.to_recipient.append("451 not now" + "!" * 400)
    await _left(voicemails)
    await Mailer(database, "", voicemails, mailbox.server()).send_next()
    kept = await database.fetchval("SELECT last_error FROM mails")
    assert kept == ("451 not now" + "!" * 400)[:300]


async def test_a_mail_that_falls_due_is_sent_without_being_told(
    database: Database, voicemails: Voicemails, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One looks now and then: a notification may be lost."""
    monkeypatch.setattr(mailer, "_LOOK_SECONDS", 0.02)
    looked, sent = asyncio.Event(), asyncio.Event()

    class Watched(Mailer):
        async def send_next(self) -> bool:
            is_sent = await super().send_next()
            (sent if is_sent else looked).set()
            return is_sent

    following = asyncio.create_task(Watched(database, "", voicemails, mailbox.server())._follow())
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            await looked.wait()
            await _left(voicemails)
            await sent.wait()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert len(mailbox.mails) == 1


@asynccontextmanager
async def _smtp(answer: Callable[[bytes], bytes]) -> AsyncIterator[SmtpServer]:
    """A mail server that answers each line as told, a moment later."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(answer(b""))
            while line := await reader.readline():
                await clock.sleep(0.1)
                writer.write(answer(line))
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield SmtpServer("127.0.0.1", port, "", "", "callctl@example.cn", False)
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("is_silent", [True, False])
async def test_a_slow_mail_server_keeps_no_other_mail(
    database: Database, voicemails: Voicemails, monkeypatch: pytest.MonkeyPatch, *, is_silent: bool
) -> None:
    """A mail has a deadline as a whole, though each answer be quick; it is tried again later."""
    monkeypatch.setattr(mailer, "SEND_SECONDS_MAX", 0.25)
    await _left(voicemails)

    def answer(line: bytes) -> bytes:
        if is_silent:
            return b""
        return b"250 yes\r\n" if line else b"220 x\r\n"

    async with _smtp(answer) as server, asyncio.timeout(_SECONDS_MAX):
        assert await Mailer(database, "", voicemails, server).send_next()
    row = await database.fetchrow("SELECT sent_at, given_up_at, last_error FROM mails")
    assert (row["sent_at"], row["given_up_at"]) == (None, None)
    assert row["last_error"] == "TimeoutError"
