"""While there are more calls than can be served, the dialplan refuses new ones; by exchange, app.

As many live as may, or so many have just come that nobody hears anything yet: more than this
machine can take in. It opens when that is over and Asterisk is not behind: it would hear of the
next turn too late, and let in by the hundred who then wait for seconds, be it to be refused.

A caller refused before Stasis() costs half of what one costs whom the switch refuses, and when
many come at once that is what those who can be served need. Asterisk is told by a global variable
that runs out by itself: it outlives the switch by seconds. Of whom the dialplan has refused the
switch learns by the channel's end, and writes his CDR.
"""

import asyncio
from contextlib import suppress
from functools import partial
from typing import TypeGuard
from uuid import UUID

from callctl import clock
from callctl.ari import models
from callctl.ari.client import AriClient
from callctl.calls import Call
from callctl.errors import AriError

VARIABLE = "CALLCTL_FULL_UNTIL"  # of dialplan/callctl.conf, as the context
_CONTEXT = "callctl-full"
_FULL_SECONDS = 3  # how long Asterisk believes it; the dialplan takes less than 5
_RENEW_SECONDS = 0.25
ARRIVING_MAX = 30  # what two processors take in within a quarter of a second
_ARRIVING_SECONDS_MAX = 1.0  # who waits for longer waits for PostgreSQL, not for the machine
_BEHIND_SECONDS = 0.03  # for a refusal by the dialplan, which takes 2 ms
_WEIGHT = 0.2  # of the latest in their mean
_NEWS_SECONDS = 0.25  # without any there is no queue
_BEHIND_SECONDS_MAX = 3.0  # a machine that is never faster serves what it can
_PLACES = 10  # free again before it opens: each turn costs a command, and takes a moment


class Gate:
    """Which calls are in a flow, told by the exchange; `run` tells Asterisk whether to refuse.

    What is told late, or not at all, costs only more: the switch refuses, too.
    """

    def __init__(self, ari: AriClient, calls_max: int) -> None:
        self._ari = ari
        self._calls_max = calls_max
        self._free_at = calls_max - 1 - min(_PLACES, calls_max // 10)
        self._calls = set[UUID]()  # not those whose CDR only waits to be written
        self._arriving = set[UUID]()  # of them, those whose callers hear nothing yet
        self._refusal_seconds = 0.0  # the mean of the latest
        self._refused_at = self._shut_at = float("-inf")  # the latest, on clock.monotonic()
        self._turned = asyncio.Event()
        self.is_shut = False

    @property
    def is_overfull(self) -> bool:
        """Whether who has entered last is one too many."""
        return len(self._calls) > self._calls_max or len(self._arriving) > ARRIVING_MAX

    def enter(self, call: Call) -> None:
        """The call's flow begins."""
        self._calls.add(call.call_id)
        if call.a_leg.answered_at is None:
            self._arriving.add(call.call_id)
            call.on_under_way = partial(self._arrived, call.call_id)
            asyncio.get_running_loop().call_later(_ARRIVING_SECONDS_MAX, call.on_under_way)
        self._look()

    def leave(self, call: Call) -> None:
        """The call's flow is over."""
        self._calls.discard(call.call_id)
        self._arrived(call.call_id)

    def _arrived(self, call_id: UUID) -> None:
        self._arriving.discard(call_id)
        self._look()

    def refused(self, event: models.ChannelDestroyed) -> None:
        """The dialplan has refused a caller; how long that took is by Asterisk's clock alone."""
        seconds = (event.timestamp - event.channel.creationtime).total_seconds()
        self._refusal_seconds += _WEIGHT * (min(max(seconds, 0.0), 1.0) - self._refusal_seconds)
        self._refused_at = clock.monotonic()
        self._look()

    @property
    def _is_behind(self) -> bool:
        now = clock.monotonic()
        is_known = (
            now - self._refused_at < _NEWS_SECONDS and now - self._shut_at < _BEHIND_SECONDS_MAX
        )
        return is_known and self._refusal_seconds > _BEHIND_SECONDS

    def _look(self) -> None:
        calls, arriving = len(self._calls), len(self._arriving)
        if self.is_shut:
            is_full = calls > self._free_at or arriving > ARRIVING_MAX // 2
            is_shut = is_full or self._is_behind
        else:
            is_shut = calls >= self._calls_max or arriving >= ARRIVING_MAX
        if is_shut != self.is_shut:
            self.is_shut = is_shut
            self._shut_at = clock.monotonic() if is_shut else self._shut_at
            self._turned.set()

    async def run(self) -> None:
        """Tell Asterisk of each turn, and that it is still so, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_RENEW_SECONDS if self.is_shut else None):
                    await self._turned.wait()
            self._turned.clear()
            self._look()
            until = int(self._ari.clock.unix_seconds()) + _FULL_SECONDS if self.is_shut else 0
            with suppress(AriError, TimeoutError):
                async with asyncio.timeout(_RENEW_SECONDS):
                    await self._ari.dialplan.set_global_var(VARIABLE, str(until))


def is_refused(event: models.Event) -> TypeGuard[models.ChannelDestroyed]:
    """Whether a caller has gone whom the dialplan has refused because it was told to."""
    if not isinstance(event, models.ChannelDestroyed):
        return False
    return event.channel.dialplan.context == _CONTEXT
