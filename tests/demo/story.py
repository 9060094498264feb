"""What happens in a scenario, told while it happens: telephones, live calls, money, CDRs.

The telephones know when what was said and heard; the views tell what callctl knows of it.
Read by tests.demo.screen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from callctl import clock
from callctl.api.answers import LiveCallAnswer
from callctl.values.money import format_micros
from callctl.values.phone_number import PhoneNumber
from callctl.views import Account, Cdr, CdrFilter
from tests.agents import PlacedCall, ReceivedCall
from tests.agents.call import HEARD_SECONDS, AgentCall
from tests.demo.calls import FINAL_HZ, RINGBACK_HZ, WARNING_HZ
from tests.demo.world import World

_CDRS_READ = 20
_CALLER_SAYS = {
    "sent INVITE": "calls {number}",
    "received 180": "is told that it rings",
    "received 200": "is connected",
    "sent CANCEL": "hangs up before the answer",
    "sent BYE": "hangs up",
}
_LINE_SAYS = {
    "sent 180": "rings for {number}",
    "sent 486": "is busy",
    "sent 200": "answers {number}",
    "received CANCEL": "stops ringing",
}
_TONES = {
    RINGBACK_HZ: "hears the company's ringback, not yet answered",
    WARNING_HZ: "hears the warning: the money ends",
    FINAL_HZ: "hears the announcement: the money has ended",
}


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """Something that happened: seconds since the scenario began, to whom, and what."""

    seconds: float
    who: str
    what: str


@dataclass(slots=True)
class Scene:
    """This moment: the live calls, and the accounts that pay for them or have paid."""

    live: list[LiveCallAnswer] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)


class Story:
    """One scenario's story; `line_names` are the lines' names by the number that is dialled."""

    def __init__(self, world: World, line_names: Mapping[str, str]) -> None:
        self.scene = Scene()
        self._world = world
        self._line_names = line_names
        self._begun_at = clock.monotonic()
        self._told: set[tuple[int, str]] = set()  # of which telephone, which sentence
        self._payers: set[str] = set()
        self._switch_told = 0  # of what happened to it

    @property
    def seconds(self) -> float:
        """Since the scenario began."""
        return clock.monotonic() - self._begun_at

    async def look(self) -> list[Event]:
        """Look at everything; returns what has happened since the last look, in order."""
        now = clock.now()
        views = self._world.views
        live = [LiveCallAnswer.of(call, now) for call in await views.live_calls()]
        self._payers |= {charge.account for call in live for charge in call.charges}
        accounts = [row for row in await views.accounts() if row.name in self._payers]
        self.scene = Scene([self._with_line(call) for call in live], accounts)
        cdrs = await views.cdrs(CdrFilter(limit=_CDRS_READ))
        return sorted([*self._of_telephones(), *self._of_switch(), *self._of_cdrs(cdrs)])

    def evidence(self) -> str:
        """What every telephone of this scenario went through, for the reader of a failure."""
        calls: list[AgentCall] = [*self._world.caller.calls, *self._world.carrier.calls]
        return "\n".join(f"{call.timeline}\n{call.told()}" for call in calls)

    def _of_telephones(self) -> Iterator[Event]:
        for placed in self._world.caller.calls:
            yield from self._of_telephone(placed, _caller(placed))
        for received in self._world.carrier.calls:
            yield from self._of_telephone(received, f"line {self._line(received)}")

    def _of_telephone(self, call: AgentCall, who: str) -> Iterator[Event]:
        moments = [(entry.at, _sentence(call, entry.what)) for entry in call.timeline.entries]
        voices = {one.voice_hz for one in (*self._world.caller.calls, *self._world.carrier.calls)}
        for tone in call.tones:  # the words of a prompt may sound like one for a moment
            if tone.hz in {*voices, *_TONES} - {0} and tone.seconds >= HEARD_SECONDS:
                what = _TONES.get(tone.hz, f"hears the other side's voice ({tone.hz} Hz)")
                moments.append((tone.started_at, what))
        for at, what in moments:
            if what and self._is_new(call, what):
                yield Event(at - self._begun_at, who, what)

    def _of_switch(self) -> Iterator[Event]:
        while self._switch_told < len(self._world.happened):
            at, what = self._world.happened[self._switch_told]
            self._switch_told += 1
            yield Event(at - self._begun_at, "callctl switch", what)

    def _of_cdrs(self, cdrs: list[Cdr]) -> Iterator[Event]:
        of_call = {cdr.sip_call_id: cdr for cdr in cdrs}
        for placed in self._world.caller.calls:
            cdr = of_call.get(placed.sip_call_id)
            if cdr is not None and self._is_new(placed, "CDR"):
                yield Event(self.seconds, _caller(placed), _cdr_words(cdr))

    def _is_new(self, call: AgentCall, what: str) -> bool:
        key = (id(call), what)
        is_new = key not in self._told
        self._told.add(key)
        return is_new

    def _with_line(self, call: LiveCallAnswer) -> LiveCallAnswer:
        """The call with the line that rings: callctl writes down only the one that answers."""
        if call.line is not None:
            return call
        ringing = (
            self._line(received)
            for received in self._world.carrier.calls
            if received.outcome is None
            and PhoneNumber.parse(received.from_number).text == call.caller
        )
        return call.model_copy(update={"line": next(ringing, None)})

    def _line(self, received: ReceivedCall) -> str:
        return self._line_names.get(received.number, received.number)


def _caller(placed: PlacedCall) -> str:
    return placed.timeline.name.partition(" ")[0]


def _sentence(call: AgentCall, entry: str) -> str:
    """An entry of a timeline in words; "" for what nobody needs to be told."""
    is_placed = isinstance(call, PlacedCall)
    if entry.startswith("over: "):
        return _end(call) if is_placed else ""
    said = (_CALLER_SAYS if is_placed else _LINE_SAYS).get(entry.partition(" (")[0], "")
    other = call.from_number if isinstance(call, ReceivedCall) else call.timeline.name.split()[-1]
    return said.format(number=other or "unknown")


def _end(call: AgentCall) -> str:
    """How the other side ended a caller's call; "" when the caller did."""
    outcome = call.outcome
    if outcome is None or outcome.ended_by == "us":
        return ""
    if outcome.talk_seconds is None:
        return f"is refused: SIP {outcome.status}, cause {outcome.cause}"
    return f"is cut off after {outcome.talk_seconds:.1f} s of talk"


def _cdr_words(cdr: Cdr) -> str:
    cost = f"{format_micros(cdr.cost_micros)} {cdr.currency or ''}".strip()
    return f"CDR: {cdr.disposition}, ended by {cdr.ended_by}, talk {cdr.talk_seconds:.1f} s, {cost}"
