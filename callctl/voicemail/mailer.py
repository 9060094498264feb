"""Sends what is in the outbox through a real SMTP server; run beside the calls by the switch.

A mail is claimed before it is sent, so of two switches only one sends it. When the answer was
lost it is sent again under the same Message-ID, by which a mailbox knows the second for the first.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import structlog

from callctl import clock
from callctl.db.listen import Listener
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import CallctlError, NotFound
from callctl.voicemail.mail import Said, compose
from callctl.voicemail.store import Voicemails

CHANNEL = "callctl_mails"
SEND_SECONDS_MAX = 60.0
_CLAIM_SECONDS = 3 * SEND_SECONDS_MAX
_LOOK_SECONDS = 15.0  # a notification may be lost, and a mail may fall due
_FIRST_WAIT_SECONDS, _WAIT_SECONDS_MAX = 30, 3600
_TRY_HOURS_MAX = 24
_ERROR_LENGTH_MAX = 300
_IMPLICIT_TLS_PORT = 465
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in; without a `host` mails wait in the outbox until they are too old.

    `is_starttls`: never without encryption. Port 465 is encrypted from its first byte.
    """

    host: str
    port: int
    user: str
    password: str
    sender: str
    is_starttls: bool


class Mailer:
    """Sends mails of the voicemails in `voicemails.folder`, one at a time."""

    def __init__(
        self, database: Database, dsn: str, voicemails: Voicemails, server: SmtpServer
    ) -> None:
        self._database = database
        self._voicemails = voicemails
        self._server = server
        self._changed = asyncio.Event()
        self._listener = Listener(dsn, CHANNEL, lambda _payload: self._changed.set())

    async def run(self) -> None:
        """Send until cancelled."""
        await asyncio.gather(self._listener.run(), self._follow())

    async def _follow(self) -> None:
        told = ""
        while True:
            self._changed.clear()
            error = await self._send_due()
            if error and error != told:  # the same every few seconds would fill the log
                _log.warning("mails_not_sent", error=error)
            told = error
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _send_due(self) -> str:
        """Send all that is due; why that was not possible, "" when it was."""
        try:
            await self._voicemails.end_lost()
            while await self.send_next():
                pass
        except CallctlError as error:
            return str(error)
        return ""

    async def send_next(self) -> bool:
        """Send the mail that is due longest; False when none is due. Raises DatabaseError."""
        now = clock.now()
        row = await queries.claim_mail(
            self._database,
            now=now,
            claimed_until=now + timedelta(seconds=_CLAIM_SECONDS),
            folder=self._voicemails.folder.id,
        )
        if row is None:
            return False
        try:
            sound = await self._voicemails.folder.read(row["file_name"])
            await self._send(compose(_said(row), sound, self._server.sender))
        except (NotFound, ValueError) as error:  # no later try would be better
            await self._note_failure(row, str(error), None)
        except (aiosmtplib.SMTPException, OSError) as error:
            await self._note_failure(row, _told(error), _next_try(row, error))
        else:
            await queries.note_mail_sent(self._database, id=row["id"], now=clock.now())
            _log.info("mail_sent", mail_id=str(row["id"]), attempts=row["attempts"])
        return True

    async def _send(self, mail: EmailMessage) -> None:
        server = self._server
        if not server.host:
            raise aiosmtplib.SMTPConnectError("CALLCTL_SMTP_HOST is not set")
        is_tls = server.port == _IMPLICIT_TLS_PORT
        async with asyncio.timeout(SEND_SECONDS_MAX):
            await aiosmtplib.send(
                mail,
                hostname=server.host,
                port=server.port,
                username=server.user or None,
                password=server.password or None,
                use_tls=is_tls,
                start_tls=server.is_starttls and not is_tls,
            )

    async def _note_failure(self, row: Any, error: str, next_try_at: datetime | None) -> None:
        await queries.note_mail_failed(
            self._database,
            id=row["id"],
            error=error[:_ERROR_LENGTH_MAX],
            next_try_at=next_try_at,
            now=clock.now(),
        )
        _log.warning(
            "mail_given_up" if next_try_at is None else "mail_not_sent",
            mail_id=str(row["id"]),
            attempts=row["attempts"],
            error=error[:_ERROR_LENGTH_MAX],
        )


def _said(row: Any) -> Said:
    return Said(
        mail_id=row["id"],
        recipient=row["recipient"],
        did=row["did"],
        box=row["box"],
        caller=row["caller"],
        area=row["area"],
        language=row["language"],
        timezone=row["timezone"],
        recorded_at=row["recorded_at"],
        seconds=float(row["seconds"]),
    )


def _told(error: Exception) -> str:
    """An SMTP server's answer, or what kept us from asking."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(f"{one.code} {one.message}" for one in error.recipients)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    return str(error) or type(error).__name__


def _next_try(row: Any, error: Exception) -> datetime | None:
    """When to try again; None: never, for it was refused for good or is too old."""
    codes = [one.code for one in getattr(error, "recipients", ())]
    if isinstance(error, aiosmtplib.SMTPDataError):
        codes.append(error.code)
    if codes and min(codes) >= 500:
        return None
    wait_seconds = min(_WAIT_SECONDS_MAX, _FIRST_WAIT_SECONDS * 2 ** min(row["attempts"] - 1, 20))
    next_try_at = clock.now() + timedelta(seconds=wait_seconds)
    too_old_at: datetime = row["created_at"] + timedelta(hours=_TRY_HOURS_MAX)
    return next_try_at if next_try_at < too_old_at else None
