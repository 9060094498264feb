"""From frames to events."""

from datetime import UTC, datetime

import orjson
import pytest

from callctl.ari import models
from callctl.ari.decode import EventDecoder
from callctl.errors import AriError

CHANNEL = {
    "id": "l1",
    "name": "PJSIP/carrier-00000001",
    "state": "Up",
    "protocol_id": "abc",
    "caller": {"name": "", "number": "01012345678"},
    "connected": {"name": "", "number": ""},
    "accountcode": "",
    "dialplan": {
        "context": "from-carrier",
        "exten": "s",
        "priority": 1,
        "app_name": "Stasis",
        "app_data": "callctl",
    },
    "creationtime": "2026-11-22T14:08:45.357+0000",
    "language": "en",
}
COMMON = {"timestamp": "2026-11-22T22:08:45.357+0800", "application": "callctl"}


def frame(**fields: object) -> bytes:
    """A frame with the fields that every event has."""
    return orjson.dumps({**fields, **COMMON})


def test_event_is_of_its_own_class() -> None:
    """The type decides the class; times are aware."""
    event = EventDecoder().decode(
        frame(type="ChannelDestroyed", cause=16, cause_txt="", channel=CHANNEL)
    )
    assert isinstance(event, models.ChannelDestroyed)
    assert (event.cause, event.channel.caller.number) == (16, "01012345678")
    assert event.timestamp == datetime(2026, 11, 22, 14, 8, 45, 357000, tzinfo=UTC)


def test_every_event_of_the_description_is_known() -> None:
    """The table of events has each class under its own name."""
    assert len(models.EVENTS) >= 45
    assert all(model.__name__ == name for name, model in models.EVENTS.items())


def test_fields_unknown_to_the_description_are_kept() -> None:
    """A newer Asterisk may say more."""
    event = EventDecoder().decode(frame(type="ChannelHold", channel=CHANNEL, news="x"))
    assert event is not None
    assert event.model_extra == {"news": "x"}


def test_type_unknown_to_the_description_is_none() -> None:
    """A newer Asterisk may send events that we have never heard of."""
    assert EventDecoder().decode(frame(type="ChannelEnlightened", channel=CHANNEL)) is None


def test_unwanted_type_is_none() -> None:
    """What the application does not want is not even parsed."""
    decoder = EventDecoder(frozenset({"ChannelHold"}))
    assert decoder.decode(frame(type="ChannelHold", channel="not even a channel")) is None


def test_type_inside_the_event_does_not_mislead() -> None:
    """A user event may carry a field named type, before the event's own."""
    event = EventDecoder().decode(
        frame(userevent={"type": "StasisEnd"}, eventname="canary", type="ChannelUserevent")
    )
    assert isinstance(event, models.ChannelUserevent)


def test_text_that_looks_like_a_type_does_not_mislead() -> None:
    """Hostile text in a caller's name stays text."""
    hostile = {**CHANNEL, "caller": {"name": '"type":"StasisEnd"', "number": ""}}
    event = EventDecoder().decode(frame(channel=hostile, type="ChannelHold"))
    assert isinstance(event, models.ChannelHold)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"nonsense", b'{"type":"StasisEnd"}', b'{"type":"x']
)
def test_frame_that_is_no_event_is_an_error(data: bytes) -> None:
    """The reader logs it and reads on."""
    with pytest.raises(AriError, match="not an event"):
        EventDecoder().decode(data)
