"""What Asterisk's timers are set to while nobody talks yet; Asterisk is one in memory."""

import asyncio
import uuid
from urllib.parse import parse_qs, urlsplit

import pytest

from callctl.ari.transport import Answer
from callctl.calls import Call, CallerToRing, Leg, LineToRing, ring_caller, timers
from callctl.calls.timers import FIRST_SECONDS
from callctl.values.ids import channel_id
from tests.unit.asterisk_double import CALLER, AsteriskDouble, call_through, until

POOR_SECONDS = 3.0
LIMIT = ("TIMEOUT", POOR_SECONDS + timers._BEYOND_SECONDS)


class Timed(AsteriskDouble):
    """Notes what is done to each channel: its timers, and that it is rung or joined."""

    def __init__(self) -> None:
        super().__init__()
        self.done: dict[str, list[object]] = {}

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """See Transport."""
        query = parse_qs(urlsplit(target).query)
        *_, name, verb = urlsplit(target).path.split("/")
        if verb == "variable" and method == "POST":
            assert query["variable"] == ["TIMEOUT(absolute)"]
            self._note(name, ("TIMEOUT", float(query["value"][0])))
        elif verb in {"dial", "answer"}:
            self._note(name, verb)
        elif verb == "addChannel":
            for channel in query["channel"][0].split(","):
                self._note(channel, "joined")
        return await super().request(method, target, body)

    def _note(self, channel: str, what: object) -> None:
        self.done.setdefault(channel, []).append(what)


@pytest.fixture
def asterisk(monkeypatch: pytest.MonkeyPatch) -> Timed:
    """An Asterisk whose legs' timers are set anew soon."""
    monkeypatch.setattr(timers, "_NAP_SECONDS_MIN", 0.02)
    return Timed()


@pytest.fixture
def call(asterisk: Timed) -> Call:
    """A caller's call."""
    return call_through(asterisk)


def _line(confirm_key: str | None = None, *, has_ringback: bool = False) -> LineToRing:
    line_id = uuid.uuid4()
    return LineToRing(line_id, "a", "01062000401", "PJSIP/1@carrier", 20, has_ringback, confirm_key)


async def test_while_enough_is_paid_nothing_is_set(asterisk: Timed, call: Call) -> None:
    """The timers from their birth end the legs before what is paid does."""
    call.paid_seconds = lambda: FIRST_SECONDS
    line = _line()
    dialled = asyncio.create_task(call.dial(line))
    channel = channel_id(line.leg_id)
    await until(lambda: "dial" in asterisk.done.get(channel, []))
    asterisk.answer(channel)
    await dialled
    assert asterisk.done == {CALLER: ["joined"], channel: ["joined", "dial"]}


async def test_who_may_be_answered_has_no_more_than_is_paid(asterisk: Timed, call: Call) -> None:
    """From before it rings, again and again; a caller who was not answered has his time back."""
    seconds = POOR_SECONDS
    call.paid_seconds = lambda: seconds
    line = _line()
    dialled = asyncio.create_task(call.dial(line))
    channel = channel_id(line.leg_id)
    await until(lambda: "dial" in asterisk.done.get(channel, []))
    assert asterisk.done == {CALLER: ["joined", LIMIT], channel: ["joined", LIMIT, "dial"]}
    seconds = 0.0
    call.wake()
    await until(lambda: len(asterisk.done[channel]) > 5)
    asterisk.end(channel, cause=17)
    await dialled
    assert set(asterisk.done[channel][3:]) == {("TIMEOUT", 1.0)}
    assert asterisk.done[CALLER][-1] == ("TIMEOUT", FIRST_SECONDS)


@pytest.mark.parametrize("confirm_key", ["1", None])
async def test_who_is_joined_by_us_is_limited_first(
    asterisk: Timed, call: Call, confirm_key: str | None
) -> None:
    """One who is asked to confirm has time for that; then both have what is paid."""
    call.paid_seconds = lambda: POOR_SECONDS
    line = _line(confirm_key, has_ringback=True)
    channel = channel_id(line.leg_id)
    dialled = asyncio.create_task(call.dial(line))
    await until(lambda: "dial" in asterisk.done.get(channel, []))
    rung = ["dial"] if confirm_key else [LIMIT, "dial"]
    assert asterisk.done[channel] == rung
    asterisk.answer(channel)
    if confirm_key:
        await until(lambda: call.legs[1].answered_at is not None)
        call.legs[1].digits.append(confirm_key)
        call.wake()
    await call.connect(await dialled)
    assert asterisk.done[channel] == [*rung, LIMIT, "joined"]
    assert asterisk.done[CALLER][-3:] == [LIMIT, "answer", "joined"]


async def test_a_caller_who_is_called_back_is_limited(asterisk: Timed, call: Call) -> None:
    """He is charged from his answer on, whoever sees it."""
    call.paid_seconds = lambda: POOR_SECONDS
    call.is_callback = True
    line = Leg(uuid.uuid4(), "l1", "b", "", "a", call.clock.now(), is_taken=True)
    call.legs.append(line)
    asterisk.channels["l1"] = "Up"
    ringing = asyncio.create_task(ring_caller(call, line, CallerToRing("PJSIP/1@carrier", 20)))
    await until(lambda: "dial" in asterisk.done.get(CALLER, []))
    assert asterisk.done[CALLER] == ["joined", LIMIT, "dial"]
    asterisk.answer(CALLER)
    await ringing
