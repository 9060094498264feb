"""What a rude or unlucky telephone does inside a call: asks again, refers, vanishes, crosses."""

import asyncio

from aiosipua import SipRequest, SipResponse

from tests.agents import AgentFailure, PlacedCall, ReceivedCall

Party = PlacedCall | ReceivedCall


async def ask(
    party: Party,
    method: str,
    *,
    sdp: str = "",
    headers: dict[str, str] | None = None,
    seconds: float = 5.0,
) -> SipResponse:
    """Send a request inside the party's call; its final answer, acknowledged if need be."""
    request = party._request(method)
    for name, value in (headers or {}).items():
        request.set_header(name, value)
    if sdp:
        request.set_header("Content-Type", "application/sdp")
        request.text = sdp
    final: asyncio.Future[SipResponse] = asyncio.get_running_loop().create_future()

    def answered(response: SipResponse) -> None:
        if response.status_code >= 200 and not final.done():
            final.set_result(response)

    party.timeline.note(f"sent {method}")
    party._sip.request(request, party._peer, answered)
    try:
        async with asyncio.timeout(seconds):
            response = await final
    except TimeoutError:
        raise AgentFailure(f"no answer to {method}\n{party.timeline}") from None
    party.timeline.note(f"received {response.status_code} to {method}")
    if method == "INVITE" and response.status_code < 300:
        _acknowledge(party, request)
    return response


def hold(party: Party) -> str:
    """An offer that lets the other side wait: we send, they need not."""
    return party._offer().replace("a=sendrecv", "a=sendonly")


def in_codec(party: Party, payload_type: int) -> str:
    """An offer of one codec alone."""
    offered = party._codecs
    party._codecs = (payload_type,)
    try:
        return party._offer()
    finally:
        party._codecs = offered


def vanish(party: Party) -> None:
    """From now on the party sends nothing, answers nothing, and says no goodbye."""
    party.timeline.note("vanishes")
    party._finish(200, None, "us")
    party._sip.calls[party.sip_call_id] = lambda _transaction: None


def cancel_at_the_answer(call: PlacedCall) -> None:
    """Let the caller's CANCEL be on its way when the 200 comes: they cross for certain."""
    accepted = call._accepted

    def crossed(response: SipResponse) -> None:
        call._cancel()
        accepted(response)

    call._accepted = crossed  # type: ignore[method-assign]


def redirect(line: ReceivedCall, to: str) -> None:
    """Answer an INVITE with 302: call that address instead."""
    line.timeline.note(f"sent 302 to {to}")
    line._transaction.respond(302, headers={"Contact": f"<{to}>"})
    line._finish(302, None, "us")


def _acknowledge(party: Party, invite: SipRequest) -> None:
    before = party._dialog.local_cseq
    ack = party._request("ACK")
    party._dialog.local_cseq = before  # an ACK takes the number of its INVITE
    number = invite.cseq.seq if invite.cseq else 1
    ack.set_header("CSeq", f"{number} ACK")
    party._sip.send(ack, party._peer)
