"""The one reader of Asterisk's events: connects, decodes, hands over, reconnects; run by client.

It never works and never waits: what it hands an event to must return at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from random import SystemRandom
from typing import Literal

import aiohttp
import structlog

from callctl import clock
from callctl.ari.decode import EventDecoder
from callctl.ari.models import EVENTS, ApplicationReplaced, AsteriskInfo, Event
from callctl.ari.system import Applications, AsteriskSystem
from callctl.ari.transport import AriSettings
from callctl.errors import AriError, AriRefused, AriReplaced, AriUnavailable

_HEARTBEAT_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
_CLOSE_SECONDS = 0.3  # not long: what does not answer any more is closed, too
_RETRY_SECONDS_MIN, _RETRY_SECONDS_MAX = 0.1, 5.0
_STABLE_SECONDS = 5.0  # a connection that lived this long starts the next retries afresh
_FRAME_BYTES_MAX = 1 << 20
_ENDINGS = frozenset({aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED})
_random = SystemRandom()
_log = structlog.get_logger()

# What flows, charging and the canary look at; Asterisk keeps all else off the socket.
WANTED_EVENTS = frozenset(
    {
        "ApplicationReplaced",
        "ChannelDestroyed",
        "ChannelDtmfReceived",
        "ChannelHangupRequest",
        "ChannelStateChange",
        "ChannelUserevent",
        "PlaybackFinished",
        "RecordingFailed",
        "RecordingFinished",
        "StasisEnd",
        "StasisStart",
    }
)


@dataclass(frozen=True, slots=True)
class Connected:
    """What on_connected is told: Asterisk's answer, and whether it is another one than before.

    After a restart of Asterisk every call is gone; else calls and bridges are as they were, but
    events may have been missed.
    """

    info: AsteriskInfo
    is_restarted: bool


OnEvent = Callable[[Event], None]
OnConnected = Callable[[Connected], Awaitable[None] | None]
OnLost = Callable[[str], None]


class EventReader:
    """Reads the events of one application for as long as `run` runs."""

    def __init__(
        self,
        settings: AriSettings,
        app: str,
        *,
        applications: Applications,
        asterisk: AsteriskSystem,
        on_event: OnEvent,
        on_connected: OnConnected | None,
        on_lost: OnLost | None,
        wanted_events: frozenset[str],
    ) -> None:
        self._settings = settings
        self._app = app
        self._applications = applications
        self._asterisk = asterisk
        self._on_event = on_event
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._unwanted_events = EVENTS.keys() - wanted_events - {"ApplicationReplaced"}
        self._decoder = EventDecoder(self._unwanted_events)
        self._startup_at: datetime | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: aiohttp.ClientWebSocketResponse[Literal[False]] | None = None
        self.is_connected = False
        self.lost_at = clock.monotonic()  # since when no event is read, unless connected
        self.connection_count = 0
        self.turned_away_at = float("-inf")  # on clock.monotonic()
        self._sign = asyncio.Event()  # of life, since the latest try to connect began
        self._try: asyncio.Timeout | None = None

    async def reconnect(self) -> None:
        """Give up this connection, which delivers nothing; `run` makes another one."""
        if self._socket is not None:
            await self._socket.close()

    def hurry(self) -> None:
        """Asterisk gives a sign of life: try now to connect, and not only when it is time to.

        A try that hangs begins anew: it may be one of those that Asterisk had no room for.
        """
        self._sign.set()
        if self._try is not None:
            self._try.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Read until cancelled, reconnecting whenever the connection is lost.

        Raises AriReplaced when another controller takes the application over, and AriRefused when
        the first connection is turned away for its user or password.
        """
        retry_seconds = _RETRY_SECONDS_MIN
        async with aiohttp.ClientSession(headers=self._settings.headers) as session:
            try:
                while True:
                    began, count = clock.monotonic(), self.connection_count
                    reason = await self._connection(session)
                    if self.connection_count == count:
                        self.turned_away_at = clock.monotonic()
                    _log.warning("ari_not_connected", reason=reason, app=self._app)
                    if clock.monotonic() - began > _STABLE_SECONDS:
                        retry_seconds = _RETRY_SECONDS_MIN
                    with suppress(TimeoutError):
                        async with asyncio.timeout(retry_seconds * _random.uniform(0.5, 1.0)):
                            await self._sign.wait()
                    retry_seconds = min(retry_seconds * 2, _RETRY_SECONDS_MAX)
            finally:
                for task in self._tasks:
                    task.cancel()

    async def _connection(self, session: aiohttp.ClientSession) -> str:
        """Live through one connection; returns why there is none any more."""
        self._sign.clear()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS) as self._try:
                socket = await session.ws_connect(
                    f"{self._settings.url.rstrip('/')}/ari/events?app={self._app}"
                    # Every leg's end must reach us, and a subscription for each leg would be
                    # answered with the list of all of them (R8).
                    "&subscribeAll=true",
                    heartbeat=_HEARTBEAT_SECONDS,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
                    max_msg_size=_FRAME_BYTES_MAX,
                    decode_text=False,
                )
        except aiohttp.WSServerHandshakeError as error:
            self._require_welcome(error)
            return f"handshake: HTTP {error.status}"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return f"connect: {error!r}"
        finally:
            self._try = None
        self._socket = socket
        try:
            await self._greet()
            return await self._read(socket)
        except (AriUnavailable, AriRefused) as error:
            return f"greeting: {error}"
        finally:
            self.is_connected, self._socket = False, None
            await socket.close()

    def _require_welcome(self, error: aiohttp.WSServerHandshakeError) -> None:
        """A wrong password is a mistake to show at the start, but no reason to leave live calls."""
        if error.status in {401, 403} and self._startup_at is None:
            raise AriRefused(
                f"Asterisk refused the ARI user {self._settings.user!r}: set CALLCTL_ARI_USER and "
                "CALLCTL_ARI_PASSWORD to what its ari.conf says",
                status=error.status,
            ) from error

    async def _greet(self) -> None:
        """Set the filter, which no connection inherits, and say that we are connected."""
        await self._applications.filter(disallowed=self._unwanted_events)
        info = await self._asterisk.info()
        startup_at = info.status.startup_time if info.status else None
        is_restarted = self._startup_at is not None and startup_at != self._startup_at
        self._startup_at = startup_at
        self.is_connected = True
        self.connection_count += 1
        _log.info("ari_connected", app=self._app, is_restarted=is_restarted)
        if self._on_connected is not None:
            answer = self._on_connected(Connected(info, is_restarted))
            if answer is not None:
                task = asyncio.ensure_future(_logged(answer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _read(self, socket: "aiohttp.ClientWebSocketResponse[Literal[False]]") -> str:
        """Hand over events until the socket ends, cleanly or not; returns how it ended."""
        reason = "reader stopped"
        try:
            while True:
                message = await socket.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._hand_over(message.data)
                elif message.type is aiohttp.WSMsgType.ERROR:
                    reason = f"socket: {message.data!r}"
                    return reason
                elif message.type in _ENDINGS:
                    reason = f"closed: {socket.close_code}"
                    return reason
        finally:
            self.is_connected, self.lost_at = False, clock.monotonic()
            if self._on_lost is not None:
                self._on_lost(reason)

    def _hand_over(self, frame: bytes) -> None:
        """One frame, decoded and given away; whatever is wrong with it, the reader reads on."""
        try:
            event = self._decoder.decode(frame)
        except AriError as error:
            _log.warning("ari_event_not_understood", reason=str(error), frame=frame[:200])
            return
        if event is None:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - a fault in one event's handling may not deafen calls
            _log.exception("ari_event_failed", event_type=event.type)
        if isinstance(event, ApplicationReplaced):
            raise AriReplaced(f"another controller took over the application {self._app!r}")


async def _logged(work: Awaitable[None]) -> None:
    """Await on_connected's work in a task of its own, where nobody else would see it fail."""
    try:
        await work
    except Exception:  # noqa: BLE001 - the reader's owner keeps reading; reconciliation comes again
        _log.exception("ari_on_connected_failed")
