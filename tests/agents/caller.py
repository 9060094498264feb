"""The agent that places calls: a customer, as the trunk towards callctl would carry them."""

from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Self

from aiosipua import (
    Dialog,
    SipRequest,
    SipResponse,
    generate_call_id,
    generate_tag,
    stringify_uri,
)

from tests.agents.call import AgentCall, Outcome, cause_words, close_all
from tests.agents.media import Address, Pacer
from tests.agents.sip import ClientTransaction, ServerTransaction, SipPort, cause
from tests.agents.timeline import AgentFailure

CALLER_HZ = 620


class PlacedCall(AgentCall):
    """A call we placed."""

    def __init__(self, name: str, sip: SipPort, pacer: Pacer, codecs: tuple[str, ...]) -> None:
        super().__init__(name, sip, pacer, codecs)
        self._invite: ClientTransaction | None = None
        self._is_cancelled = False
        self._is_cancel_due = False
        self._may_cancel = False

    async def ringing(self, seconds: float = 5.0) -> None:
        """Wait for 180 (or 183): the other side is at work."""
        await self._until(
            lambda: any(self.timeline.at(f"received {code}") for code in (180, 183)),
            "ringing",
            seconds,
        )

    async def early_media(self, seconds: float = 5.0) -> None:
        """Wait for audio before the answer: SDP in a 18x, and packets arriving."""
        await self._until(
            lambda: self.timeline.at("received audio") is not None and self._is_agreed,
            "early media",
            seconds,
        )
        received_at = self.timeline.at("received audio")
        assert received_at is not None
        assert self.answered_at is None or received_at < self.answered_at, (
            f"audio came only after the answer\n{self.timeline}"
        )

    async def hang_up(self, seconds: float = 5.0) -> Outcome:
        """CANCEL before the answer, BYE after it; returns when the other side has agreed."""
        self.start_hanging_up()
        return await self.ended(seconds)

    def start_hanging_up(self) -> None:
        """As hang_up(), without waiting for the end."""
        if self.outcome is not None:
            return
        if self.answered_at is not None:
            self._bye()
        elif self._may_cancel:
            self._cancel()
        else:
            self._is_cancel_due = True  # RFC 3261 9.1: not before a provisional answer

    def _start(self, request: SipRequest, dialog: Dialog, server: Address) -> None:
        self._dialog = dialog
        self._peer = server
        self._sip.calls[dialog.call_id] = self._in_dialog_request
        self.timeline.note("sent INVITE")
        self._invite = self._sip.request(request, server, self._answer_to_invite)

    def _cancel(self) -> None:
        if self._invite is None or self._is_cancelled:
            return
        self._is_cancelled = True
        self.timeline.note("sent CANCEL")
        self._sip.request(self._invite.follow_up("CANCEL"), self._peer, lambda _response: None)

    def _answer_to_invite(self, response: SipResponse) -> None:
        status = response.status_code
        if status < 200:
            self._provisional(response)
        elif status < 300:
            self._accepted(response)
        else:
            self.timeline.note(f"received {status}{cause_words(response)}")
            self._finish(status, cause(response), "us" if self._is_cancelled else "them")

    def _provisional(self, response: SipResponse) -> None:
        self._may_cancel = True
        has_sdp = bool(response.body)
        self.timeline.note(f"received {response.status_code}{' (SDP)' if has_sdp else ''}")
        self._learn(response)
        if has_sdp:
            self._take_description(response.text)
        if self._is_cancel_due:
            self._cancel()

    def _accepted(self, response: SipResponse) -> None:
        is_first = self.answered_at is None
        self._learn(response)
        self._acknowledge(response)
        if not is_first:
            return
        self.timeline.note("received 200")
        self._take_description(response.text)
        self._confirm()
        if self._is_cancelled or self._is_cancel_due:
            self._bye()  # the answer crossed our CANCEL

    def _learn(self, response: SipResponse) -> None:
        """The other side's tag, Contact and route, for our requests inside the call."""
        to = response.to_addr
        if to is not None and to.tag:
            self._dialog.remote_tag = to.tag
        if response.contact:
            self._dialog.remote_target = stringify_uri(response.contact[0].uri)
        self._dialog.route_set = response.get_header_values("Record-Route")[::-1]

    def _acknowledge(self, response: SipResponse) -> None:
        number = response.cseq.seq if response.cseq else 1
        cseq_before = self._dialog.local_cseq
        ack = self._request("ACK")
        self._dialog.local_cseq = cseq_before  # an ACK takes the number of its INVITE
        ack.set_header("CSeq", f"{number} ACK")
        self._sip.send(ack, self._peer)


class Caller:
    """Places calls from one SIP port. Use as `async with Caller() as caller`, or start/close.

    `voice_hz` is the tone its calls speak once answered.
    """

    def __init__(
        self,
        sip_port: int = 0,
        *,
        local_ip: str = "127.0.0.1",
        voice_hz: int = CALLER_HZ,
        codecs: tuple[str, ...] = ("alaw", "ulaw"),
    ) -> None:
        self.calls: list[PlacedCall] = []
        self.voice_hz = voice_hz
        self._codecs = codecs
        self._pacer = Pacer()
        self._sip = SipPort(local_ip, sip_port, _refuse)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        # A test that has failed already must not be told of its unended calls instead.
        with suppress(AgentFailure) if error else nullcontext():
            await self.close()

    async def start(self) -> None:
        """Bind the SIP port."""
        await self._sip.open()

    async def close(self) -> None:
        """Hang up what still lives, wait for it at most 2 s, give all ports back."""
        await close_all(self.calls, self._sip)

    async def call(
        self,
        to: str,
        *,
        server: Address,
        from_number: str,
        display_name: str | None = None,
        voice_hz: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> PlacedCall:
        """Send an INVITE for this number to the server; returns as soon as it is on its way."""
        call = PlacedCall(f"{from_number} calling {to}", self._sip, self._pacer, self._codecs)
        call.voice_hz = self.voice_hz if voice_hz is None else voice_hz
        call.media.open(self._sip.local_ip)
        self.calls.append(call)
        ip = self._sip.local_ip
        dialog = Dialog(
            call_id=generate_call_id(ip),
            local_tag=generate_tag(),
            local_uri=f"sip:{from_number}@{ip}:{self._sip.port}",
            remote_uri=f"sip:{to}@{server[0]}:{server[1]}",
        )
        invite = dialog.create_request("INVITE", via_host=ip, via_port=self._sip.port)
        if display_name is not None:
            invite.set_header("From", f'"{display_name}" {invite.get_header("From")}')
        invite.set_header("Contact", f"<sip:{from_number}@{ip}:{self._sip.port}>")
        invite.set_header("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO")
        for name, value in (headers or {}).items():
            invite.set_header(name, value)
        invite.set_header("Content-Type", "application/sdp")
        invite.text = call._offer()
        call._start(invite, dialog, server)
        return call


def _refuse(transaction: ServerTransaction) -> None:
    transaction.respond(480)
