"""Screening: may this caller call at all (A8-A10, A23), before anything else is done for him.

In the order of ambiguity 3: who is blocked by his number, then who is welcome, then who is
blocked by his area, from which the welcome are free.
"""

from dataclasses import dataclass

from callctl.directory.answering import CallerList, ListMode
from callctl.routing.facts import Facts, TraceStep
from callctl.routing.lists import found_number, sure_area
from callctl.routing.moment import Moment
from callctl.routing.reach import line_numbers
from callctl.values.hangup import HangupCause


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the caller may call; when not, with which Q.850 cause and for which reason.

    `announcement` is a prompt that the refused caller hears in early media, None: he hears none.
    The trace's last line is the outcome.
    """

    is_allowed: bool
    is_vip: bool
    cause: HangupCause
    reason: str
    announcement: str | None
    trace: tuple[TraceStep, ...]


def screen(facts: Facts) -> Verdict:
    """Judge the caller; reasons: loop, caller_rate, blacklisted, not_allowed, area_blocked."""
    moment = Moment(facts)
    trace = moment.trace
    if _is_loop(facts, trace):
        return _refused("loop", None, trace)
    if _is_too_often(facts, trace):
        return _refused("caller_rate", None, trace)
    lists = facts.did.lists
    blocked = _blocked_by_number(facts, trace)
    if blocked is not None:
        return _refused("blacklisted", blocked.announcement, trace)
    allowing = [one for one in lists if one.mode is ListMode.ALLOW_ONLY]
    if allowing and not any(_is_on(one, moment) for one in allowing):
        prompts = (one.announcement for one in allowing if one.announcement)
        return _refused("not_allowed", next(prompts, None), trace)
    is_vip = any(_is_on(one, moment) for one in lists if one.mode is ListMode.VIP)
    blocked = None if is_vip else _blocked_by_area(facts, trace)
    if blocked is not None:
        return _refused("area_blocked", blocked.announcement, trace)
    why = "allowed, as a VIP" if is_vip else "allowed"
    trace.append(TraceStep("screening", matched=True, why=why))
    return Verdict(True, is_vip, HangupCause.NORMAL, "", None, tuple(trace))


def _refused(reason: str, announcement: str | None, trace: list[TraceStep]) -> Verdict:
    cause = HangupCause.REJECTED
    trace.append(TraceStep("end", matched=True, why=f"{reason} (cause {int(cause)})"))
    return Verdict(False, False, cause, reason, announcement, tuple(trace))


def _is_loop(facts: Facts, trace: list[TraceStep]) -> bool:
    """Whether a line of the number, or the number itself, has sent the call back to it."""
    sender = facts.diverted_from
    if not sender:
        return False
    is_loop = sender.national == facts.did.number or sender.text in line_numbers(facts.did)
    why = f"sent on by {sender}, " + ("which is called here" if is_loop else "no line of this one")
    trace.append(TraceStep("loop", matched=is_loop, why=why))
    return is_loop


def _is_too_often(facts: Facts, trace: list[TraceStep]) -> bool:
    most = facts.did.calls_per_caller_minute
    if most is None:
        return False
    is_over = facts.recent_calls > most
    why = f"{facts.recent_calls} in this minute, {most} allowed"
    trace.append(TraceStep("calls per caller", matched=is_over, why=why))
    return is_over


def _blocked_by_number(facts: Facts, trace: list[TraceStep]) -> CallerList | None:
    for one in facts.did.lists:
        if one.mode is ListMode.BLOCK and _has_numbers(one):
            why = found_number(one, facts.caller)
            _note(one, why, "caller's number is not on it", trace)
            if why is not None:
                return one
    return None


def _blocked_by_area(facts: Facts, trace: list[TraceStep]) -> CallerList | None:
    """The list by which the caller's area is refused; one that may be another's is not."""
    for one in facts.did.lists:
        if one.mode is ListMode.BLOCK and one.areas:
            why = sure_area(one, facts.area)
            _note(one, why, f"caller's area {facts.area} is not on it", trace)
            if why is not None:
                return one
    return None


def _is_on(one: CallerList, moment: Moment) -> bool:
    why = moment.on_list(one)
    _note(one, why, "caller is not on it", moment.trace)
    return why is not None


def _has_numbers(one: CallerList) -> bool:
    return bool(one.numbers or one.prefixes or one.ranges or one.is_for_unknown)


def _note(one: CallerList, why: str | None, why_not: str, trace: list[TraceStep]) -> None:
    rule = f"{one.mode} list {one.name}"
    trace.append(TraceStep(rule, matched=why is not None, why=why or why_not))
