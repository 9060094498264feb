"""The agent that receives calls: the carrier's trunk, with every bound line behind it.

A line's number has a `Behaviour`; several given at once are used one call after another, the
last one for good. A number without one is unknown: 404.
"""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiosipua import SipRequest, create_dialog_from_request

from tests.agents.call import AgentCall, Outcome, cause_words, close_all
from tests.agents.media import Pacer
from tests.agents.sip import ServerTransaction, SipPort, cause
from tests.agents.timeline import AgentFailure, Timeline

LINE_HZ = 440
MAILBOX_HZ = 3000


class Together:
    """Lines that answer at the same instant: once this many of them have rung for long enough."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: list[Callable[[], None]] = []

    def ready(self, answer: Callable[[], None]) -> None:
        """One more is ready; the last one lets all answer, in one turn of the loop."""
        self._waiting.append(answer)
        if len(self._waiting) == self._count:
            answers, self._waiting = self._waiting, []
            for each in answers:
                each()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Rings, answers, speaks `voice_hz`, and hangs up after some seconds if told so.

    With `early_media_hz` it sends 183 and that tone instead of 180 while it rings. It presses
    `presses` so long after its answer. `together` answers at the same instant as others.
    """

    after_seconds: float = 0.2
    rings: bool = True
    early_media_hz: int | None = None
    voice_hz: int = LINE_HZ
    hang_up_after_seconds: float | None = None
    presses: str = ""
    presses_after_seconds: float = 0.3
    together: Together | None = None


def Mailbox(*, after_seconds: float = 0.2) -> Answers:  # noqa: N802 - reads as the behaviour it is
    """A mobile's voicemail: answers, speaks, presses no key, and takes a message of 30 s."""
    return Answers(after_seconds=after_seconds, voice_hz=MAILBOX_HZ, hang_up_after_seconds=30.0)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Rings until the caller gives up."""


@dataclass(frozen=True, slots=True)
class Rejects:
    """Refuses with this status, and this Q.850 cause in a Reason header if given."""

    status: int
    cause: int | None = None
    after_seconds: float = 0.0


def Busy() -> Rejects:  # noqa: N802 - reads as the behaviour it is
    """Refuses with 486."""
    return Rejects(486, cause=17)


def Unreachable(status: int = 503) -> Rejects:  # noqa: N802 - likewise
    """Refuses as a carrier does that cannot reach the line (503), or does not know it (404)."""
    return Rejects(status)


Behaviour = Answers | NoAnswer | Rejects


class ReceivedCall(AgentCall):
    """A call that came in on one of the carrier's lines."""

    def __init__(
        self,
        transaction: ServerTransaction,
        sip: SipPort,
        pacer: Pacer,
        codecs: tuple[str, ...],
        behaviour: Behaviour | None,
    ) -> None:
        self.invite: SipRequest = transaction.request
        self.number = _user(self.invite.uri)
        from_address = self.invite.from_addr
        self.from_number = (from_address.uri.user if from_address else None) or ""
        self.display_name = from_address.display_name if from_address else None
        super().__init__(f"{self.from_number} reaching {self.number}", sip, pacer, codecs)
        self.behaviour = behaviour
        self._transaction = transaction
        self._timers: list[asyncio.TimerHandle] = []
        self._dialog = create_dialog_from_request(self.invite, local_tag=transaction.tag)
        self._peer = transaction.address
        self._sip.calls[self._dialog.call_id] = self._in_dialog_request
        transaction.on_cancel = self._cancelled
        transaction.on_acknowledged = lambda: self.timeline.note("received ACK")
        transaction.on_unacknowledged = self._not_acknowledged
        self.timeline.note("received INVITE")

    def answer(self) -> None:
        """Pick up now."""
        if self.outcome is None and self.answered_at is None:
            self.timeline.note("sent 200")
            self._transaction.respond(200, sdp=self._answer())
            self._confirm()
            if isinstance(self.behaviour, Answers):
                self._go_on(self.behaviour)

    def _go_on(self, behaviour: Answers) -> None:
        if behaviour.hang_up_after_seconds:
            self._later(behaviour.hang_up_after_seconds, self._bye)
        if behaviour.presses:
            self._later(behaviour.presses_after_seconds, lambda: self.media.dial(behaviour.presses))

    def reject(self, status: int, hangup_cause: int | None = None) -> None:
        """Refuse now."""
        if self.outcome is None and self.answered_at is None:
            self.timeline.note(f"sent {status}")
            headers = {"Reason": f"Q.850;cause={hangup_cause}"} if hangup_cause else {}
            self._transaction.respond(status, headers=headers)
            self._finish(status, hangup_cause, "us")

    async def hang_up(self, hangup_cause: int = 16, seconds: float = 5.0) -> Outcome:
        """BYE if answered, 480 if not; returns when the call is over."""
        self.start_hanging_up(hangup_cause)
        return await self.ended(seconds)

    async def acknowledged(self, seconds: float = 5.0) -> None:
        """Wait for the ACK of our answer or refusal."""
        await self.timeline.until(
            lambda: self.timeline.at("received ACK") is not None, what="ACK", seconds=seconds
        )

    def start_hanging_up(self, hangup_cause: int = 16) -> None:
        """As hang_up(), without waiting for the end."""
        if self.answered_at is not None:
            self._bye(hangup_cause)
        else:
            self.reject(480, hangup_cause)

    def start(self) -> None:
        """Behave as the line does."""
        behaviour = self.behaviour
        if behaviour is None:
            self.reject(404, 1)
        elif isinstance(behaviour, Rejects):
            self._later(
                behaviour.after_seconds, lambda: self.reject(behaviour.status, behaviour.cause)
            )
        else:
            self._start_ringing(behaviour)

    def _start_ringing(self, behaviour: Answers | NoAnswer) -> None:
        self.media.open(self._sip.local_ip)
        try:
            self._take_description(self.invite.text)
        except ValueError:
            self.reject(488)
            return
        if isinstance(behaviour, NoAnswer):
            self._ring()
            return
        self.voice_hz = behaviour.voice_hz
        if behaviour.early_media_hz is not None:
            self.timeline.note("sent 183 (SDP)")
            self._transaction.respond(183, sdp=self._answer())
            self.media.speak(behaviour.early_media_hz)
        elif behaviour.rings:
            self._ring()
        together = behaviour.together
        pick_up = self.answer if together is None else lambda: together.ready(self.answer)
        self._later(behaviour.after_seconds, pick_up)

    def _ring(self) -> None:
        self.timeline.note("sent 180")
        self._transaction.respond(180)

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, action))

    def _cancelled(self, request: SipRequest) -> None:
        if self.outcome is None and self.answered_at is None:
            self.timeline.note(f"received CANCEL{cause_words(request)}")
            self._transaction.respond(487)
            self._finish(487, cause(request), "them")

    def _not_acknowledged(self) -> None:
        self.timeline.note("no ACK in 32 s")
        self._finish(self.outcome.status if self.outcome else 408, None, "us")

    def _finish(self, status: int, hangup_cause: int | None, ended_by: str) -> None:
        for timer in self._timers:
            timer.cancel()
        super()._finish(status, hangup_cause, ended_by)


class Carrier:
    """The trunk: one SIP port for all lines. Use as `async with Carrier(port) as carrier`."""

    def __init__(
        self,
        port: int = 0,
        *,
        local_ip: str = "127.0.0.1",
        codecs: tuple[str, ...] = ("alaw", "ulaw"),
    ) -> None:
        self.calls: list[ReceivedCall] = []
        self._codecs = codecs
        self._lines: dict[str, list[Behaviour]] = {}
        self._pacer = Pacer()
        self._timeline = Timeline("the carrier")
        self._sip = SipPort(local_ip, port, self._received)

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

    @property
    def address(self) -> tuple[str, int]:
        """Where the trunk listens for SIP."""
        return self._sip.local_ip, self._sip.port

    def line(self, number: str, *behaviours: Behaviour) -> None:
        """From now on this number behaves so: one behaviour a call, the last one for good."""
        self._lines[number] = list(behaviours)

    def calls_to(self, number: str) -> list[ReceivedCall]:
        """The calls this number has received so far, in order."""
        return [call for call in self.calls if call.number == number]

    async def called(self, number: str, *, nth: int = 0, seconds: float = 5.0) -> ReceivedCall:
        """Wait for this number's first (or nth, from 0) call."""
        await self._timeline.until(
            lambda: len(self.calls_to(number)) > nth,
            what=f"call {nth} to {number}",
            seconds=seconds,
        )
        return self.calls_to(number)[nth]

    async def start(self) -> None:
        """Bind the SIP port."""
        await self._sip.open()

    async def close(self) -> None:
        """Hang up what still lives, wait for it at most 2 s, give all ports back."""
        await close_all(self.calls, self._sip)

    def _received(self, transaction: ServerTransaction) -> None:
        behaviours = self._lines.get(_user(transaction.request.uri), [])
        behaviour = behaviours[0] if behaviours else None
        if len(behaviours) > 1:
            del behaviours[0]
        call = ReceivedCall(transaction, self._sip, self._pacer, self._codecs, behaviour)
        self.calls.append(call)
        self._timeline.note(call.timeline.name)
        call.start()


def _user(uri: str) -> str:
    """The user part of a SIP URI."""
    _, _, rest = uri.partition(":")
    return rest.partition("@")[0].partition(";")[0]
