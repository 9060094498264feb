"""A proxy of ours between a switch and Asterisk's ARI: what it harms, it harms by a seed.

The event socket can be reset, closed, stalled or made a black hole, its events dropped, doubled,
delayed and put out of order; answers to commands can be lost, replaced by errors, or hang.

    async with AriProxy(site.ari_url, chance("ari")) as proxy:
        site.ari_url = proxy.url
        proxy.fail(Answer.LOST, "ari POST channels/create")
"""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from callctl import clock, crash
from tests.faults.lossy import LENGTH_2, LENGTH_8, Delivery, Dice, Harm

_HANG_SECONDS = 60.0
_LOOK_SECONDS = 0.02  # how often for events that are held
_HEAD_END = b"\r\n\r\n"
_ERROR = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    b'Content-Length: 33\r\n\r\n{"error":"Internal Server Error"}'
)
_NO_LINGER = struct.pack("ii", 1, 0)  # a close with it is an RST
_TEXT_FRAME = 0x81  # whole, and text: an event


class Answer(Enum):
    """What becomes of a command and its answer."""

    LOST = auto()  # carried out, and the connection is cut
    ERROR_INSTEAD = auto()  # not carried out: 500
    ERROR_AFTER = auto()  # carried out, then 500
    HANGS_BEFORE = auto()  # not carried out, no answer for 60 s
    HANGS_AFTER = auto()  # carried out, no answer for 60 s
    LATE = auto()  # no answer, and carried out when nobody waits for it any more


LATE_SECONDS = 7.0


class Line(Enum):
    """How a connection goes."""

    WHOLE = auto()
    BLACK_HOLE = auto()  # takes everything, delivers nothing
    STALLED = auto()  # takes nothing either
    CUT = auto()  # for new ones: not to be had


@dataclass(slots=True)
class _Plan:
    """Commands of this name that fail: after `passed` more that do not, `times` of them."""

    answer: Answer
    command: str
    times: int
    passed: int


class AriProxy:
    """Listens on a port of its own for as long as the block lasts."""

    def __init__(self, ari_url: str, dice: random.Random) -> None:
        address = urlsplit(ari_url)
        self._target = (address.hostname or "", address.port or 80)
        self._plans: list[_Plan] = []
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.line = Line.WHOLE  # of new connections
        self.done: Counter[str] = Counter()  # what was done to events and answers, by name
        self._events = Dice(dice, self.done)
        self.failed_at: list[float] = []  # clock.monotonic() of each command that failed
        self.connected_at: list[float] = []  # likewise of each event socket

    @property
    def url(self) -> str:
        """Where a switch finds Asterisk now."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def harm(self) -> Harm:
        """What befalls events; it may be set at any time."""
        return self._events.harm

    @harm.setter
    def harm(self, harm: Harm) -> None:
        self._events.harm = harm

    @property
    def event_sockets(self) -> int:
        """How many event sockets there are now."""
        return sum(link.is_events for link in self._links)

    def fail(self, answer: Answer, command: str, *, times: int = 1, passed: int = 0) -> None:
        """Let commands of this name (callctl.crash.command_name) fail so."""
        self._plans.append(_Plan(answer, command, times, passed))

    def heal(self) -> None:
        """From now on nothing is harmed any more; connections that there are stay as they are."""
        self.harm, self.line = Harm(), Line.WHOLE
        self.fail_no_more()

    def fail_no_more(self) -> None:
        """Commands that were to fail and have not come yet are carried out, and answered."""
        self._plans.clear()

    def reset(self) -> None:
        """Cut the event socket with an RST."""
        self._end(is_reset=True)

    def close_socket(self) -> None:
        """Close the event socket in order, on the side of the switch and on Asterisk's."""
        self._end(is_reset=False)

    def set_line(self, line: Line, *, is_for_commands: bool = False) -> None:
        """The event socket goes so from now on; `is_for_commands`: all goes so, new ones, too."""
        for link in self._links:
            if link.is_events or is_for_commands:
                link.set_line(line)
        if is_for_commands:
            self.line = line

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- for links

    def delivery(self, write: Callable[[bytes], None]) -> Delivery:
        """The events of one socket."""
        return Delivery(self._events, write)

    def take_plan(self, command: str) -> Answer | None:
        """How this command fails, if it does."""
        for plan in self._plans:
            if plan.command == command and plan.times:
                if plan.passed:
                    plan.passed -= 1
                    return None
                plan.times -= 1
                self.done[plan.answer.name] += 1
                self.failed_at.append(clock.monotonic())
                return plan.answer
        return None

    def _end(self, *, is_reset: bool) -> None:
        for link in list(self._links):
            if link.is_events:
                link.end(is_reset=is_reset)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = _Link(self, reader, writer)
        link.set_line(self.line)
        self._links.add(link)
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await link.serve(*self._target)
        finally:
            link.end(is_reset=True)
            self._links.discard(link)
            self._tasks.discard(task)


class _Link:
    """One connection of the switch, and the one to Asterisk that it goes over."""

    def __init__(
        self, proxy: AriProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._far: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._line = Line.WHOLE
        self._moves = asyncio.Event()
        self._delivery = proxy.delivery(self._deliver)
        self.is_events = False

    def set_line(self, line: Line) -> None:
        """How it goes from now on."""
        self._line = line
        if line is Line.STALLED:
            self._moves.clear()
        else:
            self._moves.set()

    def end(self, *, is_reset: bool) -> None:
        """End both connections."""
        writers = [self._writer] if self._far is None else [self._writer, self._far[1]]
        for writer in writers:
            if is_reset and not writer.is_closing():
                connection: socket.socket = writer.get_extra_info("socket")
                with suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                writer.transport.abort()
            else:
                writer.close()

    async def serve(self, host: str, port: int) -> None:
        """Pass requests on, one after the other; after an upgrade, events."""
        while True:
            request = await _message(self._reader)
            is_events = b"\r\nUpgrade: websocket\r\n" in request
            if self._line is Line.CUT and is_events:
                return
            if self._line in {Line.BLACK_HOLE, Line.STALLED}:
                await self._hang(_HANG_SECONDS)
                return
            if self._far is None:
                self._far = await asyncio.open_connection(host, port)
            if is_events:
                self.is_events = True
                self._proxy.connected_at.append(clock.monotonic())
                await self._serve_events(request)
                return
            await self._serve_command(request)

    # -- commands

    async def _serve_command(self, request: bytes) -> None:
        method, target, _ = request.split(b" ", 2)
        plan = self._proxy.take_plan(crash.command_name(method.decode(), target.decode()))
        if plan is Answer.ERROR_INSTEAD:
            self._writer.write(_ERROR)
            return
        if plan is Answer.HANGS_BEFORE:
            await self._hang(_HANG_SECONDS)
            raise EOFError
        if plan is Answer.LATE:
            await clock.sleep(LATE_SECONDS)
        answer = await self._asked(request)
        if plan is None:
            if self._line not in {Line.BLACK_HOLE, Line.STALLED}:
                self._writer.write(answer)
            return
        if plan is Answer.ERROR_AFTER:
            self._writer.write(_ERROR)
            return
        if plan is Answer.HANGS_AFTER:
            await self._hang(_HANG_SECONDS)
        raise EOFError

    async def _asked(self, request: bytes) -> bytes:
        assert self._far is not None
        reader, writer = self._far
        writer.write(request)
        return await _message(reader)

    async def _hang(self, seconds: float) -> None:
        """Until then, or until the switch has given up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._reader.read(1)

    # -- events

    async def _serve_events(self, request: bytes) -> None:
        assert self._far is not None
        far_reader, far_writer = self._far
        far_writer.write(request)
        self._writer.write(await far_reader.readuntil(_HEAD_END))
        jobs = [
            asyncio.ensure_future(job)
            for job in (self._pass_up(far_writer), self._pass_down(far_reader), self._release())
        ]
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def _pass_up(self, far_writer: asyncio.StreamWriter) -> None:
        while True:
            await self._moves.wait()
            data = await self._reader.read(65_536)
            if not data:
                return
            if self._line is Line.WHOLE:
                far_writer.write(data)

    async def _pass_down(self, far_reader: asyncio.StreamReader) -> None:
        while True:
            await self._moves.wait()
            frame = await _frame(far_reader)
            if self._line is not Line.WHOLE:
                continue
            if frame[0] != _TEXT_FRAME:
                self._writer.write(frame)
            else:
                self._delivery.take(frame)
            await self._writer.drain()

    async def _release(self) -> None:
        while True:
            await clock.sleep(_LOOK_SECONDS)
            self._delivery.let_go()

    def _deliver(self, frame: bytes) -> None:
        if self._line is Line.WHOLE:
            self._writer.write(frame)


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One request or answer, head and body."""
    head = await reader.readuntil(_HEAD_END)
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head + await reader.readexactly(length)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """One frame of Asterisk's, which masks none."""
    head = await reader.readexactly(2)
    length = head[1] & 0x7F
    if length == LENGTH_2:
        head += await reader.readexactly(2)
        length = int.from_bytes(head[2:])
    elif length == LENGTH_8:
        head += await reader.readexactly(8)
        length = int.from_bytes(head[2:])
    return head + await reader.readexactly(length)
