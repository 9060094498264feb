"""The SIP transactions of the agents over one UDP port (RFC 3261, section 17).

Messages, dialogs and SDP are aiosipua's; its user agent is not used, since over UDP a test agent
must do what it leaves out: acknowledge refusals, send requests again, answer a repeated INVITE
as the first time, and still see the 487 after a CANCEL.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from aiosipua import SipMessage, SipRequest, SipResponse, generate_tag

from callctl import clock

T1_SECONDS = 0.5
T2_SECONDS = 4.0
GIVE_UP_SECONDS = 32.0
KEEP_SECONDS = 64.0  # a finished transaction answers repeats this long
KEPT_MAX = 2000

Address = tuple[str, int]
REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    503: "Service Unavailable",
    603: "Decline",
}


class Repeat:
    """Sends again after T1, 2 T1, ... until stopped; after 32 s gives up."""

    def __init__(
        self, send: Callable[[], None], on_give_up: Callable[[], None], *, cap: float = T2_SECONDS
    ) -> None:
        self._send = send
        self._on_give_up = on_give_up
        self._cap = cap
        self._wait = T1_SECONDS
        self._waited = 0.0
        self._timer = asyncio.get_running_loop().call_later(self._wait, self._again)

    def stop(self) -> None:
        """Send no more."""
        self._timer.cancel()

    def _again(self) -> None:
        self._waited += self._wait
        if self._waited >= GIVE_UP_SECONDS:
            self._on_give_up()
            return
        self._send()
        self._wait = min(2 * self._wait, self._cap)
        self._timer = asyncio.get_running_loop().call_later(self._wait, self._again)


def branch(message: SipMessage) -> str:
    """The branch of the topmost Via: what tells transactions apart."""
    vias = message.via
    return (vias[0].branch if vias else None) or ""


def cause(message: SipMessage) -> int | None:
    """The Q.850 cause of a Reason header (RFC 3326), if there is one."""
    for value in message.get_header_values("Reason"):
        protocol, *parameters = [part.strip() for part in value.split(";")]
        if protocol.upper() == "Q.850":
            for parameter in parameters:
                name, _, number = parameter.partition("=")
                if name.lower() == "cause" and number.isdecimal():
                    return int(number)
    return None


class ClientTransaction:
    """A request of ours: repeated until answered; every answer goes to `on_response`."""

    def __init__(
        self,
        port: "SipPort",
        request: SipRequest,
        address: Address,
        on_response: Callable[[SipResponse], None],
    ) -> None:
        self.request = request
        self.created_at = clock.monotonic()
        self._port = port
        self._address = address
        self._on_response = on_response
        self._ack: SipRequest | None = None
        is_invite = request.method == "INVITE"
        cap = GIVE_UP_SECONDS if is_invite else T2_SECONDS
        port.send(request, address)
        self._repeat = Repeat(lambda: port.send(request, address), self._give_up, cap=cap)

    def stop(self) -> None:
        """Forget about it."""
        self._repeat.stop()

    def received(self, response: SipResponse) -> None:
        """An answer: a refused INVITE is acknowledged here, a 2xx by the call."""
        if self.request.method == "INVITE" or response.status_code >= 200:
            self._repeat.stop()
        if self.request.method == "INVITE" and response.status_code >= 300:
            is_repeated = self._ack is not None
            self._acknowledge(response)
            if is_repeated:
                return
        self._on_response(response)

    def _acknowledge(self, response: SipResponse) -> None:
        self._ack = self.follow_up("ACK")
        self._ack.set_header("To", response.get_header("To") or "")
        self._port.send(self._ack, self._address)

    def follow_up(self, method: str) -> SipRequest:
        """CANCEL or ACK of this very transaction: same Via, number and addresses."""
        request = SipRequest(method=method, uri=self.request.uri)
        for name in ("Via", "From", "To", "Call-ID"):
            request.set_header(name, self.request.get_header(name) or "")
        for route in self.request.get_header_values("Route"):
            request.add_header("Route", route)
        number = self.request.cseq.seq if self.request.cseq else 1
        request.set_header("CSeq", f"{number} {method}")
        request.set_header("Max-Forwards", "70")
        return request

    def _give_up(self) -> None:
        self._on_response(SipResponse(status_code=408, reason_phrase="nobody answered"))


class ServerTransaction:
    """A request of theirs: answered once, and the same again when it is repeated."""

    def __init__(self, port: "SipPort", request: SipRequest, address: Address) -> None:
        self.request = request
        self.address = address
        self.created_at = clock.monotonic()
        self.tag = generate_tag()
        self.on_cancel: Callable[[SipRequest], None] = lambda _request: None
        self.on_acknowledged: Callable[[], None] = lambda: None
        self.on_unacknowledged: Callable[[], None] = lambda: None
        self._port = port
        self._response: SipResponse | None = None
        self._repeat: Repeat | None = None

    def stop(self) -> None:
        """Repeat the final answer no more: it was acknowledged, or we close."""
        if self._repeat is not None:
            self._repeat.stop()

    def again(self) -> None:
        """The request was repeated, or the final answer was not acknowledged yet."""
        if self._response is not None:
            self._port.send(self._response, self.address)

    def respond(self, status: int, *, sdp: str = "", headers: dict[str, str] | None = None) -> None:
        """Send an answer; a final one to an INVITE is repeated until its ACK."""
        if self._response is not None and self._response.status_code >= 200:
            raise RuntimeError(f"{self.request.method} was already answered: {self._response}")
        self._response = self._build(status, sdp, headers or {})
        self.again()
        if self.request.method == "INVITE" and status >= 200:
            self._repeat = Repeat(self.again, self.on_unacknowledged)

    def _build(self, status: int, sdp: str, headers: dict[str, str]) -> SipResponse:
        response = SipResponse(status_code=status, reason_phrase=REASONS.get(status, "Other"))
        for via in self.request.get_header_values("Via"):
            response.add_header("Via", via)
        for route in self.request.get_header_values("Record-Route"):
            response.add_header("Record-Route", route)
        for name in ("From", "To", "Call-ID", "CSeq"):
            response.set_header(name, self.request.get_header(name) or "")
        to = self.request.to_addr
        if status > 100 and (to is None or not to.tag):
            response.set_header("To", f"{self.request.get_header('To')};tag={self.tag}")
        response.set_header("Contact", self._port.contact)
        response.set_header("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO")
        for name, value in headers.items():
            response.set_header(name, value)
        if sdp:
            response.set_header("Content-Type", "application/sdp")
            response.text = sdp
        return response


Transaction = TypeVar("Transaction", ClientTransaction, ServerTransaction)


class SipPort(asyncio.DatagramProtocol):
    """One UDP port: sorts what arrives into transactions, and those into calls by Call-ID."""

    def __init__(
        self, local_ip: str, port: int, on_invite: Callable[[ServerTransaction], None]
    ) -> None:
        self.local_ip = local_ip
        self.port = port
        self.calls: dict[str, Callable[[ServerTransaction], None]] = {}
        self._on_invite = on_invite
        self._transport: asyncio.DatagramTransport | None = None
        self._closed: asyncio.Future[None] | None = None
        self._ours: dict[tuple[str, str], ClientTransaction] = {}
        self._theirs: dict[tuple[str, str], ServerTransaction] = {}
        self._unacknowledged: dict[tuple[str | None, int], ServerTransaction] = {}

    @property
    def contact(self) -> str:
        """Our Contact header."""
        return f"<sip:agent@{self.local_ip}:{self.port}>"

    async def open(self) -> None:
        """Bind; port 0 takes a free one."""
        loop = asyncio.get_running_loop()
        self._closed = loop.create_future()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self.local_ip, self.port)
        )
        self.port = self._transport.get_extra_info("sockname")[1]

    async def close(self) -> None:
        """Stop every repetition and give the port back."""
        for ours in self._ours.values():
            ours.stop()
        for theirs in self._theirs.values():
            theirs.stop()
        self._ours.clear()
        self._theirs.clear()
        self._unacknowledged.clear()
        self.calls.clear()
        if self._transport is not None and self._closed is not None:
            self._transport.close()
            self._transport = None
            await self._closed

    def send(self, message: SipRequest | SipResponse, address: Address) -> None:
        """Put one message on the wire."""
        if self._transport is not None:
            self._transport.sendto(bytes(message), address)

    def request(
        self, request: SipRequest, address: Address, on_response: Callable[[SipResponse], None]
    ) -> ClientTransaction:
        """Send a request and repeat it until answered; silence for 32 s counts as 408."""
        transaction = ClientTransaction(self, request, address, on_response)
        self._ours[branch(request), request.method] = transaction
        _forget_oldest(self._ours)
        return transaction

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the socket is gone."""
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        """asyncio: one SIP message."""
        if self._transport is None or not data.strip():
            return
        message = SipMessage.parse(data)
        if isinstance(message, SipRequest):
            self._received_request(message, (str(addr[0]), addr[1]))
        elif message.cseq is not None:
            transaction = self._ours.get((branch(message), message.cseq.method))
            if transaction is not None:
                transaction.received(message)

    def _received_request(self, request: SipRequest, address: Address) -> None:
        if request.method == "ACK":
            self._received_ack(request)
            return
        known = self._theirs.get((branch(request), request.method))
        if known is not None:
            known.again()
            return
        transaction = ServerTransaction(self, request, address)
        self._theirs[branch(request), request.method] = transaction
        _forget_oldest(self._theirs)
        if request.method == "INVITE" and request.cseq is not None:
            self._unacknowledged[request.call_id, request.cseq.seq] = transaction
        self._dispatch(transaction)

    def _dispatch(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        to = request.to_addr
        call = self.calls.get(request.call_id or "")
        if request.method == "CANCEL":
            self._received_cancel(transaction)
        elif call is not None and to is not None and to.tag:
            call(transaction)
        elif request.method == "OPTIONS":
            transaction.respond(200)
        elif request.method == "INVITE" and to is not None and not to.tag:
            transaction.respond(100)
            self._on_invite(transaction)
        else:
            transaction.respond(481)

    def _received_cancel(self, transaction: ServerTransaction) -> None:
        invite = self._theirs.get((branch(transaction.request), "INVITE"))
        transaction.respond(200 if invite else 481)
        if invite is not None:
            invite.on_cancel(transaction.request)

    def _received_ack(self, request: SipRequest) -> None:
        """An ACK belongs to the INVITE of its Call-ID and number; after a 2xx its branch is new."""
        number = request.cseq.seq if request.cseq else 0
        invite = self._unacknowledged.pop((request.call_id, number), None)
        if invite is not None:
            invite.stop()
            invite.on_acknowledged()


def _forget_oldest(transactions: dict[tuple[str, str], Transaction]) -> None:
    """Keep the table bounded; dictionaries remember who came first."""
    while transactions:
        key, oldest = next(iter(transactions.items()))
        age = clock.monotonic() - oldest.created_at
        if age < KEEP_SECONDS and len(transactions) <= KEPT_MAX:
            return
        if age < GIVE_UP_SECONDS:
            return
        oldest.stop()
        del transactions[key]
