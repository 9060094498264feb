"""Who ends a caller's message at its limit, on an Asterisk that never would."""

import asyncio

import orjson

from callctl import clock
from callctl.ari import models
from callctl.ari.transport import Answer
from tests.unit.asterisk_double import AsteriskDouble, call_through, event

_RECORDING = {"name": "m1", "format": "wav", "target_uri": "bridge:b", "state": "recording"}


async def test_a_message_is_ended_at_its_limit() -> None:
    """By callctl, neither sooner nor as late as Asterisk, and its length is told."""
    asterisk = AsteriskDouble()
    call = call_through(asterisk)
    await call.answer()
    stopped: list[float] = []

    def fate(command: str) -> Answer | None:
        if command == "POST recordings/live/m1/stop":
            stopped.append(clock.monotonic())
            told = event("RecordingFinished", recording=_RECORDING | {"duration": 1})
            assert isinstance(told, models.RecordingFinished)
            call.take_end(told)
            call.wake()
        return Answer(200, orjson.dumps(_RECORDING)) if command.startswith("GET") else None

    asterisk.fate = fate
    began = clock.monotonic()
    async with asyncio.timeout(4):
        assert await call.record_message("m1", seconds_max=1, silence_seconds=5) == 1
    [at] = stopped
    assert at - began >= 1
