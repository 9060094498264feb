"""How this switch is at this moment; filled in by app.switch, read by metrics, health, watchdog."""

from dataclasses import dataclass, field

from callctl import clock
from callctl.app.services import Services
from callctl.ari.client import AriClient
from callctl.db.lease import Lease, Owner
from callctl.exchange import Canary, Exchange

_TURN_SECONDS = 0.25
_WINDOW_SECONDS = 15.0  # of which the worst is told


@dataclass(slots=True)
class LoopLag:
    """How much later than wanted the event loop came to a task: the worst of the last time."""

    _worst: float = 0.0
    _worst_before: float = 0.0
    _began_at: float = field(default_factory=clock.monotonic)

    @property
    def seconds(self) -> float:
        """The worst of the last 15 to 30 s."""
        return max(self._worst, self._worst_before)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            began = clock.monotonic()
            await clock.sleep(_TURN_SECONDS)
            now = clock.monotonic()
            if now - self._began_at > _WINDOW_SECONDS:
                self._worst_before, self._worst, self._began_at = self._worst, 0.0, now
            self._worst = max(self._worst, now - began - _TURN_SECONDS)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a switch that owns its Asterisk works with."""

    owner: Owner
    services: Services
    ari: AriClient
    canary: Canary
    exchange: Exchange


@dataclass(slots=True)
class Condition:
    """`parts` is None while it stands by, and while it starts."""

    lease: Lease
    loop_lag: LoopLag = field(default_factory=LoopLag)
    parts: Parts | None = None

    def ills(self) -> list[str]:
        """Why calls do not go through this switch, in words; none: it is ready for them."""
        if self.parts is None:
            found = ["standing by"]
        else:
            ari, canary = self.parts.ari, self.parts.canary
            found = ["draining"] if self.parts.exchange.is_draining else []
            if not ari.is_connected:
                found.append("Asterisk is not connected")
            elif not canary.is_fresh:
                found.append("Asterisk's events do not arrive")
        if not self.lease.is_answered():
            found.append("PostgreSQL does not answer")
        elif not self.is_database_up:
            found.append("PostgreSQL takes no writes")
        return found

    @property
    def is_database_up(self) -> bool:
        """Whether new calls can have money: PostgreSQL answers, and its disk is not full."""
        up = self.lease.is_answered
        return up() if self.parts is None else self.parts.services.desk.is_database_up()

    def is_of_use(self, seconds: float) -> bool:
        """Whether within `seconds` an event has come through, or Asterisk has turned us away.

        Neither says that this process is deaf, and that connecting again has not cured it. What
        is away, Asterisk or PostgreSQL, does not come back by starting callctl again; and calls
        that talk ride through.
        """
        if self.parts is None:
            return True
        sign_at = max(self.parts.canary.heard_at, self.parts.ari.turned_away_at)
        return clock.monotonic() - sign_at < seconds
