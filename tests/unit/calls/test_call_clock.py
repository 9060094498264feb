"""A call's own clock: it is Asterisk's, but for its steps, in a later run of the switch, too."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from callctl import clock
from callctl.ari.asterisk_clock import AsteriskClock
from callctl.calls import CallClock

WALL = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


class Machine:
    """A machine's clocks: one may be stepped, the other begins anew with a boot."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic, self.boot = WALL, 500.0, "first"
        monkeypatch.setattr(clock, "now", lambda: self.wall)
        monkeypatch.setattr(clock, "monotonic", lambda: self.monotonic)
        monkeypatch.setattr(clock, "boot", lambda: self.boot)

    def go(self, seconds: float, *, step: float = 0.0) -> None:
        self.monotonic += seconds
        self.wall += timedelta(seconds=seconds + step)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose clocks are right."""
    return Machine(monkeypatch)


def _stored(row: dict[str, Any]) -> Any:
    return json.loads(orjson.dumps(row))


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_what_happens_after_a_step_is_as_long_after_the_begin_as_it_was(
    machine: Machine, step: float
) -> None:
    """Asterisk's stamp, less the step; a call that begins after it has it from its begin."""
    asterisk = AsteriskClock()
    asterisk.hear(WALL)
    before = CallClock.since(WALL, asterisk)
    machine.go(10, step=step)
    asterisk.hear(machine.wall)
    moment = before.moment(machine.wall, asterisk)
    assert moment.at == WALL + timedelta(seconds=10) == before.now()
    assert moment.monotonic == pytest.approx(510.0)

    after = CallClock.since(machine.wall, asterisk)
    assert after.now() == machine.wall
    assert after.stepped_since(asterisk) == 0.0


def test_without_a_step_asterisks_stamps_are_kept_to_the_millisecond(machine: Machine) -> None:
    """An event is older than its coming; its stamp is its time."""
    asterisk = AsteriskClock()
    began = CallClock.since(WALL, asterisk)
    machine.go(10)
    at = WALL + timedelta(seconds=9.123)
    asterisk.hear(at)
    moment = began.moment(at, asterisk)
    assert moment.at == at
    assert moment.monotonic == pytest.approx(509.123)


@pytest.mark.parametrize("step", [0.0, 3600.0, -3600.0])
def test_a_later_run_has_the_same_clock(machine: Machine, step: float) -> None:
    """Whatever was done to the wall clock before or between the runs, on one boot."""
    row = _stored(CallClock.since(WALL, AsteriskClock()).remembered())
    machine.go(30, step=step)
    asterisk = AsteriskClock()  # the next run's
    recalled = CallClock.recalled(row, asterisk)
    assert recalled.now() == WALL + timedelta(seconds=30)
    machine.go(5)
    moment = recalled.moment(machine.wall, asterisk)
    assert moment.at == WALL + timedelta(seconds=35)


def test_after_another_boot_the_wall_clock_has_to_do(machine: Machine) -> None:
    """clock.monotonic() of another boot means nothing."""
    row = _stored(CallClock.since(WALL, AsteriskClock()).remembered())
    machine.go(30)
    machine.monotonic, machine.boot = 7.0, "second"
    recalled = CallClock.recalled(row, AsteriskClock())
    assert recalled.now() == machine.wall


def test_nothing_has_happened_later_than_now(machine: Machine) -> None:
    """A stamp of the next moment, of a clock that is a little ahead, gives nobody free time."""
    began = CallClock.since(WALL, AsteriskClock())
    machine.go(10)
    assert began.monotonic_of(WALL + timedelta(seconds=11)) == 510.0
    assert began.monotonic_of(WALL + timedelta(seconds=9)) == pytest.approx(509.0)
