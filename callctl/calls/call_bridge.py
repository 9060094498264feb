"""The bridge of a call, where its parties hear each other and prompts are played; by calls.call.

Its id is derived from the call's, so that a later run of the switch finds it.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from callctl.calls.leg import Leg
from callctl.errors import AriError, AriUnavailable
from callctl.values.ids import bridge_id

if TYPE_CHECKING:
    from callctl.calls.call import Call


class CallBridge:
    """Who was put into the bridge of one call."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self.id = bridge_id(call.call_id)
        self._channels: set[str] = set()
        self._is_made = False  # or may have been
        self._is_removed = False  # Asterisk may still be at it

    def has(self, leg: Leg) -> bool:
        """Whether a leg was put into it."""
        return leg.channel_id in self._channels

    @property
    def has_caller(self) -> bool:
        """Whether the caller is in it."""
        return self.has(self._call.a_leg)

    async def enter(self, leg: Leg | None = None) -> None:
        """Put a line's leg, and with the first one the caller's, into it."""
        entering = [] if leg is None else [leg.channel_id]
        if not self.has_caller:
            entering.insert(0, self._call.a_leg.channel_id)
        if not entering:
            return
        try:
            await self._join(entering)
        except AriUnavailable:  # what of it was done is as well if done again
            await self._join(entering)

    async def _join(self, entering: list[str]) -> None:
        bridges = self._call.ari.bridges
        if not self.has_caller:
            self._is_made = True
            await bridges.create(self.id, is_removed=self._is_removed)
            self._is_removed = False
        await bridges.add_channel(self.id, entering)
        self._channels.update(entering)

    def take_up(self, legs: Iterable[Leg]) -> None:
        """An earlier run of the switch made it and put `legs` into it."""
        self._is_made = True
        self._channels.update(leg.channel_id for leg in legs)

    async def renew(self) -> None:
        """Have the answered caller in a bridge where nothing plays or is recorded any more."""
        await self.remove()
        await self._call.ari.bridges.removed(self.id)
        await self.enter()

    async def remove(self) -> None:
        """Nobody is in it any more."""
        is_made, self._is_made = self._is_made, False
        self._channels.clear()
        if is_made:
            self._is_removed = True
            with suppress(AriError):  # it is empty and holds nothing
                await self._call.ari.bridges.destroy(self.id)
