"""Asterisk was restarted, counts its channels from 0 again, and a new call has an old one's id."""

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from callctl import clock
from callctl.ari import models
from callctl.ari.client import AriSettings
from callctl.ari.keep_alive import KeepAliveTransport
from callctl.ari.transport import Answer
from callctl.values.ids import new_id
from tests.demo.world import eventually
from tests.faults.inside import inside
from tests.faults.site import Site
from tests.faults.stages import SECOND_MICROS

CHANNEL = "1795626874.1"
_DID = "4005550001"
_NOBODY = {"name": "", "number": ""}


class Lines(KeepAliveTransport):
    """In Asterisk's place: each line answers at once, each hang-up is obeyed."""

    def __init__(self, settings: AriSettings) -> None:
        super().__init__(settings)
        self.hear: Callable[[models.Event], None] = lambda _: None
        self.hung_up: list[str] = []

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """See Transport; what is of no channel goes to the real Asterisk."""
        address = urlsplit(target)
        parts = address.path.removeprefix("/ari/").split("/")
        if parts[0] != "channels" and parts[-1] != "addChannel":
            return await super().request(method, target, body)
        if parts[-1] == "create":
            query = parse_qs(address.query)
            [channel_id], [words] = query["channelId"], query["appArgs"]
            self.hear(_start(channel_id, words.split(",")))
            return Answer(200, orjson.dumps(_channel(channel_id, "Down")))
        if parts[-1] == "dial":
            self.hear(_event("ChannelStateChange", channel=_channel(parts[1], "Up")))
        elif parts[-1] == "addChannel":
            self.hear(_event("ChannelStateChange", channel=_channel(CHANNEL, "Up")))
        elif method == "DELETE" and parts[0] == "channels":
            self.hung_up.append(parts[1])
            self.hear(_destroyed(parts[1]))
        elif method == "GET":
            is_timer = parts[-1] == "variable"
            return Answer(200, b'{"value": "100"}') if is_timer else Answer(404, b"{}")
        return Answer(204, b"")


async def test_a_channel_id_that_repeats_is_another_call(site: Site) -> None:
    """The call of before ends there and then; the new one is charged for itself alone."""
    asterisk = site.asterisk
    lines = Lines(AriSettings(asterisk.ari_url, asterisk.ari_user, asterisk.ari_password))
    first, second = new_id(), new_id()
    async with inside(site, lines) as exchange:
        lines.hear = exchange.on_event
        for call_id in (first, second):
            exchange.on_event(_start(CHANNEL, ["inbound", str(call_id)]))
            await _talks(site, call_id)
        exchange.on_event(_destroyed(CHANNEL))
        await _ended(site, 2)
    rows = await site.database.fetch("SELECT * FROM cdrs ORDER BY setup_at")
    assert [row["call_id"] for row in rows] == [first, second]
    assert [row["cost_micros"] for row in rows] == [SECOND_MICROS] * 2
    assert rows[0]["ended_at"] <= rows[1]["setup_at"]
    assert len(set(lines.hung_up)) == 2, "the lines of both"
    await site.invariants(unproven=["asterisk"])  # it knows nothing of these


async def _talks(site: Site, call_id: uuid.UUID) -> None:
    async def look() -> bool | None:
        live = await site.views.live_calls()
        return (
            True if [one.call_id for one in live if one.stage == "talking"] == [call_id] else None
        )

    await eventually(look, "this call alone to talk", 5)


async def _ended(site: Site, count: int) -> None:
    async def look() -> bool | None:
        rows = await site.database.fetch("SELECT FROM cdrs")
        return True if len(rows) == count else None

    await eventually(look, f"{count} calls to have ended", 5)


def _start(channel_id: str, words: list[str]) -> models.Event:
    state = "Ring" if words[0] == "inbound" else "Down"
    return _event("StasisStart", args=words, channel=_channel(channel_id, state))


def _destroyed(channel_id: str) -> models.Event:
    channel = _channel(channel_id, "Up")
    return _event("ChannelDestroyed", cause=16, cause_txt="", channel=channel)


def _event(kind: str, **facts: Any) -> models.Event:
    told = {"type": kind, "application": "callctl", "timestamp": clock.now(), **facts}
    return models.EVENTS[kind].model_validate(told)


def _channel(channel_id: str, state: str) -> dict[str, Any]:
    plan = {"context": "", "exten": _DID, "priority": 1, "app_name": "", "app_data": ""}
    return {
        "id": channel_id,
        "protocol_id": channel_id,
        "name": f"PJSIP/carrier-{channel_id}",
        "state": state,
        "caller": {"name": "", "number": "01062005000"},
        "connected": _NOBODY,
        "accountcode": "",
        "dialplan": plan,
        "creationtime": clock.now(),
        "language": "zh",
    }
