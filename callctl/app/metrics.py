"""What the switch tells Prometheus; made by app.switch, served by app.report.

Calls only add to counters when they end. Everything else is looked up when it is asked for; what
only PostgreSQL knows is read now and then.
"""

from collections.abc import Iterator
from datetime import datetime

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client import disable_created_metrics as _without_created
from prometheus_client.core import CounterMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.registry import Collector

from callctl import clock
from callctl.app.condition import Condition, Parts
from callctl.cdr import Cdr, Direction, Stage
from callctl.db.pool import Database
from callctl.db.queries import queries
from callctl.errors import DatabaseError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NOT_OURS = frozenset({"caller", "shutdown", "operator", "recovery"})
_READ_SECONDS = 15.0
_REASONS_MAX = 64  # how many values of ended_by and reason; more are "other"
_QUEUES_MAX = 100  # the longest
_SET_UP_SECONDS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
_log = structlog.get_logger()
_without_created()  # type: ignore[no-untyped-call]


class Metrics:
    """The registry of one process."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        self._registry = CollectorRegistry()
        ended, refused = "Calls that ended", "Calls neither answered nor sent to a line, by callctl"
        self._ended = Counter(
            *("callctl_calls_ended", ended, ("disposition", "ended_by")), registry=self._registry
        )
        self._refused = Counter(
            *("callctl_calls_refused", refused, ("reason",)), registry=self._registry
        )
        self._set_up = Histogram(
            "callctl_setup_seconds",
            "From the caller's INVITE to the first line's, of calls not answered before",
            buckets=_SET_UP_SECONDS,
            registry=self._registry,
        )
        self._reasons: set[str] = set()
        self._children: dict[tuple[str, str], Counter] = {}  # labels() costs as much as all else
        self.stored = Stored()
        self._registry.register(_Moment(condition, self.stored))
        ProcessCollector(registry=self._registry)

    def call_ended(self, cdr: Cdr) -> None:
        """Count a call that has ended."""
        key = (cdr.disposition, cdr.ended_by)
        child = self._children.get(key)
        if child is None:
            reason = self._bounded(cdr.ended_by)
            child = self._ended.labels(disposition=cdr.disposition, ended_by=reason)
            if reason == cdr.ended_by:
                self._children[key] = child
        child.inc()
        if _is_refused(cdr):
            self._refused.labels(reason=self._bounded(cdr.ended_by)).inc()
        if cdr.direction == Direction.INBOUND and len(cdr.legs) > 1:
            caller, line = cdr.legs[0], cdr.legs[1]
            if caller.answered_at is None or caller.answered_at >= line.setup_at:
                seconds = (line.setup_at - caller.setup_at).total_seconds()
                self._set_up.observe(max(0.0, seconds))

    def exposition(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)

    def _bounded(self, reason: str) -> str:
        """The reason itself, as long as they are not too many."""
        if reason in self._reasons:
            return reason
        if len(self._reasons) >= _REASONS_MAX:
            return "other"
        self._reasons.add(reason)
        return reason


class Stored:
    """What PostgreSQL alone knows, as last read; None and empty while it is away."""

    def __init__(self) -> None:
        self.open_reservations: int | None = None
        self.mails_waiting: int | None = None
        self.audit: list[tuple[str, datetime, int]] = []  # proof, when, findings

    async def keep(self, database: Database) -> None:
        """Read it each 15 s until cancelled."""
        while True:
            try:
                counts = await queries.count_for_metrics(database)
                rows = await queries.read_audit_results(database)
            except DatabaseError as error:
                _log.debug("metrics_not_read", error=str(error))
                self.open_reservations = self.mails_waiting = None
                self.audit = []
            else:
                self.open_reservations = counts["open_reservations"]
                self.mails_waiting = counts["mails_waiting"]
                self.audit = [(row["proof"], row["at"], row["findings"]) for row in rows]
            await clock.sleep(_READ_SECONDS)


class _Moment(Collector):
    """Looks everything up that is so at the moment of the scrape."""

    def __init__(self, condition: Condition, stored: Stored) -> None:
        self._condition = condition
        self._stored = stored

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not look before the process is ready to be looked at."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        condition, parts = self._condition, self._condition.parts
        is_ready, is_up = not condition.ills(), condition.is_database_up
        yield _one("callctl_ready", "1: calls go through this switch", is_ready)
        yield _one("callctl_owner", "1: this switch owns its Asterisk, 0: stands by", bool(parts))
        yield _one("callctl_database_up", "1: PostgreSQL answers and takes writes", is_up)
        lag = condition.loop_lag.seconds
        yield _one("callctl_loop_lag_seconds", "The loop's worst lag of the last 15 to 30 s", lag)
        yield from _stored(self._stored)
        if parts is not None:
            yield from _asterisk(parts)
            yield from _calls(parts)
            yield from _batches(parts)


def _is_refused(cdr: Cdr) -> bool:
    """Whether callctl ended it before an answer, and before a line rang."""
    is_short = len(cdr.legs) == 1 and cdr.legs[0].answered_at is None
    return is_short and cdr.ended_by not in _NOT_OURS


def _asterisk(parts: Parts) -> Iterator[Metric]:
    ari, canary = parts.ari, parts.canary
    age = clock.monotonic() - canary.heard_at
    yield _one("callctl_lease_epoch", "How often this Asterisk's owner changed", parts.owner.epoch)
    yield _one("callctl_ari_connected", "1: Asterisk's events are read", ari.is_connected)
    yield _one("callctl_event_lag_seconds", "The canary's last way round", canary.lag_seconds)
    yield _one("callctl_canary_age_seconds", "Since the canary last came back", age)
    yield CounterMetricFamily(
        "callctl_ari_reconnects",
        "Connections to Asterisk after the first",
        value=max(0, ari.connection_count - 1),
    )


def _calls(parts: Parts) -> Iterator[Metric]:
    exchange, desk = parts.exchange, parts.services.desk
    stages = exchange.stages()
    live = Gauge("callctl_calls_live", "Calls of this moment", labels=["stage"])
    for stage in Stage:
        live.add_metric([stage], stages[stage])
    yield live
    yield CounterMetricFamily(
        "callctl_calls_adopted", "Calls taken up from an earlier run", value=exchange.adopted_count
    )
    draining = exchange.is_draining
    yield _one("callctl_draining", "1: no more calls are taken", draining)
    waiting = Gauge("callctl_queue_waiting", "Callers in a queue", labels=["tenant", "group"])
    lengths = sorted(desk.queues.lengths().items(), key=lambda one: one[1], reverse=True)
    for (tenant, group), length in lengths[:_QUEUES_MAX]:
        waiting.add_metric([tenant, group], length)
    yield waiting
    resting = desk.lines.resting_count(clock.now())
    yield _one("callctl_lines_resting", "Lines that rest because they failed", resting)


def _batches(parts: Parts) -> Iterator[Metric]:
    desk = parts.services.desk
    loads = {"teller": desk.teller.load, "journal": desk.journal.load}
    waiting = Gauge("callctl_batch_waiting", "Requests that wait to be written", labels=["batcher"])
    flushes = SummaryMetricFamily(
        "callctl_flush_seconds", "Commits, and how long they took", labels=["batcher"]
    )
    for name, load in loads.items():
        waiting.add_metric([name], load.waiting)
        flushes.add_metric([name], load.flush_count, load.flush_seconds)
    yield waiting
    yield flushes
    spool = parts.services.spool
    yield _one("callctl_cdrs_waiting", "CDRs in the file of this switch", spool.waiting_count)
    yield CounterMetricFamily(
        "callctl_cdrs_lost", "CDRs that are in the log and nowhere else", value=spool.lost_count
    )


def _stored(stored: Stored) -> Iterator[Metric]:
    if stored.open_reservations is not None and stored.mails_waiting is not None:
        told = "Reservations that hold money, of all switches"
        yield _one("callctl_reservations_open", told, stored.open_reservations)
        yield _one("callctl_mails_waiting", "Mails in the outbox", stored.mails_waiting)
    findings = Gauge("callctl_audit_findings", "What broke a proof last time", labels=["proof"])
    at = Gauge("callctl_audit_timestamp_seconds", "When that was", labels=["proof"])
    for proof, when, count in stored.audit:
        findings.add_metric([proof], count)
        at.add_metric([proof], when.timestamp())
    yield findings
    yield at


def _one(name: str, help_text: str, value: float) -> Gauge:
    return Gauge(name, help_text, value=float(value))
