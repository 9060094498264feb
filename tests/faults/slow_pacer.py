"""Hundreds of telephones that are all but silent: a packet now and then says that they live."""

import asyncio

from tests.agents.media import Pacer, RtpStream

_SECONDS = 5.0  # well within what Asterisk takes for a lost call


class SlowPacer(Pacer):
    """Sends one frame of each stream every 5 s, spread evenly."""

    def __init__(self) -> None:
        super().__init__()
        self._timers: dict[RtpStream, asyncio.TimerHandle] = {}

    def add(self, stream: RtpStream) -> None:
        """Send this stream's frames from now on."""
        if stream not in self._timers:
            self._send(stream)

    def remove(self, stream: RtpStream) -> None:
        """Send no more of this stream."""
        timer = self._timers.pop(stream, None)
        if timer is not None:
            timer.cancel()

    def _send(self, stream: RtpStream) -> None:
        stream.send_frame()
        self._timers[stream] = asyncio.get_running_loop().call_later(_SECONDS, self._send, stream)
