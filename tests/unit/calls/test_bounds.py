"""How long a call waits at most for lines, and what it sends or remembers at most."""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from callctl.ari.models import ChannelDtmfReceived
from callctl.ari.transport import Answer
from callctl.calls import Call, Leg, LineToRing, asking, dialling, releasing, timers
from callctl.calls import leg as leg_module
from callctl.errors import HungUp
from callctl.exchange.reconciling import Inquiry
from callctl.values.hangup import Disposition
from callctl.values.ids import channel_id
from tests.unit.asterisk_double import CALLER, AsteriskDouble, call_through, until

_SOON = 0.05


class Asked(AsteriskDouble):
    """Notes what each command asks for; one that ends in `held` is not answered before `go_on`."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: dict[str, list[dict[str, list[str]]]] = {}  # by the address's last word
        self.held = ""
        self.go_on = asyncio.Event()

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """See Transport."""
        address = urlsplit(target)
        asked = self.queries.setdefault(address.path.rpartition("/")[2], [])
        asked.append(parse_qs(address.query))
        if self.held and address.path.endswith(self.held):
            await self.go_on.wait()
        return await super().request(method, target, body)

    def timers_of(self, count: int) -> list[float]:
        """The last so many timers that were set."""
        told = [one["value"][0] for one in self.queries["variable"] if "value" in one]
        return [float(value) for value in told[-count:]]


@pytest.fixture
def asterisk() -> Asked:
    """An Asterisk that does what it is told."""
    return Asked()


@pytest.fixture
def call(asterisk: Asked) -> Call:
    """A caller's call."""
    return call_through(asterisk)


def _line(**changes: Any) -> LineToRing:
    plain = LineToRing(uuid.uuid4(), "a", "01062000401", "PJSIP/1@carrier", 0, has_ringback=False)
    return replace(plain, **changes)


async def _answered(asterisk: Asked, call: Call, line: LineToRing) -> asyncio.Task[Leg]:
    """The line is rung, and answers."""
    dialled = asyncio.create_task(call.dial(line))
    await until(lambda: bool(asterisk.count(f"POST channels/{channel_id(line.leg_id)}/dial")))
    asterisk.answer(channel_id(line.leg_id))
    return dialled


async def test_a_line_that_does_not_answer_rings_no_longer(asterisk: Asked, call: Call) -> None:
    """Asterisk would end it a second after that, for a switch that has ended meanwhile."""
    async with asyncio.timeout(5):
        leg = await call.dial(_line())
    assert leg.disposition is Disposition.NO_ANSWER
    assert leg.channel_id not in asterisk.channels
    assert asterisk.queries["dial"][0]["timeout"] == ["1"]


async def test_a_line_that_rings_is_looked_at_now_and_then(
    asterisk: Asked, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that no event tells of costs paid time: it is not seen only after the ringing."""
    monkeypatch.setattr(asking, "_LOOK_SECONDS", _SOON)
    call.inquiry = Inquiry(call.ari, None)
    asterisk.deaf = {"ChannelStateChange"}
    dialled = await _answered(asterisk, call, _line(ring_seconds=60))
    async with asyncio.timeout(5):
        assert (await dialled).is_taken


async def test_who_is_not_told_to_the_end_is_joined(
    asterisk: Asked, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt for who answers that plays on and on is stopped: the caller waits for him."""
    monkeypatch.setattr(dialling, "TOLD_SECONDS_MAX", _SOON)
    dialled = await _answered(asterisk, call, _line(ring_seconds=5, told=("callctl/closed",)))
    async with asyncio.timeout(5):
        assert (await dialled).is_taken
    assert not asterisk.playing


async def test_a_key_that_is_not_pressed_is_not_waited_for(
    asterisk: Asked, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A voicemail presses none: it does not take the call."""
    monkeypatch.setattr(dialling, "CONFIRM_SECONDS_MAX", _SOON)
    dialled = await _answered(asterisk, call, _line(ring_seconds=5, confirm_key="1"))
    async with asyncio.timeout(5):
        assert (await dialled).disposition is Disposition.NO_ANSWER


async def test_lines_whose_commands_hang_are_not_waited_for(
    asterisk: Asked, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of lines that ring at once none takes the call, and it goes on to what comes next."""
    monkeypatch.setattr(dialling, "_COMMANDS_SECONDS_MAX", _SOON)
    asterisk.held = "create"
    async with asyncio.timeout(5):
        assert await call.dial_at_once([_line(), _line()]) is None
    asterisk.go_on.set()


async def test_an_attempt_that_hangs_does_not_keep_the_call_from_its_end(
    asterisk: Asked, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller goes while a line's leg is being made: his call ends, and nothing is rung."""
    monkeypatch.setattr(releasing, "_END_SECONDS_MAX", _SOON)
    monkeypatch.setattr(releasing, "_GOING_SECONDS_MAX", _SOON)
    asterisk.held = "create"
    dialled = asyncio.create_task(call.dial_at_once([_line()]))
    await until(lambda: "create" in asterisk.queries)
    asterisk.end(CALLER)
    with pytest.raises(HungUp):
        await dialled
    async with asyncio.timeout(5):
        await call.release()
    asterisk.go_on.set()
    await until(lambda: not call.dialling._attempts)
    assert "dial" not in asterisk.queries


async def test_no_digit_is_waited_for_longer(call: Call) -> None:
    """Not for the first one, and not for one that follows."""
    async with asyncio.timeout(5):
        assert not await call.read_digits(digits_max=2, first_seconds=0.01, between_seconds=60)
        call.a_leg.digits.append("1")
        digits = await call.read_digits(digits_max=2, first_seconds=60, between_seconds=0.01)
    assert digits == "1"


async def test_no_timer_is_longer_than_a_talk_may_be(asterisk: Asked, call: Call) -> None:
    """However much money there is, and however many lines there are to ring."""
    await call.wait_unanswered(1_000_000)
    assert asterisk.timers_of(1) == [14_400.0]
    assert call.a_leg.lifetime_seconds == 14_400.0
    await call.answer()
    await call.allow(1_000_000)
    assert asterisk.timers_of(1) == [14_400.0]


async def test_timers_are_set_again_no_faster(
    asterisk: Asked, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that rings when all is spent does not flood Asterisk with commands."""
    monkeypatch.setattr(timers, "_NAP_SECONDS_MIN", 60.0)
    call.paid_seconds = lambda: 0.0
    dialled = await _answered(asterisk, call, _line(ring_seconds=5))
    await dialled
    assert asterisk.timers_of(100) == [1.0, 1.0, timers.FIRST_SECONDS], "each once, and his own"


def test_few_digits_are_remembered_after_they_were_read() -> None:
    """Whatever a flood of them tells again, no leg grows with it."""
    setup = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
    leg = Leg(uuid.uuid4(), "l1", "b", "", None, setup)
    for number in range(100):
        at = setup + timedelta(milliseconds=number)
        fields: dict[str, Any] = {"digit": "1", "duration_ms": 100, "timestamp": at}
        leg.take(ChannelDtmfReceived.model_construct(**fields))
        leg.digits.clear()
    assert len(leg._latest_digits) == leg_module._LATEST_MAX
