"""The way of one call through its number's routing: pure, bounded, explained. Used by flows."""

from collections.abc import Mapping

from callctl.directory.answering import (
    Group,
    Member,
    Menu,
    Message,
    Strategy,
    Target,
    TargetKind,
    Voicemail,
)
from callctl.directory.models import Answering
from callctl.routing.facts import Facts
from callctl.routing.groups import choose_lines
from callctl.routing.keys import digits_max, meant
from callctl.routing.moment import Moment
from callctl.routing.routes import choose_route
from callctl.routing.steps import (
    Ask,
    Decision,
    End,
    LeftQueue,
    NoKey,
    NoLine,
    Outcome,
    Overflowed,
    Pressed,
    PromiseCallback,
    Ring,
    Said,
    Say,
    Step,
    TakeMessage,
    Wait,
    told,
)
from callctl.values.hangup import HangupCause
from callctl.values.line_state import QueueState
from callctl.values.schedule import ManualSwitch

HOPS_MAX = 20  # targets that one call can be sent to, one after the other
_NOBODY = QueueState()
_CAUSES = frozenset(HangupCause)
_AFTER_MESSAGE = End("message", HangupCause.REJECTED)


class Journey:
    """Decides step after step: `begin` once, then `after` what came of each step.

    Never raises; a call that was sent to more than HOPS_MAX targets is ended with reason "loop".
    `is_thorough`: each route is looked at, however many there are, as explanations want it.
    """

    def __init__(self, *, is_vip: bool, is_thorough: bool = False) -> None:
        self._is_vip = is_vip
        self._is_thorough = is_thorough
        self._hops = 0
        self._tries = 0  # rounds in a menu that gave no key which leads on
        self._step: Step | None = None
        self.target: Target | None = None  # where the call was sent last
        self._left: Group | None = None  # the group whose queue the caller has just left
        self._end = _AFTER_MESSAGE  # the end after a message: why it was played

    def begin(self, facts: Facts) -> Decision:
        """The first step: by the number's switch and schedule, its routes, its default."""
        now, did = Moment(facts), facts.did
        if self._is_closed(now):
            self._end = _refused("closed")
            return self._go(now, did.closed or self._end)
        route = choose_route(now, is_vip=self._is_vip, is_thorough=self._is_thorough)
        if route is not None:
            return self._go(now, route.target)
        now.note("default", str(did.default))
        return self._go(now, did.default)

    def after(self, outcome: Outcome, facts: Facts) -> Decision:
        """The step that follows; `facts` are those of now."""
        now, self._left = Moment(facts), None
        match self._step, outcome:
            case Ring(group=group), NoLine(cause=cause):
                towards = self._when_untaken(now, group, cause)
            case Wait(group=group), Overflowed(why=why):
                towards = self._overflow(now, group, why)
            case Wait(group=group), LeftQueue(key=key):
                towards = self._leave_queue(now, group, key)
            case Ask(menu=menu), Pressed(digits=digits):
                target = meant(now, menu, digits)
                towards = target or self._ask_again(now, menu, is_wrong=True)
            case Ask(menu=menu), NoKey():
                now.note(f"menu {menu.name}", "no key was pressed", matched=False)
                towards = self._ask_again(now, menu, is_wrong=False)
            case Say(message=message), Said():
                towards = message.then or self._end
            case _:
                now.note("journey", f"{type(outcome).__name__} is not expected", matched=False)
                towards = End("out_of_step", HangupCause.TEMPORARY_FAILURE)
        return self._go(now, towards)

    def resume_waiting(self, group: Group, facts: Facts) -> Decision:
        """A Wait in that group, for a caller who was waiting when the switch ended."""
        now = Moment(facts)
        if group.queue is None:
            now.note(f"group {group.name}", "it has no queue any more", matched=False)
            return self._go(now, Target(TargetKind.GROUP, group.name))
        return self._go(now, Wait(group, self._is_vip, "the caller was waiting already"))

    def resume(self, target: Target | None, facts: Facts) -> Decision:
        """Again to where the call was sent before the switch ended; from the start without any."""
        return self.begin(facts) if target is None else self._go(Moment(facts), target)

    # -- from target to target

    def _go(self, now: Moment, towards: Target | Step) -> Decision:
        """Follow targets to a step."""
        while isinstance(towards, Target):
            self._hops += 1
            self.target = towards
            if self._hops > HOPS_MAX:
                now.note(str(towards), f"the call was sent to {HOPS_MAX} targets already")
                towards = End("loop", HangupCause.NO_ROUTE)
            else:
                towards = self._arrive(now, towards)
        self._step = towards
        return Decision(towards, (*now.trace, told(towards)))

    def _arrive(self, now: Moment, target: Target) -> Target | Step:
        """What happens at a target: a step, or it leads on to another."""
        towards: Target | Step
        match _look_up(now.facts.did.answering, target):
            case Group() as group:
                towards = self._enter_group(now, group)
            case Menu() as menu:
                self._tries, self._end = 0, _AFTER_MESSAGE
                towards = Ask(menu, digits_max=digits_max(menu, now.facts.did.answering))
            case Message() as message:
                towards = Say(message)
            case Voicemail() as box:
                towards = TakeMessage(box)
            case TargetKind.CALLBACK:
                towards = self._call_back(now)
            case TargetKind.REFUSE:
                towards = _refused("refused")
            case _:
                now.note(str(target), "there is none of that name", matched=False)
                towards = End("target_gone", HangupCause.NO_ROUTE)
        return towards

    # -- the number's hours

    def _is_closed(self, now: Moment) -> bool:
        did = now.facts.did
        if did.switch is not ManualSwitch.SCHEDULE:
            now.note("switch", f"the number is switched {did.switch} by hand")
            return did.switch is ManualSwitch.CLOSED
        if did.schedule is None:
            return False
        found = now.opening(did.schedule)
        is_closed = not found.is_open and not self._is_vip
        why = found.why if found.is_open or is_closed else f"{found.why}; a VIP is free from it"
        now.note("schedule", why, matched=not is_closed)
        return is_closed

    # -- groups and their queues

    def _enter_group(self, now: Moment, group: Group) -> Target | Step:
        choice = choose_lines(now, group)
        waiting = now.facts.queues.get(group.name, _NOBODY)
        if choice.attempts and not (group.queue and waiting.length):
            return Ring(
                group,
                choice.attempts,
                is_at_once=group.strategy is Strategy.SIMULTANEOUS,
                ringback=group.ringback or now.facts.did.ringback,
            )
        if group.queue and (choice.attempts or choice.may_wait):
            why = f"{waiting.length} are waiting" if waiting.length else "all lines are busy"
            return self._wait(now, group, why)
        return self._otherwise(now, group, HangupCause.CONGESTION)

    def _wait(self, now: Moment, group: Group, why: str) -> Target | Step:
        """Wait in the queue, unless it is known already that it will not have the caller."""
        queue, waiting = group.queue, now.facts.queues.get(group.name, _NOBODY)
        if queue is not None and waiting.length >= queue.length_max:
            return self._overflow(now, group, f"{waiting.length} are waiting, no more may")
        return Wait(group, self._is_vip, why)

    def _when_untaken(self, now: Moment, group: Group, cause: int | None) -> Target | Step:
        """After lines were rung, of which none took the call."""
        shown = HangupCause.CONGESTION if cause is None else _known(cause)
        why = "no line could be rung" if cause is None else f"no line took the call (cause {cause})"
        now.note(f"group {group.name}", why, matched=False)
        if group.queue:
            choice = choose_lines(Moment(now.facts), group)
            if choice.attempts or choice.may_wait:
                return self._wait(now, group, why)
        return self._otherwise(now, group, shown)

    def _otherwise(self, now: Moment, group: Group, cause: HangupCause) -> Target | Step:
        self._end = End("no_line", cause)
        if group.otherwise is None:
            return self._end
        now.note(f"group {group.name} otherwise", str(group.otherwise))
        return group.otherwise

    def _overflow(self, now: Moment, group: Group, why: str) -> Target | Step:
        self._end = End("overflowed", HangupCause.CONGESTION)
        now.note(f"queue of group {group.name}", why, matched=False)
        overflow = group.queue.overflow if group.queue else None
        if overflow is None:
            return self._end
        now.note(f"group {group.name} overflow", str(overflow))
        return overflow

    def _leave_queue(self, now: Moment, group: Group, key: str) -> Target | Step:
        """Go where the key leads; one that leads nowhere leaves the caller where he is."""
        target = group.queue.keys.get(key) if group.queue else None
        now.note(f"group {group.name} key {key}", str(target or "it leads nowhere"))
        self._left = group
        return target or Wait(group, self._is_vip, f"key {key} leads nowhere")

    def _call_back(self, now: Moment) -> Step:
        """A promise, if it can be kept; who has left a queue for it goes back there if not."""
        left = self._left
        if now.facts.caller and now.facts.did.callback:
            return PromiseCallback(left)
        why = "the number has no callback" if now.facts.caller else "caller is unknown"
        now.note("callback", why, matched=False)
        if left is not None:
            return Wait(left, self._is_vip, "the caller cannot be called back")
        return End("no_callback", HangupCause.NORMAL)

    # -- menus

    def _ask_again(self, now: Moment, menu: Menu, *, is_wrong: bool) -> Target | Step:
        """Another round; after the last the call goes where the last mistake leads."""
        self._tries += 1
        if self._tries < menu.tries_max:
            return Ask(menu, is_wrong, digits_max(menu, now.facts.did.answering))
        target = menu.wrong_key if is_wrong else menu.no_key
        now.note(f"menu {menu.name}", f"{self._tries} times: {target or 'the call ends'}")
        reason = "wrong_key" if is_wrong else "no_key"
        return target or End(reason, HangupCause.NORMAL)


def _look_up(
    answering: Answering, target: Target
) -> Group | Menu | Message | Voicemail | TargetKind | None:
    """What the target names; its kind if that has no names; None when there is none."""
    name = target.name
    tables: dict[TargetKind, Mapping[str, Group | Menu | Message | Voicemail]] = {
        TargetKind.GROUP: answering.groups,
        TargetKind.MENU: answering.menus,
        TargetKind.MESSAGE: answering.messages,
        TargetKind.VOICEMAIL: answering.voicemails,
    }
    if target.kind in tables:
        return tables[target.kind].get(name)
    if target.kind is not TargetKind.LINE:
        return target.kind
    line = answering.lines.get(name)
    return Group(str(target), Strategy.SEQUENTIAL, (Member(line),)) if line else None


def _refused(reason: str) -> End:
    return End(reason, HangupCause.REJECTED)


def _known(cause: int) -> HangupCause:
    return HangupCause(cause) if cause in _CAUSES else HangupCause.NO_ANSWER
