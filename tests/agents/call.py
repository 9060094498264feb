"""What a placed and a received call have in common: dialog, audio, timeline, waiting, the end.

`caller.PlacedCall` and `carrier.ReceivedCall` build on it; tests see its public methods.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiosipua import Dialog, DialogState, SipRequest, SipResponse, parse_sdp

from callctl import clock
from tests.agents.media import Address, Pacer, RtpStream, agree, describe
from tests.agents.sip import ServerTransaction, SipPort, cause
from tests.agents.timeline import AgentFailure, Timeline
from tests.agents.tones import ALAW, ULAW, Tone, know

CODECS = {"alaw": ALAW, "ulaw": ULAW}
HEARD_SECONDS = 0.1  # this much of a tone is hearing it


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    `status` is the final answer to the INVITE (200 for an answered call), `cause` the Q.850
    number the other side gave, `ended_by` is "us" or "them", `talk_seconds` from answer to end.
    """

    status: int
    cause: int | None
    ended_by: str
    talk_seconds: float | None


class AgentCall:
    """One call of an agent."""

    def __init__(self, name: str, sip: SipPort, pacer: Pacer, codecs: tuple[str, ...]) -> None:
        self.timeline = Timeline(name)
        self.media = RtpStream(pacer, self._heard_audio)
        self.outcome: Outcome | None = None
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.voice_hz = 0
        self._sip = sip
        self._codecs = tuple(CODECS[codec] for codec in codecs)
        self._dialog = Dialog()
        self._peer: Address = ("127.0.0.1", 0)
        self._is_agreed = False
        self._has_heard_audio = False

    @property
    def sip_call_id(self) -> str:
        """The SIP Call-ID, as Asterisk and the CDR know it."""
        return self._dialog.call_id

    @property
    def tones(self) -> list[Tone]:
        """All that was heard since the start, in order."""
        return self.media.ear.tones

    @property
    def digits(self) -> str:
        """The DTMF digits received so far."""
        return self.media.digits

    def heard(self, hz: int) -> list[Tone]:
        """The stretches of this tone heard so far that lasted at least 100 ms."""
        return [tone for tone in self.tones if tone.hz == hz and tone.seconds >= HEARD_SECONDS]

    async def answered(self, seconds: float = 10.0) -> None:
        """Wait for the answer; fails at once if the call ends without one."""
        await self._until(lambda: self.answered_at is not None, "the answer", seconds)

    async def ended(self, seconds: float = 10.0) -> Outcome:
        """Wait for the end, whoever makes it."""
        await self.timeline.until(
            lambda: self.outcome is not None, what="the end", seconds=seconds, more=self.told
        )
        assert self.outcome is not None
        return self.outcome

    async def hears(
        self, hz: int, seconds: float = 3.0, *, since: float | None = None, lasting: float = 0.1
    ) -> Tone:
        """Wait for a tone that sounds now or later (or after `since`, monotonic) for 100 ms."""
        know(hz)
        start = clock.monotonic() if since is None else since

        def found() -> Tone | None:
            return next(
                (
                    tone
                    for tone in self.tones
                    if tone.hz == hz and tone.ended_at >= start and tone.seconds >= lasting
                ),
                None,
            )

        await self._until(lambda: found() is not None, f"{hz} Hz", seconds)
        tone = found()
        assert tone is not None
        return tone

    async def receives_digits(self, digits: str, seconds: float = 5.0) -> None:
        """Wait until these DTMF digits have arrived, all in all."""
        await self._until(lambda: self.digits.startswith(digits), f"digits {digits}", seconds)

    async def send_dtmf(self, digits: str, *, is_flood: bool = False) -> None:
        """Send digits as RFC 4733 events, 100 ms each; returns when the last one is sent.

        A flood is digits of 40 ms without any pause, as no telephone sends them.
        """
        if not self._is_agreed or self.outcome is not None:
            raise AgentFailure(f"no audio to send DTMF in\n{self.timeline}")
        self.timeline.note(f"sending digits {digits}")
        done = self.media.dial(digits, is_flood=is_flood)
        done.add_done_callback(lambda _: self.timeline.wake())
        await self._until(done.done, f"digits {digits} to leave", 2.0 + 0.5 * len(digits))

    def told(self) -> str:
        """The tones and packets of the call in words, for failure messages."""
        start = self.timeline.entries[0].at if self.timeline.entries else 0.0
        lines = [
            f"  +{tone.started_at - start:7.3f} s  "
            f"{tone.hz or 'no tone:'} Hz for {tone.seconds:.2f} s"
            for tone in self.tones
        ]
        packets = f"{self.media.packets_received} packets in, {self.media.packets_sent} out"
        return "\n".join([f"heard ({packets}, digits {self.digits!r}):", *lines])

    def start_hanging_up(self) -> None:
        """End the call from our side, without waiting for the other's consent."""
        raise NotImplementedError

    async def _until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        await self.timeline.until(
            ready, what=what, seconds=seconds, hopeless=self._over, more=self.told
        )

    def _over(self) -> str | None:
        return None if self.outcome is None else f"the call is over: {self.outcome}"

    def _heard_audio(self) -> None:
        if self.media.packets_received and not self._has_heard_audio:
            self._has_heard_audio = True
            self.timeline.note("received audio")
        self.timeline.wake()

    def _offer(self) -> str:
        return describe(
            self._sip.local_ip, self.media.port, self._codecs, self.media.dtmf_payload_type
        )

    def _answer(self) -> str:
        codec = (self.media.payload_type,)
        return describe(self._sip.local_ip, self.media.port, codec, self.media.dtmf_payload_type)

    def _take_description(self, text: str) -> None:
        """Their SDP: where to send, in which codec. Raises ValueError if nothing fits."""
        remote, codec, dtmf = agree(parse_sdp(text), self._codecs)
        self.media.remote = remote
        self.media.dtmf_payload_type = dtmf
        if codec != self.media.payload_type or not self._is_agreed:
            self.media.payload_type = codec
            if self.media.is_speaking:
                self.media.speak(self.voice_hz)
        self._is_agreed = True

    def _in_dialog_request(self, transaction: ServerTransaction) -> None:
        """A request of theirs inside the call."""
        request = transaction.request
        method = request.method
        if method == "BYE":
            self.timeline.note(f"received BYE{cause_words(request)}")
            transaction.respond(200)
            self._finish(200, cause(request), "them")
        elif method in ("INVITE", "UPDATE") and request.body:
            self.timeline.note(f"received {method} (new SDP)")
            self._take_description(request.text)
            transaction.respond(200, sdp=self._answer())
        elif method in ("INVITE", "UPDATE", "INFO", "OPTIONS"):
            self.timeline.note(f"received {method}")
            transaction.respond(200, sdp=self._offer() if method == "INVITE" else "")
        else:
            self.timeline.note(f"received {method}, refused")
            transaction.respond(405)

    def _bye(self, hangup_cause: int = 16) -> None:
        """End an answered call from our side."""
        if self._dialog.state is not DialogState.CONFIRMED:
            return
        bye = self._request("BYE")
        bye.set_header("Reason", f"Q.850;cause={hangup_cause}")
        self._dialog.terminate()
        self.timeline.note("sent BYE")
        self._sip.request(bye, self._peer, self._bye_answered)

    def _bye_answered(self, response: SipResponse) -> None:
        self.timeline.note(f"received {response.status_code} to BYE")
        self._finish(200, None, "us")

    def _request(self, method: str) -> SipRequest:
        request = self._dialog.create_request(
            method, via_host=self._sip.local_ip, via_port=self._sip.port
        )
        request.set_header("Contact", self._sip.contact)
        return request

    def _confirm(self) -> None:
        """The call is answered: talk."""
        self.answered_at = clock.monotonic()
        self._dialog.confirm()
        self.media.speak(self.voice_hz)

    def _finish(self, status: int, hangup_cause: int | None, ended_by: str) -> None:
        """The call is over: note how, give the audio port back."""
        if self.outcome is not None:
            return
        self.ended_at = clock.monotonic()
        talk = None if self.answered_at is None else self.ended_at - self.answered_at
        self.outcome = Outcome(status, hangup_cause, ended_by, talk)
        self._dialog.terminate()
        self.media.close()
        self.timeline.note(f"over: {self.outcome}")


def cause_words(message: SipRequest | SipResponse) -> str:
    """The Q.850 cause of a message, for a timeline; nothing if it has none."""
    number = cause(message)
    return "" if number is None else f" (cause {number})"


async def close_all(calls: Sequence[AgentCall], sip: SipPort) -> None:
    """Hang up what still lives, wait for it at most 2 s in all, give every port back."""
    for call in calls:
        call.start_hanging_up()
    try:
        async with asyncio.timeout(2.0):
            for call in calls:
                await call.ended()
    except TimeoutError:
        alive = [f"{call.timeline}\n{call.told()}" for call in calls if call.outcome is None]
        raise AgentFailure("\n".join(["did not end within 2 s:", *alive])) from None
    finally:
        for call in calls:
            call.media.close()
        await sip.close()
