"""Who can be called back and whose lines are rung for it; pure but for `ask_for_missed`.

A caller id is hostile text: a short number, or an expensive one abroad, must not be called only
because somebody showed it.
"""

import uuid
from collections.abc import Callable
from datetime import datetime

from callctl import clock
from callctl.callbacks.request import CallbackRequest, CallbackState
from callctl.callbacks.store import Callbacks
from callctl.directory.answering import TargetKind
from callctl.directory.models import Did, Directory
from callctl.errors import InvalidInput, NotFound
from callctl.rating import find_rate
from callctl.routing.reach import lines_of, reached
from callctl.values.area import Area
from callctl.values.phone_number import NumberKind, PhoneNumber

_NAME_LENGTH_MAX = 63
_CALLABLE = frozenset({NumberKind.MOBILE, NumberKind.FIXED, NumberKind.FOREIGN})


async def ask_for_missed(
    callbacks: Callbacks,
    directory: Directory,
    area_of: Callable[[PhoneNumber], Area],
    call_id: uuid.UUID,
    *,
    by: str,
    line: str | None = None,
) -> CallbackRequest:
    """Have the caller of a missed call called back, by `line` or the lines he was to reach.

    Raises NotFound, or InvalidInput that says why he can't be, or is already.
    """
    if not (0 < len(by) <= _NAME_LENGTH_MAX and by.isprintable()):
        raise InvalidInput(f"{by!r} is no name: write 1 to {_NAME_LENGTH_MAX} letters or digits")
    missed = await callbacks.ended_call(call_id)
    if missed is None:
        raise NotFound(f"there is no ended call {call_id}: callctl missed list shows missed calls")
    if missed["disposition"] == "answered":
        raise InvalidInput(f"call {call_id} was answered: only a missed call is called back")
    if missed["direction"] == "callback":
        raise InvalidInput(f"call {call_id} is a callback itself: name the call that was missed")
    did = directory.dids.get(missed["did"])
    if did is None:
        raise InvalidInput(f"number {missed['did']} is not provisioned (any more)")
    caller = PhoneNumber.parse(missed["caller"])
    why = refusal(did, caller, area_of(caller), clock.now())
    if why:
        raise InvalidInput(f"call {call_id} can't be called back: {why}")
    group_name, line = line_or_group(did, missed["group_name"], line)
    covering = await callbacks.covering(did.number, caller.text, missed["setup_at"])
    if covering is None:
        request = await callbacks.ask(
            did, caller, call_id=call_id, group_name=group_name, line=line, by=by
        )
        if request is not None:
            return request
        covering = await callbacks.covering(did.number, caller.text, missed["setup_at"])
    raise InvalidInput(_already(caller, covering))


def refusal(did: Did, caller: PhoneNumber, area: Area, at: datetime) -> str:
    """Why this caller of `did` can't be called back; "" when he can."""
    callback = did.callback
    if callback is None:
        return (
            f"number {did.number} calls nobody back: give it"
            " `callback: {trunk: ..., tariff: ...}` in the provisioning file, and apply that"
        )
    if not caller.is_known:
        return "the caller showed no number"
    if caller.kind not in _CALLABLE:
        return f"{caller.text} is no number of a person: only mobile and fixed lines are called"
    is_foreign = caller.kind is NumberKind.FOREIGN
    if callback.tariff is None:
        return f"{caller.text} is abroad, and callback has no tariff" if is_foreign else ""
    choice = find_rate(callback.tariff, caller.text.removeprefix("+"), area, at)
    # A price for whatever number there is was not meant for each country's dearest.
    if choice is None or (is_foreign and not choice.rate.prefix):
        return f"tariff {callback.tariff.name} has no rate for {caller.text}"
    return ""


def line_or_group(
    did: Did, group_name: str | None, line: str | None = None
) -> tuple[str | None, str | None]:
    """Whose lines call back (group, None), or which line does (None, line).

    The line that is asked for, else the group that the caller came to, else the first one that
    his number leads to. Raises InvalidInput when there is none.
    """
    answering = did.answering
    if line is not None:
        if line not in answering.lines:
            raise InvalidInput(
                f"tenant {did.tenant.name} has no line {line}: callctl line list shows them"
            )
        return None, line
    if group_name is not None and group_name in answering.groups:
        return group_name, None
    for target in (did.default, *reached(did)):
        if lines_of(did, target):
            is_group = target.kind is TargetKind.GROUP
            return (target.name, None) if is_group else (None, target.name)
    raise InvalidInput(
        f"number {did.number} leads to no lines: say with --line NAME who is to call back"
    )


def _already(caller: PhoneNumber, covering: CallbackRequest | None) -> str:
    if covering is None:
        return f"{caller.text} was being called back at this very moment: ask again"
    when = covering.requested_at.isoformat(timespec="seconds")
    asked = f"callback {covering.id}, asked for by {covering.requested_by} at {when}"
    if covering.state is not CallbackState.DONE:
        return f"{caller.text} is being called back already: {asked}, is {covering.state}"
    return f"{caller.text} was called back already: {asked}{_ending(covering)}"


def _ending(covering: CallbackRequest) -> str:
    return f"; {covering.reason}" if covering.reason else ""
