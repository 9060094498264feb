"""The way of a call: where it begins, and what follows each outcome of each step."""

from typing import Any

import pytest

from callctl.directory.answering import Group, Line, Menu, MenuKey, Message, Queue, Strategy
from callctl.directory.models import Did
from callctl.routing import (
    HOPS_MAX,
    Ask,
    Decision,
    End,
    Journey,
    LeftQueue,
    LineState,
    NoKey,
    NoLine,
    Outcome,
    Overflowed,
    Pressed,
    PromiseCallback,
    QueueState,
    Ring,
    Said,
    Say,
    Step,
    TakeMessage,
    Wait,
)
from callctl.values.hangup import HangupCause
from callctl.values.schedule import ManualSwitch
from tests.unit.routing.samples import ALWAYS, NEVER, box, did, facts, group, line, target

BOX = box("box")
SUPPORT = group("support", line("a"), line("b"))
SALES = group("sales", line("c"), extension="8001")
CLOSED = Message("closed", "callctl/closed")
QUEUE = Queue(
    2,
    300,
    "callctl/hold",
    30,
    overflow=target("voicemail:box"),
    keys={"1": target("voicemail:box"), "2": target("callback")},
)
WAITING = group("waiting", line("w1"), line("w2"), queue=QUEUE, otherwise=target("message:closed"))
BUSY = {"w1": LineState(live_calls=1), "w2": LineState(live_calls=1)}
MAIN = Menu(
    "main",
    "tenants/acme/welcome",
    {
        "1": MenuKey(target("group:support")),
        "2": MenuKey(target("group:sales"), NEVER, target("message:closed")),
        "3": MenuKey(target("menu:second")),
        "4": MenuKey(target("group:sales"), NEVER),
        "5": MenuKey(target("group:sales"), ALWAYS, target("message:closed")),
        "*": MenuKey(target("menu:main")),
        "#": MenuKey(target("refuse")),
    },
    no_key=target("group:support"),
    wrong_key=target("voicemail:box"),
)
SECOND = Menu("second", "tenants/acme/second", {"9": MenuKey(target("line:outside"))}, tries_max=2)
OUTSIDE = line("outside")
PARTS = (SUPPORT, SALES, WAITING, MAIN, SECOND, CLOSED, BOX, OUTSIDE)


def number(default: str, **fields: Any) -> Did:
    return did(default, *PARTS, **fields)


def go(one: Did, *outcomes: Outcome, is_vip: bool = False, **fields: Any) -> Decision:
    """The decision after all the outcomes."""
    found, journey = facts(one, **fields), Journey(is_vip=is_vip)
    decision = journey.begin(found)
    for outcome in outcomes:
        decision = journey.after(outcome, found)
    return decision


def end(reason: str, cause: HangupCause) -> End:
    return End(reason, cause)


REFUSED = HangupCause.REJECTED


@pytest.mark.parametrize(
    ("default", "step"),
    [
        ("group:support", Ring),
        ("menu:main", Ask),
        ("message:closed", Say),
        ("voicemail:box", TakeMessage),
        ("callback", PromiseCallback),
        ("line:outside", Ring),
        ("refuse", End),
        ("group:gone", End),
        ("menu:gone", End),
        ("message:gone", End),
        ("voicemail:gone", End),
        ("line:gone", End),
    ],
)
def test_each_kind_of_target_has_its_step(default: str, step: type[Step]) -> None:
    """A target that is gone ends the call and raises nothing; the trace ends with the step."""
    decision = go(number(default))

    assert type(decision.step) is step
    is_end = isinstance(decision.step, End)
    assert (decision.trace[-1].rule == "end") is is_end
    if "gone" in default:
        assert decision.step == end("target_gone", HangupCause.NO_ROUTE)


@pytest.mark.parametrize(
    ("fields", "is_vip", "is_closed"),
    [
        ({}, False, False),
        ({"schedule": ALWAYS}, False, False),
        ({"schedule": NEVER}, False, True),
        ({"schedule": NEVER}, True, False),
        ({"switch": ManualSwitch.CLOSED}, False, True),
        ({"switch": ManualSwitch.CLOSED, "schedule": ALWAYS}, False, True),
        ({"switch": ManualSwitch.CLOSED}, True, True),
        ({"switch": ManualSwitch.OPEN, "schedule": NEVER}, False, False),
    ],
)
def test_the_switch_comes_before_the_schedule(
    fields: dict[str, Any], is_vip: bool, is_closed: bool
) -> None:
    """By hand for everybody; by the schedule for all but VIPs (ambiguity 3)."""
    refused = go(number("group:support", **fields), is_vip=is_vip).step
    told = go(number("group:support", closed=target("message:closed"), **fields), is_vip=is_vip)

    assert (refused == end("closed", REFUSED)) is is_closed
    assert isinstance(told.step, Say if is_closed else Ring)


def test_after_the_closed_message_the_call_ends_as_closed() -> None:
    """The reason is what led to the message; of a message that the number is for, its own."""
    closed = number("group:support", schedule=NEVER, closed=target("message:closed"))

    assert go(closed, Said()).step == end("closed", REFUSED)
    assert go(number("message:closed"), Said()).step == end("message", REFUSED)


def test_a_message_leads_on() -> None:
    """After it comes its `then`."""
    leading = Message("moved", "tenants/acme/moved", then=target("voicemail:box"))

    assert go(did("message:moved", leading, BOX), Said()).step == TakeMessage(BOX)


def test_a_group_is_rung_with_its_own_ringback_or_the_numbers() -> None:
    """A14, A15: the group's comes first; simultaneous lines are rung at once."""
    own = group("own", line("a"), ringback="tenants/acme/own", strategy=Strategy.SIMULTANEOUS)
    numbers = {"ringback": "callctl/ringback-demo"}

    step = go(did("group:own", own, **numbers)).step
    assert isinstance(step, Ring)
    assert (step.ringback, step.is_at_once) == ("tenants/acme/own", True)
    step = go(number("group:support", **numbers)).step
    assert isinstance(step, Ring)
    assert (step.ringback, step.is_at_once) == ("callctl/ringback-demo", False)


@pytest.mark.parametrize(
    ("cause", "shown"),
    [
        (17, HangupCause.BUSY),
        (None, HangupCause.CONGESTION),
        (99, HangupCause.NO_ANSWER),
    ],
)
def test_when_no_line_takes_the_call_it_ends_with_the_last_cause(
    cause: int | None, shown: HangupCause
) -> None:
    """What the last line said; congestion when none was rung."""
    assert go(number("group:support"), NoLine(cause)).step == end("no_line", shown)


def test_when_no_line_takes_the_call_it_goes_otherwise() -> None:
    """To the group's `otherwise`, and a message there ends it with what the line said."""
    one = group("support", line("a"), otherwise=target("message:closed"))

    said = go(did("group:support", one, CLOSED), NoLine(17))
    assert said.step == Say(CLOSED)
    assert go(did("group:support", one, CLOSED), NoLine(17), Said()).step == end(
        "no_line", HangupCause.BUSY
    )


@pytest.mark.parametrize("members", [(), (line("a", is_on=False),), (line("a", "110000"),)])
def test_a_group_that_cannot_be_rung_is_passed_at_once(members: tuple[Line, ...]) -> None:
    """Without lines, with lines that are off or for others: otherwise, or the end."""
    lost, kept = group("g", *members), group("g", *members, otherwise=target("voicemail:box"))

    assert go(did("group:g", lost)).step == end("no_line", HangupCause.CONGESTION)
    assert go(did("group:g", kept, BOX)).step == TakeMessage(BOX)


def test_a_queue_takes_who_finds_all_lines_busy() -> None:
    """Busy lines: wait; a free line: ring; a free line but others wait: wait behind them."""
    waits = go(number("group:waiting"), lines=BUSY).step
    assert waits == Wait(WAITING, False, "all lines are busy")
    assert isinstance(go(number("group:waiting")).step, Ring)
    behind = go(number("group:waiting"), is_vip=True, queues={"waiting": QueueState(1, 40)}).step
    assert behind == Wait(WAITING, True, "1 are waiting")


def test_a_queue_takes_who_was_not_answered() -> None:
    """After the lines were rung in vain the caller waits."""
    step = go(number("group:waiting"), NoLine(19)).step

    assert step == Wait(WAITING, False, "no line took the call (cause 19)")


def test_nobody_waits_for_lines_that_never_come() -> None:
    """When all lines are off or closed the queue is passed, before ringing and after."""
    lines = (line("w1", is_on=False), line("w2", schedule=NEVER))
    one = group("waiting", *lines, queue=QUEUE, otherwise=target("message:closed"))

    assert go(did("group:waiting", one, CLOSED, BOX)).step == Say(CLOSED)


def test_a_full_queue_is_passed_without_an_answer() -> None:
    """Who would be the third of two goes where the overflow leads, or ends."""
    full: dict[str, Any] = {"lines": BUSY, "queues": {"waiting": QueueState(2, 80)}}
    alone = group("waiting", line("w1"), queue=Queue(2, 300, "callctl/hold", None))

    assert go(number("group:waiting"), **full).step == TakeMessage(BOX)
    assert go(did("group:waiting", alone), **full).step == end("overflowed", HangupCause.CONGESTION)


def test_what_follows_a_wait() -> None:
    """Overflow, a key that leads out, one to a callback with the place kept, one to nothing."""
    one = number("group:waiting")
    busy: dict[str, Any] = {"lines": BUSY}

    assert go(one, Overflowed("too long"), **busy).step == TakeMessage(BOX)
    assert go(one, LeftQueue("1"), **busy).step == TakeMessage(BOX)
    assert go(one, LeftQueue("2"), **busy).step == PromiseCallback(WAITING)
    assert go(one, LeftQueue("7"), **busy).step == Wait(WAITING, False, "key 7 leads nowhere")


@pytest.mark.parametrize(("caller", "callback"), [("", {}), ("13901710001", {"callback": None})])
def test_a_promise_that_cannot_be_kept_is_not_made(caller: str, callback: dict[str, Any]) -> None:
    """Unknown caller, or no callback: who waited goes on waiting, another call ends."""
    waiting, other = number("group:waiting", **callback), number("callback", **callback)

    stays = go(waiting, LeftQueue("2"), lines=BUSY, caller=caller).step
    assert stays == Wait(WAITING, False, "the caller cannot be called back")
    assert go(other, caller=caller).step == end("no_callback", HangupCause.NORMAL)


@pytest.mark.parametrize(
    ("keys", "step"),
    [
        ("1", Ring),
        ("2", Say),  # closed: its message
        ("3", Ask),
        ("5", Ring),
        ("*", Ask),
        ("#", End),
        ("12", Ring),  # no extension is dialled here: the first digit is the key
    ],
)
def test_a_key_leads_where_the_menu_says(keys: str, step: type[Step]) -> None:
    """Keys by digit, * or #; in the hours of its schedule, else where `closed` leads."""
    assert type(go(number("menu:main"), Pressed(keys)).step) is step


def test_a_menu_leads_to_another_and_back() -> None:
    """Each menu counts its own tries."""
    step = go(number("menu:main"), Pressed("0"), NoKey(), Pressed("3"), Pressed("0")).step
    assert step == Ask(SECOND, is_wrong=True)

    ring = go(number("menu:main"), Pressed("3"), Pressed("9")).step
    assert isinstance(ring, Ring)
    assert [attempt.line.name for attempt in ring.attempts] == ["outside"]


@pytest.mark.parametrize(
    ("outcomes", "step"),
    [
        ((NoKey(),), Ask(MAIN)),
        ((Pressed("0"),), Ask(MAIN, is_wrong=True)),
        ((Pressed("4"),), Ask(MAIN, is_wrong=True)),  # closed, and leads nowhere then
        ((Pressed("0"), NoKey()), Ask(MAIN)),
        ((Pressed("0"), NoKey(), Pressed("0")), TakeMessage(BOX)),
        ((Pressed("0"), Pressed("0"), NoKey()), None),
    ],
)
def test_a_menu_is_asked_again_until_the_tries_are_over(
    outcomes: tuple[Outcome, ...], step: Step | None
) -> None:
    """Three rounds in all; the last one says whether the way is `no_key` or `wrong_key`."""
    found = go(number("menu:main"), *outcomes).step

    assert found == step if step else isinstance(found, Ring)


def test_without_a_way_out_a_menu_ends_the_call() -> None:
    """After the last round, for the reason of the last round."""
    one = number("menu:second")

    assert go(one, NoKey(), NoKey()).step == end("no_key", HangupCause.NORMAL)
    assert go(one, NoKey(), Pressed("1")).step == end("wrong_key", HangupCause.NORMAL)


def dialling(keys: dict[str, str], *extensions: str) -> Did:
    """A number with a menu in which these extensions can be dialled."""
    menu = Menu("m", "p", {key: MenuKey(target(to)) for key, to in keys.items()}, True)
    groups = [group(f"g{one}", line(f"l{one}"), extension=one) for one in extensions]
    return did("menu:m", menu, *groups, BOX, CLOSED)


@pytest.mark.parametrize(
    ("digits", "reached"),
    [
        ("8", "voicemail"),  # the key
        ("8001", "ring l8001"),
        ("8001#", "ring l8001"),
        ("80", "ask"),  # an extension that was not finished
        ("8002", "ask"),  # one that was mistyped
        ("1", "say"),
        ("11", "say"),  # pressed twice by who was impatient: no extension begins with 1
        ("0", "ask"),
        ("#", "ask"),
        ("5", "ring l5"),  # an extension of one digit
        ("7", "say"),  # a key and an extension alike: the key
    ],
)
def test_keys_and_extensions_that_begin_alike(digits: str, reached: str) -> None:
    """A18: who dials an extension reaches it, who presses a key reaches that."""
    keys = {"8": "voicemail:box", "1": "message:closed", "7": "message:closed"}
    last = go(dialling(keys, "8001", "5", "7"), Pressed(digits)).trace[-1]

    assert reached in {last.rule, f"{last.rule} {last.why}"}


@pytest.mark.parametrize(("extensions", "digits_max"), [((), 1), (("5",), 1), (("5", "8001"), 4)])
def test_as_many_digits_as_the_longest_extension_has(
    extensions: tuple[str, ...], digits_max: int
) -> None:
    """One where none can be dialled; each time that the menu is asked."""
    one = dialling({"1": "refuse"}, *extensions)

    for outcomes in ((), (NoKey(),)):
        step = go(one, *outcomes).step
        assert isinstance(step, Ask)
        assert step.digits_max == digits_max


def circle(length: int) -> Did:
    """A number whose messages lead to each other, in a circle of that length."""
    messages = [
        Message(f"m{n}", "p", then=target(f"message:m{(n + 1) % length}")) for n in range(length)
    ]
    return did("message:m0", *messages)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_who_is_sent_round_in_circles_is_ended(length: int) -> None:
    """After HOPS_MAX targets, one after the other."""
    one = circle(length)

    assert isinstance(go(one, *[Said()] * (HOPS_MAX - 1)).step, Say)
    assert go(one, *[Said()] * HOPS_MAX).step == end("loop", HangupCause.NO_ROUTE)


def test_groups_that_lead_to_each_other_are_left() -> None:
    """A circle in which nobody can be rung ends within one decision."""

    def off(name: str, otherwise: str) -> Group:
        return group(name, line(name, is_on=False), otherwise=target(otherwise))

    one = did("group:a", off("a", "group:b"), off("b", "group:a"))
    assert go(one).step == end("loop", HangupCause.NO_ROUTE)


@pytest.mark.parametrize(
    "outcome", [NoLine(), Overflowed(""), LeftQueue("1"), Pressed("1"), NoKey(), Said()]
)
def test_an_outcome_that_does_not_belong_ends_the_call(outcome: Outcome) -> None:
    """After a step that ends the call nothing follows; nothing is raised, before `begin` too."""
    assert go(number("refuse"), outcome).step == end("out_of_step", HangupCause.TEMPORARY_FAILURE)
    early = Journey(is_vip=False).after(outcome, facts(number("refuse")))
    assert isinstance(early.step, End)
