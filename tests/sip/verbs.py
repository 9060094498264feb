"""Calls without an exchange and a script: a test has the verbs of each call in its own hand."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from callctl.ari import models
from callctl.ari.client import AriClient, AriSettings
from callctl.calls import Call, Leg, LineToRing
from callctl.stack.asterisk import Asterisk
from callctl.values.ids import bridge_id, new_id
from callctl.values.phone_number import PhoneNumber
from tests.agents import Caller, Carrier, PlacedCall
from tests.demo.world import eventually

DID = "4001234567"
NUMBER = "13800138000"
LANGUAGE = "en"
WARNING, FINAL, MUSIC = "callctl/warning", "callctl/final", "callctl/ringback-demo"
LINES = [f"0106200{n:04d}" for n in range(1, 5)]


@dataclass
class House:
    """An Asterisk, callers and lines; sorts events as the exchange does."""

    asterisk: Asterisk
    carrier: Carrier
    caller: Caller
    _legs: dict[str, tuple[Call, Leg]] = field(default_factory=dict)
    _bridges: dict[str, Call] = field(default_factory=dict)
    _arrived: asyncio.Queue[Call] = field(default_factory=asyncio.Queue)
    ari: AriClient = field(init=False)

    def on_event(self, event: models.Event) -> None:
        """For AriClient."""
        channel = getattr(event, "channel", None)
        if channel is None:
            self._take_media(event)
        elif channel.id in self._legs:
            call, leg = self._legs[channel.id]
            leg.take(event)
            call.wake()
        elif isinstance(event, models.StasisStart) and event.args[:1] == ["inbound"]:
            self._arrived.put_nowait(self._accept(event))

    def _take_media(self, event: models.Event) -> None:
        if isinstance(event, models.PlaybackFinished):
            target = event.playback.target_uri
        elif isinstance(event, models.RecordingFinished | models.RecordingFailed):
            target = event.recording.target_uri
        else:
            return
        _, _, name = target.partition(":")
        known = self._legs.get(name)
        call = known[0] if known else self._bridges.get(name)
        if call is not None:
            call.take_end(event)
            call.wake()

    def _accept(self, event: models.StasisStart) -> Call:
        call_id = uuid.UUID(event.args[1])
        leg = Leg(new_id(), event.channel.id, "a", NUMBER, None, setup_at=event.timestamp)
        call = Call(
            call_id=call_id,
            a_leg=leg,
            dialled=PhoneNumber.parse(DID),
            caller=PhoneNumber.parse(NUMBER),
            ari=self.ari,
            register=self.register,
        )
        self.register(leg.channel_id, call, leg)
        leg.take(event)
        return call

    def register(self, channel_id: str, call: Call, leg: Leg) -> None:
        """From now on events of this channel and of the call's bridge are this call's."""
        self._legs[channel_id] = (call, leg)
        self._bridges[bridge_id(call.call_id)] = call

    async def call(self) -> tuple[Call, PlacedCall]:
        """A caller has dialled: callctl's side of it and his own."""
        placed = await self.caller.call(
            DID, server=("127.0.0.1", self.asterisk.ports.sip), from_number=NUMBER
        )
        async with asyncio.timeout(5):
            return await self._arrived.get(), placed

    async def answered(self) -> tuple[Call, PlacedCall]:
        """As `call`, answered."""
        call, placed = await self.call()
        await call.answer()
        await placed.answered()
        return call, placed

    async def nothing_left(self) -> None:
        """No channel, no bridge: not in Asterisk, and not for long."""

        async def look() -> bool | None:
            left = await self.ari.channels.list(), await self.ari.bridges.list()
            return None if any(left) else True

        await eventually(look, "nothing to be left over", 5)

    async def released(self, call: Call) -> None:
        """The call is over, and soon."""
        async with asyncio.timeout(3):
            await call.release()
        await self.nothing_left()


def line(
    number: str, *, ring_seconds: int = 10, is_told: bool = False, key: str = ""
) -> LineToRing:
    """A line as a flow has it rung."""
    return LineToRing(
        leg_id=new_id(),
        name=f"line {number}",
        number=number,
        endpoint=f"PJSIP/{number}@carrier",
        ring_seconds=ring_seconds,
        has_ringback=False,
        confirm_key=key or None,
        told=(WARNING,) if is_told else (),
        language=LANGUAGE,
    )


@asynccontextmanager
async def opened(asterisk: Asterisk) -> AsyncIterator[House]:
    """A house with people at the telephones; what a failed test leaves is removed."""
    async with Carrier(asterisk.ports.carrier) as carrier, Caller(voice_hz=700) as caller:
        house = House(asterisk, carrier, caller)
        connected = asyncio.Event()
        house.ari = AriClient(
            AriSettings(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password),
            on_event=house.on_event,
            on_connected=lambda _: connected.set(),
        )
        reading = asyncio.create_task(house.ari.run())
        async with asyncio.timeout(10):
            await connected.wait()
        try:
            yield house
        finally:
            for channel in await house.ari.channels.list():
                await house.ari.channels.hangup(channel.id)
            for bridge in await house.ari.bridges.list():
                await house.ari.bridges.destroy(bridge.id)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            await house.ari.close()


Act = Callable[[Call], Awaitable[object]]
