"""Feature codes dialled from a bound line: the number's switch by telephone; run by the exchange.

    *21*4001234567      open         *22*4001234567   closed        *23*4001234567   its schedule
    *21*4001234567*471108 where the tenant has a switch_pin
    *21  *21**471108      without the number, where the line answers only one

Who calls is known by his caller id alone, and so are lines: a tenant who fears a forged one sets a
switch_pin. What is wrong with a code is told to nobody but the CDR.
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from callctl import clock
from callctl.calls import Call
from callctl.cdr import Record
from callctl.directory.answering import TargetKind
from callctl.directory.models import Did, Directory
from callctl.flows.desk import Desk
from callctl.values.hangup import HangupCause
from callctl.values.phone_number import PhoneNumber
from callctl.values.schedule import ManualSwitch

ATTEMPTS_PER_MINUTE = 5
_CODE = re.compile(r"\*(2[123])(?:\*(\d{0,15}))?(?:\*(\d{1,12}))?#?", re.ASCII)
_POSITIONS = {
    "21": ManualSwitch.OPEN,
    "22": ManualSwitch.CLOSED,
    "23": ManualSwitch.SCHEDULE,
}
_PROMPTS = {
    ManualSwitch.OPEN: "callctl/number-opened",
    ManualSwitch.CLOSED: "callctl/number-closed",
    ManualSwitch.SCHEDULE: "callctl/number-on-schedule",
}
_REFUSED = "callctl/code-refused"
_LANGUAGE = "zh"  # for whom no number, and so no tenant, was found
_COUNTED = "feature"  # what attempts are counted under, in place of a number


class Code(NamedTuple):
    """A feature code as it was dialled; `did` and `pin` are "" when they were left out."""

    position: ManualSwitch
    did: str
    pin: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a code does: `did` is the number to be switched, None when it is refused.

    `why` is for the CDR. `language` is that of the prompt.
    """

    did: Did | None
    why: str
    language: str = _LANGUAGE


async def feature(call: Call, desk: Desk, record: Record) -> None:
    """Do what the code says, confirm it in early media, and end the call, which is never charged.

    Raises HungUp when the caller goes, DatabaseUnavailable when nothing could be written.
    """
    code = parse(record.dialled_text)
    tries = desk.caller_rates.count(_COUNTED, call.caller.text, clock.monotonic())
    answer = Answer(None, f"{tries} codes within a minute")
    if tries <= ATTEMPTS_PER_MINUTE:
        answer = judge(code, call.caller, desk.directory())
    record.note("feature code", matched=answer.did is not None, why=answer.why)
    if code is None or answer.did is None:
        record.reason = "code_refused"
        await call.play_early(_REFUSED, answer.language)
        await call.reject(HangupCause.REJECTED)
        return
    record.did = answer.did
    await desk.switches.turn(answer.did.number, code.position, by=call.caller.text)
    record.reason = f"switched_{code.position}"
    await call.play_early(_PROMPTS[code.position], answer.language)
    await call.reject(HangupCause.NORMAL)


def parse(text: str) -> Code | None:
    """The code in what was dialled, hostile text; None when it is none of ours."""
    match = _CODE.fullmatch(text)
    if match is None:
        return None
    return Code(_POSITIONS[match[1]], match[2] or "", match[3] or "")


def judge(code: Code | None, caller: PhoneNumber, directory: Directory) -> Answer:
    """Which number the caller may switch with this code."""
    if code is None:
        return Answer(None, "no such code")
    own = [did for did in directory.dids.values() if _is_line_of(caller, did)]
    if not own:
        return Answer(None, "the caller is no line of any tenant")
    language = own[0].tenant.language
    did = _chosen(code, caller, own)
    if did is None:
        return Answer(None, "no number of the line's tenant was meant", language)
    pin = did.tenant.switch_pin
    if not hmac.compare_digest(code.pin, pin or code.pin):
        return Answer(None, "wrong PIN", language)
    return Answer(did, f"{caller.text} turns {did.number} to {code.position}", did.tenant.language)


def _chosen(code: Code, caller: PhoneNumber, own: list[Did]) -> Did | None:
    """The number that was dialled; without one the only one there is, or the line's only one."""
    if code.did:
        wanted = PhoneNumber.parse(code.did).national
        return next((did for did in own if did.number == wanted), None)
    return _only(own) or _only(did for did in own if _answers(caller, did))


def _only(dids: Iterable[Did]) -> Did | None:
    found = list(dids)
    return found[0] if len(found) == 1 else None


def _is_line_of(caller: PhoneNumber, did: Did) -> bool:
    """Whether the caller's number is that of a line of the number's tenant."""
    return bool(caller) and any(line.number == caller for line in did.answering.lines.values())


def _answers(caller: PhoneNumber, did: Did) -> bool:
    """Whether the caller's line is in the group that the number's calls go to."""
    group = did.answering.groups.get(did.default.name)
    if did.default.kind is not TargetKind.GROUP or group is None:
        return False
    return any(member.line.number == caller for member in group.members)
