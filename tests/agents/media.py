"""RTP of the agents: sends a looped tone or DTMF every 20 ms, listens with an `Ear`.

One `Pacer` per agent drives all its streams from one timer, so twenty calls cost one wake-up
per 20 ms. SDP is written here too, next to the ports it speaks of.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from functools import partial

from aiortp.dtmf import DTMF_EVENTS, DtmfEvent, DtmfReceiver
from aiortp.packet import RtpPacket
from aiosipua import SdpMessage

from callctl import clock
from tests.agents import tones

CODEC_NAMES = {tones.ULAW: "PCMU", tones.ALAW: "PCMA"}
DTMF_PAYLOAD_TYPE = 101
DTMF_FRAMES = 5  # 100 ms a digit
DTMF_GAP_FRAMES = 4  # 80 ms between digits
FLOOD_FRAMES = 2  # 40 ms a digit, and no gap: no telephone's keys are that fast
# Even ports below the kernel's ephemeral range, and none that an Asterisk of the project wants.
RTP_PORTS = range(6000, 10000, 2)
RTP_PLAIN = 0x80  # version 2; no padding, extension or contributors
RTP_HEADER_BYTES = 12
PACKETS_A_TURN = 32
CATCH_UP_FRAMES = 5  # after a longer stall of the loop the lost time stays lost

Address = tuple[str, int]


class Pacer:
    """Ticks every 20 ms while any stream sends."""

    def __init__(self) -> None:
        self._streams: set[RtpStream] = set()
        self._is_ticking = False
        self._due_at = 0.0

    def add(self, stream: "RtpStream") -> None:
        """Send this stream's frames from now on."""
        self._streams.add(stream)
        if not self._is_ticking:
            self._is_ticking = True
            self._due_at = asyncio.get_running_loop().time()
            self._tick()

    def remove(self, stream: "RtpStream") -> None:
        """Send no more of this stream; the clock stops by itself after the last one."""
        self._streams.discard(stream)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        late_frames = int((loop.time() - self._due_at) / tones.FRAME_SECONDS)
        if late_frames > CATCH_UP_FRAMES:
            self._due_at += (late_frames - CATCH_UP_FRAMES) * tones.FRAME_SECONDS
        while self._streams and self._due_at <= loop.time():
            self._due_at += tones.FRAME_SECONDS
            for stream in tuple(self._streams):
                stream.send_frame()
        self._is_ticking = bool(self._streams)
        if self._is_ticking:
            loop.call_at(self._due_at, self._tick)


class RtpStream:
    """One call's audio: a socket, the tone it sends, the tones and digits it hears.

    `on_audio` is called for each packet of audio, after the ear has heard it.
    """

    def __init__(self, pacer: Pacer, on_audio: Callable[[], None]) -> None:
        self.ear = tones.Ear()
        self.digits = ""
        self.packets_received = 0
        self.packets_sent = 0
        self.port = 0
        self.remote: Address | None = None
        self.payload_type = tones.ALAW
        self.dtmf_payload_type = DTMF_PAYLOAD_TYPE
        self._pacer = pacer
        self._on_audio = on_audio
        self._socket: socket.socket | None = None
        self._frames: tuple[bytes, ...] = ()
        self._next_frame = 0
        self._sequence = random.randrange(1 << 15)
        self._timestamp = random.randrange(1 << 31)
        self._ssrc = random.randrange(1 << 32)
        self._events: deque[Callable[[], None]] = deque()
        self._dtmf = DtmfReceiver(self._digit)

    @property
    def is_speaking(self) -> bool:
        """True once it sends, be it silence."""
        return bool(self._frames)

    def open(self, local_ip: str) -> None:
        """Bind an even port; the odd one above stays free for the RTCP we ignore."""
        first = random.randrange(len(RTP_PORTS))
        for offset in range(len(RTP_PORTS)):
            self.port = RTP_PORTS[(first + offset) % len(RTP_PORTS)]
            candidate = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                candidate.bind((local_ip, self.port))
            except OSError:
                candidate.close()
                continue
            candidate.setblocking(False)
            self._socket = candidate
            asyncio.get_running_loop().add_reader(candidate, self._readable)
            return
        raise OSError(f"no free RTP port in {RTP_PORTS}")

    def close(self) -> None:
        """Stop sending and give the port back."""
        self._pacer.remove(self)
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def speak(self, hz: int) -> None:
        """Send this tone (0: silence) until told otherwise."""
        self._frames = tones.frames(hz, self.payload_type)
        self._next_frame = 0
        self._pacer.add(self)

    def dial(self, digits: str, *, is_flood: bool = False) -> asyncio.Future[None]:
        """Queue DTMF digits (RFC 4733) in place of audio; done when the last is sent."""
        frames = FLOOD_FRAMES if is_flood else DTMF_FRAMES
        gap_frames = 0 if is_flood else DTMF_GAP_FRAMES
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.is_speaking:
            self.speak(0)
        for digit in digits:
            event = DTMF_EVENTS[digit.upper()]
            self._events.extend(
                partial(self._send_event, event, number, frames) for number in range(frames + 1)
            )
            self._events.extend([self._send_audio] * gap_frames)
        self._events.append(lambda: None if done.done() else done.set_result(None))
        return done

    def send_frame(self) -> None:
        """One 20 ms step, called by the pacer."""
        if self._socket is None or self.remote is None:
            return
        if self._events:
            self._events.popleft()()
        else:
            self._send_audio()
        self._timestamp = (self._timestamp + tones.FRAME_SAMPLES) & 0xFFFFFFFF

    def _send_audio(self) -> None:
        frame = self._frames[self._next_frame]
        self._next_frame = (self._next_frame + 1) % len(self._frames)
        self._send(self.payload_type, frame, self._timestamp)

    def _send_event(self, event: int, frame_number: int, frames: int) -> None:
        """Frame n of a digit; all carry the timestamp of its start, the last is sent thrice."""
        started = (self._timestamp - frame_number * tones.FRAME_SAMPLES) & 0xFFFFFFFF
        is_last = frame_number == frames
        duration = min(frame_number + 1, frames) * tones.FRAME_SAMPLES
        payload = DtmfEvent(event, end=is_last, volume=10, duration=duration).serialize()
        for _ in range(3 if is_last else 1):
            self._send(self.dtmf_payload_type, payload, started, marker=frame_number == 0)

    def _send(
        self, payload_type: int, payload: bytes, timestamp: int, *, marker: bool = False
    ) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        second = payload_type | (0x80 if marker else 0)
        header = struct.pack("!BBHII", RTP_PLAIN, second, self._sequence, timestamp, self._ssrc)
        assert self._socket is not None
        assert self.remote is not None
        # What the kernel does not take is a lost packet, as on any network.
        with contextlib.suppress(OSError):
            self._socket.sendto(header + payload, self.remote)
        self.packets_sent += 1

    def _readable(self) -> None:
        """Take what has arrived, a bounded number of packets a turn."""
        for _ in range(PACKETS_A_TURN):
            if self._socket is None:
                return
            try:
                packet = self._socket.recv(2048)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self._received(packet)

    def _received(self, packet: bytes) -> None:
        """One packet; anything that is not audio or DTMF is RTCP and the like."""
        if len(packet) < RTP_HEADER_BYTES:
            return
        payload_type = packet[1] & 0x7F
        if payload_type in CODEC_NAMES:
            self.packets_received += 1
            is_plain = packet[0] == RTP_PLAIN
            payload = packet[RTP_HEADER_BYTES:] if is_plain else RtpPacket.parse(packet).payload
            sample = int.from_bytes(packet[4:8], "big")
            self.ear.hear(payload_type, payload, at=clock.monotonic(), sample=sample)
            self._on_audio()
        elif payload_type == self.dtmf_payload_type:
            self._dtmf.handle_packet(RtpPacket.parse(packet))

    def _digit(self, digit: str, _duration: int) -> None:
        self.digits += digit
        self._on_audio()


def describe(local_ip: str, port: int, payload_types: tuple[int, ...], dtmf: int) -> str:
    """SDP that offers or answers audio in these codecs plus DTMF events."""
    formats = " ".join(str(number) for number in (*payload_types, dtmf))
    lines = [
        "v=0",
        f"o=- {port} 1 IN IP4 {local_ip}",
        "s=-",
        f"c=IN IP4 {local_ip}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {formats}",
        *(f"a=rtpmap:{number} {CODEC_NAMES[number]}/8000" for number in payload_types),
        f"a=rtpmap:{dtmf} telephone-event/8000",
        f"a=fmtp:{dtmf} 0-16",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]
    return "\r\n".join(lines)


def agree(sdp: SdpMessage, ours: tuple[int, ...]) -> tuple[Address, int, int]:
    """Where the other side listens, its first codec that is ours, its DTMF payload type.

    Raises ValueError when the description has no audio or no codec of ours.
    """
    address, audio = sdp.rtp_address, sdp.audio
    if address is None or audio is None:
        raise ValueError("the SDP has no audio")
    codec = next((c.payload_type for c in audio.codecs if c.payload_type in ours), None)
    if codec is None:
        raise ValueError(f"no codec in common: they offer {audio.formats}, we speak {ours}")
    named = (c for c in audio.codecs if c.encoding_name.lower() == "telephone-event")
    dtmf = next((c.payload_type for c in named), DTMF_PAYLOAD_TYPE)
    return address, codec, dtmf
