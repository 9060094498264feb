"""A real SMTP server on loopback that keeps what it takes, and refuses what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from callctl.voicemail import SmtpServer
from tests.plugins.database import free_port


@dataclass
class Mailbox:
    """`mails` in the order they came; `answers` are given first, to RCPT TO or to DATA."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    to_recipient: list[str] = field(default_factory=list)
    to_data: list[str] = field(default_factory=list)

    def server(self, *, is_starttls: bool = False) -> SmtpServer:
        """The settings that lead here."""
        return SmtpServer("127.0.0.1", self.port, "", "", "callctl@example.cn", is_starttls)

    @property
    def environment(self) -> dict[str, str]:
        """The same for a process."""
        return {
            "CALLCTL_SMTP_HOST": "127.0.0.1",
            "CALLCTL_SMTP_PORT": str(self.port),
            "CALLCTL_SMTP_SENDER": "callctl@example.cn",
            "CALLCTL_SMTP_STARTTLS": "false",
        }

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if self.to_recipient:
            return self.to_recipient.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
        answer = self.to_data.pop(0) if self.to_data else "250 OK"
        if answer.startswith("250"):
            self.mails.append(mail)
        return answer


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mailbox that accepts mail for everybody."""
    box = Mailbox(free_port())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop), "127.0.0.1", box.port)
    yield box
    server.close()
    await server.wait_closed()
