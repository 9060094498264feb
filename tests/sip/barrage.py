"""Sends INVITEs written by hand as fast as they are answered: no SIP stack, nothing is checked.

An INVITE is bytes. A refusal is acknowledged; one that rings is cancelled, one that nobody answers
is forgotten.
"""

import asyncio
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from callctl import clock

WINDOW = 24  # INVITEs under way at a time; of more than 30 some would be refused
ANSWER_SECONDS_MAX = 1.5  # what can't be read is not answered
_STATUS = re.compile(rb"SIP/2\.0 (\d{3})")
_BRANCH = re.compile(rb"branch=(z9hG4bK[\w-]+)", re.IGNORECASE)
_METHOD = re.compile(rb"^CSeq:\s*\d+\s+(\w+)", re.IGNORECASE | re.MULTILINE)
_TO = re.compile(rb"^(?:To|t):[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
    b"c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n"
)


@dataclass(frozen=True, slots=True)
class Invite:
    """What is hostile in an INVITE, each as bytes for its place; `headers` are whole lines."""

    call_id: str
    dialled: bytes
    from_user: bytes
    display_name: bytes
    headers: tuple[bytes, ...] = ()
    is_cancelled: bool = False


@dataclass(slots=True)
class _Sent:
    invite: Invite
    sent_at: float
    done: asyncio.Event = field(default_factory=asyncio.Event)
    is_cancelled: bool = False


class Barrage(asyncio.DatagramProtocol):
    """One UDP port that fires at `server`. `statuses` counts the final answers, 0 for none."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.statuses: Counter[int] = Counter()
        self._server = server
        self._sent: OrderedDict[bytes, _Sent] = OrderedDict()
        self._transport: asyncio.DatagramTransport | None = None
        self._own = b""
        self._window = asyncio.Semaphore(WINDOW)

    async def fire(self, invites: Iterable[Invite]) -> None:
        """Send them all; returns when each is answered or given up."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self._transport = transport
        self._own = b"127.0.0.1:%d" % transport.get_extra_info("sockname")[1]
        try:
            async with asyncio.TaskGroup() as tasks:
                for invite in invites:
                    await self._window.acquire()
                    tasks.create_task(self._one(invite))
        finally:
            transport.close()

    async def _one(self, invite: Invite) -> None:
        branch = b"z9hG4bK" + invite.call_id.encode()
        sent = self._sent[branch] = _Sent(invite, clock.monotonic())
        try:
            self._send(self._request(b"INVITE", branch, invite, b"", invite.headers, _SDP))
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await sent.done.wait()
        except TimeoutError:
            sent.done.set()  # an answer that comes later is of one that was given up
            self.statuses[0] += 1
        finally:
            self._window.release()

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        """asyncio: an answer; an OPTIONS or BYE of theirs is nothing to us."""
        status, branch, method = _STATUS.match(data), _BRANCH.search(data), _METHOD.search(data)
        sent = self._sent.get(branch[1]) if branch else None
        if status is None or branch is None or method is None or sent is None:
            return
        if method[1].upper() != b"INVITE":
            return
        code = int(status[1])
        if code < 200:
            if sent.invite.is_cancelled and not sent.is_cancelled:
                sent.is_cancelled = True
                self._send(self._request(b"CANCEL", branch[1], sent.invite))
            return
        to = _TO.search(data)
        self._send(self._request(b"ACK", branch[1], sent.invite, to[0] if to else b""))
        if not sent.done.is_set():
            self.statuses[code] += 1
            sent.done.set()

    def _request(
        self,
        method: bytes,
        branch: bytes,
        invite: Invite,
        to: bytes = b"",
        headers: tuple[bytes, ...] = (),
        body: bytes = b"",
    ) -> bytes:
        host = b"%s:%d" % (self._server[0].encode(), self._server[1])
        uri = b"sip:%s@%s" % (invite.dialled, host)
        lines = [
            b"%s %s SIP/2.0" % (method, uri),
            b"Via: SIP/2.0/UDP %s;branch=%s;rport" % (self._own, branch),
            b"From: %s <sip:%s@%s>;tag=%s"
            % (invite.display_name, invite.from_user, self._own, invite.call_id.encode()),
            to or b"To: <%s>" % uri,
            b"Call-ID: " + invite.call_id.encode(),
            b"CSeq: 1 " + method,
            b"Max-Forwards: 70",
            b"Contact: <sip:%s@%s>" % (invite.from_user, self._own),
            *headers,
        ]
        if body:
            lines.append(b"Content-Type: application/sdp")
        lines.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data, self._server)
