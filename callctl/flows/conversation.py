"""A call with money, from its first step to the end of its talk; made by the scripts.

Routing says which step is next, a module of this package carries it out, routing hears what came
of it: until a line talks or the call is over. Before a step that needs the caller answered, he is
answered, and charged from then on (ambiguity 22).
"""

from dataclasses import dataclass, field

from callctl.calls import Call, Leg
from callctl.cdr import LiveCall, Record, Stage
from callctl.charging import Biller, Charge
from callctl.directory.answering_fields import read_target
from callctl.directory.models import Did
from callctl.flows import callback as callbacks
from callctl.flows import ending, menu, recorded, ringing, voicemail, waiting
from callctl.flows.desk import Desk, live_call
from callctl.flows.paid_time import PaidTime
from callctl.routing import (
    Ask,
    Decision,
    End,
    Facts,
    Journey,
    NoLine,
    Outcome,
    PromiseCallback,
    Ring,
    Said,
    Say,
    Step,
    TakeMessage,
    Wait,
)


def needs_answer(step: Step) -> bool:
    """Whether the caller is answered, and charged, before the step."""
    match step:
        case Ask() | Wait() | TakeMessage() | PromiseCallback():
            return True
        case Say():
            return step.message.answers
        case _:
            return False


@dataclass(slots=True)
class Conversation:
    """One call, its money, and its way through the number's routing."""

    call: Call
    desk: Desk
    record: Record
    did: Did
    biller: Biller
    charge: Charge
    paid_time: PaidTime
    journey: Journey
    last_cause: int | None = None  # of the last line that was rung and did not take the call
    seats: list[ringing.Seat] = field(default_factory=list)  # lines whose calls count
    _told: tuple[object, ...] = field(init=False)  # of what rings, by the live call's row

    def __post_init__(self) -> None:
        """The row was written when the money was asked for."""
        self._told = self._ringing()

    @property
    def language(self) -> str:
        """Of the prompts."""
        return self.did.tenant.language

    def facts(self) -> Facts:
        """What routing may know at this moment."""
        return self.desk.facts(self.call, self.record, self.did)

    def enter(self, stage: Stage, group_name: str | None = None) -> None:
        """Note how far the call has got."""
        self.record.stage, self.record.group_name = stage, group_name
        self.note()

    def note(self) -> None:
        """Keep the live call's row current."""
        self.desk.note(self._row())

    def note_ringing(self) -> None:
        """As `note`, unless the row tells already which line is rung."""
        if self._told != self._ringing():
            self.note()

    async def keep(self) -> None:
        """Have that row durable; while PostgreSQL is away the earlier one stands."""
        await self.desk.keep(self._row())

    def _row(self) -> LiveCall:
        self._told = self._ringing()
        self.record.target = str(self.journey.target or "")
        return live_call(self.call, self.record, self.charge)

    def _ringing(self) -> tuple[object, ...]:
        record = self.record
        return record.stage, record.group_name, self.journey.target, tuple(record.attempts)

    async def run(self, decision: Decision) -> None:
        """Take step after step from `decision` on, then talk."""
        found: Leg | Decision | None = decision
        if self.did.greeting is None:
            found = await self._unanswered(decision)
        if isinstance(found, Decision):
            await self._answer()
            found = await self.paid_time.during(self._answered(found))
        if isinstance(found, Leg):
            await self.talk(found)

    async def take_up(self) -> None:
        """Go on where an earlier run of the switch was: talking, waiting, or at the last target.

        What the caller was hearing there begins anew.
        """
        call = self.call
        if call.b_leg is None:
            self.begin(call.a_leg)
            found = await self.paid_time.during(self._taken_up())
            if found is not None:
                await self.talk(found)
            return
        await ringing.take_up_seat(self, call.b_leg)
        if self.record.stage is Stage.TALKING:
            await self._keep_talking(call.b_leg)
        else:
            await self.talk(call.b_leg)

    async def _taken_up(self) -> Leg | None:
        record, stage = self.record, self.record.stage
        group = self.did.answering.groups.get(record.group_name or "")
        if stage is Stage.QUEUED and group is not None:
            decision = self.journey.resume_waiting(group, self.facts())
        else:
            target = read_target(record.target) if record.target else None
            decision = self.journey.resume(target, self.facts())
        record.note_all(decision.trace)
        if stage is Stage.VOICEMAIL and await voicemail.take_up(self, decision.step):
            return None
        if stage is not Stage.QUEUED:
            await self.call.bridge.renew()
        if stage is Stage.GREETING:
            return await self._answered(decision)
        return await self._follow(decision)

    async def ring(self, step: Ring) -> Leg | None:
        """Ring the step's lines; the one that takes the call, or None: see `last_cause`."""
        return await ringing.ring(self, step)

    async def talk(self, leg: Leg) -> None:
        """Connect the two and keep the talk paid until one of them, or the money, is gone."""
        call = self.call
        await call.connect(leg)
        if call.talk_started_at is None:
            return  # one of them was gone before both were there
        self.record.stage = Stage.TALKING
        if not call.is_charged_from_answer:
            self.begin(call.a_leg)
        self.begin(leg)
        await recorded.start(self, leg)
        await self._keep_talking(leg)

    async def _keep_talking(self, leg: Leg) -> None:
        await self.paid_time.keep(lambda: self.call.is_over(leg))

    def begin(self, leg: Leg) -> None:
        """Charge a leg from where its time begins."""
        begin = self.call.charge_begin(leg)
        if begin is not None:
            self.charge.begin([leg.leg_id], begin.monotonic, begin.at)

    async def _answer(self) -> None:
        try:
            await self.call.answer()
        finally:  # who was answered pays for it, though he be gone already
            self.call.is_charged_from_answer = self.call.a_leg.answered_at is not None
            self.begin(self.call.a_leg)

    async def _answered(self, decision: Decision) -> Leg | None:
        """The steps of an answered caller, after the number's greeting (A16)."""
        greeting = self.did.greeting
        if greeting is not None:
            self.enter(Stage.GREETING)
            keys = "0123456789*#" if greeting.is_barge_in else ""
            await self.call.play(greeting.prompt, self.language, stop_keys=keys)
        return await self._follow(decision)

    async def _unanswered(self, decision: Decision) -> Leg | Decision | None:
        """The steps before the caller is answered; the decision that wants him to be, if any."""
        while not needs_answer(decision.step):
            result = await self._take(decision.step)
            if result is None or isinstance(result, Leg):
                return result
            decision = self._after(result)
        return decision

    async def _follow(self, decision: Decision) -> Leg | None:
        """Take steps to the end; a leg that took the call, None: it is over."""
        while True:
            result = await self._take(decision.step)
            if result is None or isinstance(result, Leg):
                return result
            decision = self._after(result)

    def _after(self, outcome: Outcome) -> Decision:
        decision = self.journey.after(outcome, self.facts())
        self.record.note_all(decision.trace)
        return decision

    async def _take(self, step: Step) -> Leg | Outcome | None:
        match step:
            case Ring():
                return await self.ring(step) or NoLine(self.last_cause)
            case Wait():
                return await waiting.wait(self, step)
            case Ask():
                self.enter(Stage.MENU)
                return await menu.ask(self, step)
            case Say():
                self.enter(Stage.MESSAGE)
                await self.call.play_early(step.message.prompt, self.language)
                return Said()
            case TakeMessage():
                self.enter(Stage.VOICEMAIL)
                await voicemail.take_message(self, step.box)
            case PromiseCallback():
                self.enter(Stage.CALLBACK)
                await callbacks.promise(self, step)
            case End():
                await ending.end(self.call, self.record, step, self.language)
        return None
