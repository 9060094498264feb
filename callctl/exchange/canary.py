"""The canary: an event of our own that goes round through Asterisk; run by app beside the calls.

A socket that looks well proves nothing (R11): Asterisk may keep it open and send no events. When
the canary does not come back the connection is torn down, and what was missed is looked for.
"""

import asyncio
import itertools

import structlog

from callctl import clock
from callctl.ari import models
from callctl.ari.client import AriClient
from callctl.errors import AriError

EVENT = "callctl-canary"
_ROUND_SECONDS = 1.5  # three rounds are less than 5 s: so long may events be lost unseen
_SLOW_SECONDS = 1.0  # an answer that took longer is news: Asterisk is there again
_MISSES_MAX = 2
_FRESH_SECONDS = 4 * _ROUND_SECONDS
_log = structlog.get_logger()


class Canary:
    """Sends and hears it; `lag_seconds` is how long the last round took, `heard_at` when it ended.

    `heard_at` is on clock.monotonic(); before the first round it is when the canary was made.
    All events made before `told_until` have come: the last one that came back was sent then.
    """

    def __init__(self, ari: AriClient) -> None:
        self._ari = ari
        self._numbers = itertools.count(1)
        self._sent: dict[str, float] = {}  # by number: when, on clock.monotonic()
        self._sending: asyncio.Task[None] | None = None
        self._sent_on = 0  # the number of the connection
        self.lag_seconds = 0.0
        self.heard_at = self.told_until = clock.monotonic()

    @property
    def is_fresh(self) -> bool:
        """Whether it has come back lately."""
        return clock.monotonic() - self.heard_at < _FRESH_SECONDS

    def hear(self, event: models.Event) -> None:
        """Note that a canary has come back; other events are not ours."""
        if not isinstance(event, models.ChannelUserevent) or event.eventname != EVENT:
            return
        sent_at = self._sent.pop(str(event.userevent.get("number", "")), None)
        if sent_at is not None:
            self._ari.clock.hear(event.timestamp, asked=sent_at)
            self.heard_at, self.told_until = clock.monotonic(), sent_at
            self.lag_seconds = self.heard_at - sent_at
            self._sent.clear()  # those before it were overtaken, not lost

    async def run(self) -> None:
        """Send one each 1.5 s until cancelled; after two misses have the reader connect again."""
        try:
            while True:
                began = clock.monotonic()
                if len(self._sent) >= _MISSES_MAX:
                    self._sent.clear()
                    if self._ari.is_connected:
                        _log.error("events_do_not_arrive", misses=_MISSES_MAX)
                        await self._ari.reconnect()
                if self._ari.is_connected:
                    self._begin_round()
                else:
                    self._sent.clear()
                await clock.sleep(max(0.0, began + _ROUND_SECONDS - clock.monotonic()))
        finally:
            self._abandon()

    def _begin_round(self) -> None:
        """Send one; while Asterisk has not taken the one before, this round is a miss."""
        if self._sent_on != self._ari.connection_count:  # what was sent before waits in vain
            self._abandon()
        number = str(next(self._numbers))
        self._sent[number] = clock.monotonic()
        if self._sending is None or self._sending.done():
            self._sent_on = self._ari.connection_count
            self._sending = asyncio.create_task(self._send(number), name="canary")

    def _abandon(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    async def _send(self, number: str) -> None:
        """The answer is waited for beyond the misses: it shows at once that Asterisk goes on."""
        began = clock.monotonic()
        try:
            await self._ari.events.user_event(EVENT, variables={"number": number})
        except AriError as error:  # a miss like any other
            _log.warning("canary_not_sent", error=str(error))
        if clock.monotonic() - began > _SLOW_SECONDS:
            _log.warning("asterisk_stood_still", seconds=round(clock.monotonic() - began, 1))
            self._ari.hurry()
