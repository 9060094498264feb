"""In which order a line is rung: its seat, money for its leg, a row that tells of it, telephone."""

import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callctl import clock
from callctl.calls import Leg, LineToRing
from callctl.cdr import Record
from callctl.directory.models import Did
from callctl.flows import ringing
from callctl.flows.conversation import Conversation
from callctl.routing import Attempt, Ring
from tests.unit.routing import samples


@dataclass
class Desk:
    """Everybody whom a line's ringing needs; `done` is what they did, in order."""

    has_seat: bool = True
    unpriced: str = ""
    is_paid: bool = True
    is_taken: bool = False
    done: list[str] = field(default_factory=list)

    def did_so(self, what: str, answer: Any = None) -> Any:
        """An act that takes any arguments and gives `answer`."""

        async def act(*_: object, **__: object) -> Any:
            self.done.append(what)
            return answer

        return act

    async def dial(self, line: LineToRing) -> Leg:
        self.done.append("dialled")
        leg = Leg(line.leg_id, "l1", "b", line.number, line.name, clock.now())
        leg.is_taken = self.is_taken
        return leg

    def conversation(self, did: Did) -> Conversation:
        lines = SimpleNamespace(
            turn=lambda *_: None,
            take=self.did_so("seat", self.has_seat),
            give_back=self.did_so("seat back"),
            let_go=self.did_so("what is left"),
        )
        call = SimpleNamespace(
            call_id=uuid.uuid4(),
            a_leg=Leg(uuid.uuid4(), "a1", "a", "", None, clock.now()),
            wait_unanswered=self.did_so("timer"),
            stop_music=self.did_so("silence"),
            dial=self.dial,
        )
        payer = SimpleNamespace(account=None)
        bill = SimpleNamespace(unpriced=self.unpriced, payers=(payer,))
        found = SimpleNamespace(
            call=call,
            did=did,
            record=Record(revision_id=1),
            language="zh",
            last_cause=None,
            seats=[],
            desk=SimpleNamespace(lines=lines),
            biller=SimpleNamespace(forwarding_leg=self.did_so("bill", bill)),
            charge=SimpleNamespace(
                add=self.did_so("money", self.is_paid), drop=self.did_so("money back")
            ),
            keep=self.did_so("row"),
            note=lambda: None,
        )
        return cast(Conversation, found)


@pytest.mark.parametrize(
    ("desk", "done"),
    [
        (Desk(has_seat=False), ["seat"]),
        (Desk(unpriced="forwarded"), ["seat", "bill", "seat back"]),
        (Desk(is_paid=False), ["seat", "bill", "money", "row", "seat back"]),
        (Desk(), ["seat", "bill", "money", "row", "dialled", "seat back", "money back"]),
        (Desk(is_taken=True), ["seat", "bill", "money", "row", "dialled"]),
    ],
    ids=["no seat", "no price", "no money", "not taken", "taken"],
)
async def test_no_line_is_rung_before_its_money_is_held(desk: Desk, done: list[str]) -> None:
    """Nor without a seat on it; a line that does not take the call gives both back."""
    line = samples.line("a", capacity=1)
    group = samples.group("g", line)
    step = Ring(group, (Attempt(line, "PJSIP/1@carrier", 15),))
    conversation = desk.conversation(samples.did("group:g", group))
    leg = await ringing.ring(conversation, step)
    assert (leg is not None) is desk.is_taken
    assert desk.done == ["timer", "silence", *done]
    assert len(conversation.seats) == desk.is_taken


@pytest.mark.parametrize(
    ("is_handed_over", "done"), [(False, ["seat back", "what is left"]), (True, [])]
)
async def test_a_call_that_goes_on_keeps_its_seats(is_handed_over: bool, done: list[str]) -> None:
    """In another run of the switch: its line is busy until the call is over."""
    desk, line = Desk(), samples.line("a", capacity=1)
    conversation = desk.conversation(samples.did("group:g", samples.group("g", line)))
    conversation.seats.append(ringing.Seat(line, 0))
    conversation.call.is_handed_over = is_handed_over
    await ringing.leave_seats(conversation)
    assert desk.done == done
    assert len(conversation.seats) == is_handed_over
