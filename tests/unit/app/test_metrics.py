"""What the metrics count of calls that ended, how many labels there can be, what it costs."""

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from callctl import clock
from callctl.app.condition import Condition, LoopLag, Parts
from callctl.app.metrics import Metrics
from callctl.cdr import Cdr, CdrLeg

AT = datetime(2026, 10, 1, 9, 0, tzinfo=UTC)
_COST_NANOSECONDS_MAX = 20_000  # measured: 2,000


def _leg(side: str, *, after: float = 0.0, answered: float | None = None) -> CdrLeg:
    at = AT + timedelta(seconds=after)
    answered_at = None if answered is None else AT + timedelta(seconds=answered)
    return CdrLeg(
        *(uuid.uuid4(), uuid.uuid4(), side, None, "", "c", "", "answered", 16, at, answered_at),
        *(AT + timedelta(seconds=60), 0.0, 0.0),
    )


def _cdr(*legs: CdrLeg, disposition: str = "answered", ended_by: str = "caller") -> Cdr:
    return Cdr(
        call_id=uuid.uuid4(),
        did="4001234567",
        tenant="acme",
        caller="+8613800138000",
        area_code="",
        area="",
        line=None,
        disposition=disposition,
        hangup_cause=16,
        ended_by=ended_by,
        setup_at=AT,
        answered_at=None,
        ended_at=AT,
        ring_seconds=0.0,
        talk_seconds=0.0,
        cost_micros=0,
        currency=None,
        sip_call_id="",
        revision_id=None,
        trace=[],
        legs=list(legs),
    )


@pytest.fixture
def metrics() -> Metrics:
    """Those of a switch that stands by, with PostgreSQL there."""
    return Metrics(Condition(cast(Any, SimpleNamespace(is_answered=lambda: True))))


def _samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {tuple(sample.labels.values()): sample.value for sample in samples}


def test_set_up_is_from_invite_to_invite(metrics: Metrics) -> None:
    """Of a caller who heard a menu first, or whom nobody was called for, there is none."""
    metrics.call_ended(_cdr(_leg("a", answered=3), _leg("b", after=0.08, answered=3)))
    metrics.call_ended(_cdr(_leg("a", answered=0.1), _leg("b", after=9, answered=12)))
    metrics.call_ended(_cdr(_leg("a"), disposition="rejected", ended_by="blacklisted"))
    assert _samples(metrics, "callctl_setup_seconds_count") == {(): 1}
    assert _samples(metrics, "callctl_setup_seconds_sum") == {(): 0.08}


def test_refused_is_who_was_let_to_nobody(metrics: Metrics) -> None:
    """Not a caller who gave up, nor one for whom a line rang, nor one who was answered."""
    refused = _cdr(_leg("a"), disposition="failed", ended_by="database-unavailable")
    metrics.call_ended(refused)
    metrics.call_ended(replace(refused, ended_by="caller"))
    metrics.call_ended(_cdr(_leg("a"), _leg("b"), disposition="busy", ended_by="no_line"))
    metrics.call_ended(_cdr(_leg("a", answered=1), disposition="no_answer", ended_by="closed"))
    assert _samples(metrics, "callctl_calls_refused_total") == {("database-unavailable",): 1}


def test_labels_are_bounded(metrics: Metrics) -> None:
    """However many reasons there come to be, few of them become series."""
    for number in range(1000):
        metrics.call_ended(_cdr(_leg("a"), disposition="rejected", ended_by=f"reason_{number}"))
    ended = _samples(metrics, "callctl_calls_ended_total")
    assert len(ended) < 70
    assert sum(ended.values()) == 1000
    assert ended["rejected", "other"] > 900


def test_counting_a_call_costs_next_to_nothing(metrics: Metrics) -> None:
    """Some microseconds a call, at its end."""
    cdr = _cdr(_leg("a", answered=3), _leg("b", after=0.08, answered=3))
    metrics.call_ended(cdr)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter_ns()
        for _ in range(1000):
            metrics.call_ended(cdr)
        best = min(best, (time.perf_counter_ns() - began) / 1000)
    print(f"{best:.0f} ns a call")
    assert best < _COST_NANOSECONDS_MAX


def _condition(**parts: Any) -> Condition:
    lease: Any = SimpleNamespace(is_answered=lambda: parts.get("is_up", True))
    exchange = SimpleNamespace(is_draining=parts.get("is_draining", False))
    ari = SimpleNamespace(
        is_connected=parts.get("is_connected", True),
        turned_away_at=parts.get("turned_away_at", float("-inf")),
    )
    canary = SimpleNamespace(
        is_fresh=parts.get("is_fresh", True), heard_at=parts.get("heard_at", clock.monotonic())
    )
    takes_writes = parts.get("is_up", True) and parts.get("takes_writes", True)
    services = SimpleNamespace(desk=SimpleNamespace(is_database_up=lambda: takes_writes))
    owned: Any = SimpleNamespace(exchange=exchange, ari=ari, canary=canary, services=services)
    return Condition(lease, parts=cast(Parts, owned))


@pytest.mark.parametrize(
    ("parts", "ills"),
    [
        ({}, []),
        ({"is_draining": True}, ["draining"]),
        ({"is_connected": False, "is_fresh": False}, ["Asterisk is not connected"]),
        ({"is_fresh": False}, ["Asterisk's events do not arrive"]),
        ({"is_up": False}, ["PostgreSQL does not answer"]),
        ({"takes_writes": False}, ["PostgreSQL takes no writes"]),
        ({"is_up": False, "is_draining": True}, ["draining", "PostgreSQL does not answer"]),
    ],
)
def test_what_ails_is_said_in_words(parts: dict[str, Any], ills: list[str]) -> None:
    """Ready is who has no ill; PostgreSQL is one for an owner and for a standby."""
    assert _condition(**parts).ills() == ills


@pytest.mark.parametrize(
    ("parts", "is_of_use"),
    [
        ({}, True),
        ({"is_up": False}, True),
        ({"heard_at": 0.0}, False),
        ({"heard_at": 0.0, "is_connected": False}, False),
        ({"heard_at": 0.0, "turned_away_at": "now"}, True),
    ],
)
def test_of_use_is_who_hears_asterisk_or_is_turned_away(
    parts: dict[str, Any], is_of_use: bool
) -> None:
    """A deaf switch is not, connected or not; PostgreSQL has nothing to do with it."""
    now = clock.monotonic()
    moments = {
        name: now if value == "now" else now - 100 if name == "heard_at" else value
        for name, value in parts.items()
    }
    assert _condition(**moments).is_of_use(30) is is_of_use


async def test_loop_lag_is_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause shows, and is forgotten after the second window."""
    moments = iter([0.0, 0.25, 0.25, 1.5, 1.5, 1.75, 17.0, 17.25, 17.25, 33.0, 33.0, 50.0])
    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now = next(moments)
        return now

    seen: list[tuple[float, float]] = []
    lag = LoopLag(_began_at=0.0)

    async def sleep(_seconds: float) -> None:
        seen.append((now, lag.seconds))

    monkeypatch.setattr(clock, "monotonic", monotonic)
    monkeypatch.setattr(clock, "sleep", sleep)
    with pytest.raises((StopIteration, RuntimeError)):
        await lag.run()
    assert dict(seen) == {0.0: 0.0, 0.25: 0.0, 1.5: 1.0, 17.0: 1.0, 17.25: 1.0, 33.0: 15.5}
