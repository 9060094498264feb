"""The client of one Asterisk; made by app, used by calls, exchange and the doctor.

Its groups of commands (`channels`, `bridges`, ...) work whether or not `run` runs; `run` reads the
events of the Stasis application `app`.
"""

from dataclasses import replace
from types import TracebackType
from typing import Self

from callctl import clock
from callctl.ari import names
from callctl.ari.asterisk_clock import AsteriskClock
from callctl.ari.bridges import Bridges, Playbacks, Recordings
from callctl.ari.channels import Channels
from callctl.ari.keep_alive import (
    PULSE_CONNECTIONS_MAX,
    URGENT_CONNECTIONS_MAX,
    KeepAliveTransport,
)
from callctl.ari.models import Event
from callctl.ari.reader import WANTED_EVENTS, Connected, EventReader, OnConnected, OnEvent, OnLost
from callctl.ari.system import Applications, AsteriskSystem, Dialplan, Events
from callctl.ari.transport import AriSettings, Transport

__all__ = ["WANTED_EVENTS", "AriClient", "AriSettings", "Connected"]

_PULSE_SECONDS_MAX = 120.0  # the answer to an event of our own shows that Asterisk is back


def _ignore(_event: Event) -> None:
    """For a client that only sends commands."""


class AriClient:
    """Commands to one Asterisk, and the one reader of its events; close it, or use `async with`.

    `on_event` is called with each event whose type is in `wanted_events`, in order, and must
    return at once; what it raises is logged. `on_connected` is called after each connect, before
    that connection's first event; if it is a coroutine function it runs beside the reader.
    `on_lost` gets the reason, in words.
    """

    def __init__(
        self,
        settings: AriSettings,
        *,
        app: str = "callctl",
        on_event: OnEvent = _ignore,
        on_connected: OnConnected | None = None,
        on_lost: OnLost | None = None,
        wanted_events: frozenset[str] = WANTED_EVENTS,
        transport: Transport | None = None,
    ) -> None:
        self.app = names.app(app)
        self.clock = AsteriskClock()  # whoever gets the events keeps it
        self._transport = transport or KeepAliveTransport(settings)
        self._urgent = transport or KeepAliveTransport(
            settings, connections_max=URGENT_CONNECTIONS_MAX
        )
        # It waits behind no command, and is answered as an Asterisk that stood still wakes.
        patient = replace(settings, command_seconds=_PULSE_SECONDS_MAX)
        self._pulse = transport or KeepAliveTransport(
            patient, connections_max=PULSE_CONNECTIONS_MAX
        )
        self.channels = Channels(self._transport, self.app, self._urgent)
        self.bridges = Bridges(self._transport)
        self.playbacks = Playbacks(self._transport)
        self.recordings = Recordings(self._transport)
        self.applications = Applications(self._transport, self.app)
        self.asterisk = AsteriskSystem(self._transport)
        self.events = Events(self._pulse, self.app)
        self.dialplan = Dialplan(self._pulse)
        self._reader = EventReader(
            settings,
            self.app,
            applications=self.applications,
            asterisk=self.asterisk,
            on_event=on_event,
            on_connected=on_connected,
            on_lost=on_lost,
            wanted_events=wanted_events,
        )

    @property
    def is_connected(self) -> bool:
        """Whether events are being read now."""
        return self._reader.is_connected

    @property
    def heard_until(self) -> float:
        """Now while events are being read, else when they ceased; on clock.monotonic()."""
        return clock.monotonic() if self.is_connected else self._reader.lost_at

    @property
    def connection_count(self) -> int:
        """How often events began to be read."""
        return self._reader.connection_count

    @property
    def turned_away_at(self) -> float:
        """When Asterisk last could not be connected to, on clock.monotonic(); else -inf."""
        return self._reader.turned_away_at

    async def run(self) -> None:
        """Read events, reconnecting for ever; ends by cancellation, AriReplaced or AriRefused."""
        await self._reader.run()

    async def reconnect(self) -> None:
        """Have `run` make a new connection in place of one that delivers nothing."""
        await self._reader.reconnect()

    def hurry(self) -> None:
        """Asterisk has given a sign of life: have `run` connect now, if it is not connected."""
        self._reader.hurry()

    async def close(self) -> None:
        """Close the connections of the commands; `run` closes its own when it is cancelled."""
        for transport in (self._transport, self._urgent, self._pulse):
            await transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
