"""An Asterisk in memory, for what a call does when commands fail and events get lost.

It has channels, bridges and playbacks, carries commands out at once, and tells of it by events
through `hear`, but for those that a test wants lost.
"""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from callctl import clock
from callctl.ari import models
from callctl.ari.client import AriClient, AriSettings
from callctl.ari.transport import Answer
from callctl.calls import Call, Leg
from callctl.errors import AriUnavailable
from callctl.values.phone_number import PhoneNumber

DID = "4001234567"
CALLER = "1795626874.1"
_DONE = Answer(204, b"")
_GONE = Answer(404, b'{"message": "Channel not found"}')


class AsteriskDouble:
    """See Transport. `channels` are states by id, `words` what their Stasis() said.

    causes  of the hang-ups that were asked for, in order
    deaf    types of events that are lost
    fate    called with "METHOD path" before each command: an Answer is given instead of carrying it
            out, an exception raised after it was carried out: its answer is lost
    """

    def __init__(self) -> None:
        self.hear: Callable[[models.Event], None] = lambda _: None
        self.channels: dict[str, str] = {}
        self.words: dict[str, str] = {}
        self.bridges: set[str] = set()
        self.playing: set[str] = set()
        self.sent: list[str] = []
        self.causes: list[int] = []
        self.bodies: dict[str, bytes] = {}
        self.deaf: set[str] = set()
        self.fate: Callable[[str], Answer | Exception | None] = lambda _: None

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """See Transport."""
        await asyncio.sleep(0)
        address = urlsplit(target)
        command = f"{method} {address.path.removeprefix('/ari/')}"
        self.sent.append(command)
        self.causes += map(int, parse_qs(address.query).get("reason_code", []))
        self.bodies[command] = body or b""
        fate = self.fate(command)
        if isinstance(fate, Answer):
            return fate
        answer = self._carried_out(method, command.partition(" ")[2].split("/"), address.query)
        if fate is not None:
            raise fate
        return answer

    async def close(self) -> None:
        """See Transport."""

    def count(self, command: str) -> int:
        """How often it was sent."""
        return self.sent.count(command)

    def arrive(self, channel_id: str, call_id: uuid.UUID, *, state: str = "Ring") -> None:
        """A caller comes."""
        self.channels[channel_id] = state
        self.words[channel_id] = f"callctl,inbound,{call_id}"
        self._tell("StasisStart", channel_id, args=["inbound", str(call_id)])

    def answer(self, channel_id: str) -> None:
        """The party answers."""
        self.channels[channel_id] = "Up"
        self._tell("ChannelStateChange", channel_id)

    def end(self, channel_id: str, cause: int = 16) -> None:
        """The party hangs up."""
        if channel_id in self.channels:
            self._tell("ChannelDestroyed", channel_id, cause=cause, cause_txt="")
            del self.channels[channel_id]

    def told(self, kind: str, channel_id: str, **facts: Any) -> models.Event:
        """An event of this moment."""
        return event(kind, channel=self.channel(channel_id), **facts)

    def channel(self, channel_id: str) -> dict[str, Any]:
        """A channel as ARI shows it."""
        words = self.words.get(channel_id, "")
        app = "Stasis" if words else ""
        plan = {"context": "", "exten": DID, "priority": 1, "app_name": app, "app_data": words}
        nobody = {"name": "", "number": ""}
        return {
            "id": channel_id,
            "protocol_id": channel_id,
            "name": f"PJSIP/carrier-{channel_id}",
            "state": self.channels.get(channel_id, "Down"),
            "caller": {"name": "", "number": "01062005000"},
            "connected": nobody,
            "accountcode": "",
            "dialplan": plan,
            "creationtime": clock.now(),
            "language": "zh",
        }

    def _tell(self, kind: str, channel_id: str, **facts: Any) -> None:
        if kind not in self.deaf:
            self.hear(self.told(kind, channel_id, **facts))

    def _carried_out(self, method: str, path: list[str], query: str) -> Answer:
        if method == "GET":
            return self._read(path)
        if method == "DELETE":
            self._deleted(*path)
            return _DONE
        return self._posted(path, query)

    def _read(self, path: list[str]) -> Answer:
        name = path[-1]
        found: Any = None
        match path:
            case ["channels"]:
                found = [self.channel(one) for one in self.channels]
            case ["bridges"]:
                found = [_bridge(one) for one in self.bridges]
            case ["channels", _, "variable"]:
                found = {"value": "100"}
            case ["channels", _]:
                return _found(self.channel(name)) if name in self.channels else _GONE
            case ["playbacks", _] if name in self.playing:
                found = _playback(name)
        return Answer(404, b"{}") if found is None else _found(found)

    def _posted(self, path: list[str], query: str) -> Answer:
        match path:
            case ["channels", "create"]:
                [name], [words] = parse_qs(query)["channelId"], parse_qs(query)["appArgs"]
                self.channels[name], self.words[name] = "Down", f"callctl,{words}"
                self._tell("StasisStart", name, args=words.split(","))
                return _found(self.channel(name))
            case ["channels", name, "answer"]:
                self.answer(name)
            case ["bridges", name, "addChannel"] if name not in self.bridges:
                return Answer(404, b'{"message": "Bridge not found"}')
            case ["bridges", name]:
                self.bridges.add(name)
                return _found(_bridge(name))
            case ["bridges", name, "record"]:
                return _found(_recording(name))
            case [_, _, "play", name]:
                self.playing.add(name)
                return _found(_playback(name))
        return _DONE

    def _deleted(self, kind: str, name: str) -> None:
        if kind == "channels":
            self.end(name)
        elif kind == "bridges":
            self.bridges.discard(name)
        else:
            self.playing.discard(name)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; fails after 5 s."""
    async with asyncio.timeout(5):
        while not holds():
            await clock.sleep(0.005)


def unanswered(command: str) -> AriUnavailable:
    """For `fate`: what is done, and never told."""
    return AriUnavailable(f"no answer to {command}")


def event(kind: str, **facts: Any) -> models.Event:
    """An event of this moment."""
    told = {"type": kind, "application": "callctl", "timestamp": clock.now(), **facts}
    return models.EVENTS[kind].model_validate(told)


def call_through(asterisk: AsteriskDouble, call_id: uuid.UUID | None = None) -> Call:
    """A caller's call, rung and unanswered; it hears the events of all its legs."""
    call_id = call_id or uuid.uuid4()
    ari = AriClient(AriSettings("http://127.0.0.1:1", "nobody", ""), transport=asterisk)
    legs: dict[str, Leg] = {}
    call = Call(
        call_id=call_id,
        a_leg=Leg(uuid.uuid4(), CALLER, "a", "", None, clock.now()),
        dialled=PhoneNumber.parse(DID),
        caller=PhoneNumber.parse("01062005000"),
        ari=ari,
        register=lambda channel_id, _, leg: legs.update({channel_id: leg}),
    )
    legs[CALLER] = call.a_leg

    def hear(told: models.Event) -> None:
        channel = getattr(told, "channel", None)
        if channel is not None and channel.id in legs:
            legs[channel.id].take(told)
        call.wake()

    asterisk.hear = hear
    asterisk.arrive(CALLER, call_id)
    return call


def _found(what: Any) -> Answer:
    return Answer(200, orjson.dumps(what))


def _bridge(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "technology": "simple_bridge",
        "bridge_type": "mixing",
        "bridge_class": "stasis",
        "creator": "Stasis",
        "name": "",
        "channels": [],
        "video_mode": "none",
        "creationtime": clock.now(),
    }


def _recording(name: str) -> dict[str, Any]:
    return {"name": name, "format": "wav", "target_uri": f"bridge:{name}", "state": "recording"}


def _playback(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "format": "wav",
        "media_uri": "sound:x",
        "target_uri": "bridge:x",
        "language": "zh",
        "state": "playing",
    }
